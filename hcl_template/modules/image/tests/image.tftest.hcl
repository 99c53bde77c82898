# Which image a machine starts from.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  family  = "amazon_linux_2"
  release = "220614.01"
}

run "named_image" {
  command = plan

  variables {
    ami_id = "ami-0123456789abcdef0"
  }

  assert {
    condition     = output.id == "ami-0123456789abcdef0" && length(terraform_data.this) == 0
    error_message = "A named image is used as it is, and nothing is looked up."
  }
}

run "newest_image" {
  command = apply

  override_data {
    target = data.aws_ami.this["newest"]
    values = { id = "ami-0aaaaaaaaaaaaaaaa" }
  }

  assert {
    condition     = output.id == "ami-0aaaaaaaaaaaaaaaa"
    error_message = "Without a name it is the newest of the family."
  }
}

run "newer_image_changes_nothing" {
  command = plan

  override_data {
    target = data.aws_ami.this["newest"]
    values = { id = "ami-0bbbbbbbbbbbbbbbb" }
  }

  assert {
    condition     = output.id == "ami-0aaaaaaaaaaaaaaaa"
    error_message = "The image is kept although there is a newer one."
  }
}

run "another_release_takes_the_newest" {
  command = apply

  variables {
    release = "230328.01"
  }

  override_data {
    target = data.aws_ami.this["newest"]
    values = { id = "ami-0bbbbbbbbbbbbbbbb" }
  }

  assert {
    condition     = output.id == "ami-0bbbbbbbbbbbbbbbb"
    error_message = "Another release looks again."
  }
}

run "wrong_values" {
  command = plan

  variables {
    ami_id = "latest"
    family = "windows"
  }

  expect_failures = [var.ami_id, var.family]
}
