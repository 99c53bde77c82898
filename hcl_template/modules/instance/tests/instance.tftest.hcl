# A machine as it is planned.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name               = "prod-acme-redis-EC2"
  ami_id             = "ami-0123456789abcdef0"
  size               = "t3.micro"
  disk_gib           = 20
  subnet_id          = "subnet-0a1b2c3d4e5f60713"
  security_group_ids = ["sg-0a1b2c3d4e5f60715"]
  profile_name       = "prod-acme-redis"
  user_data          = "#cloud-config"
  tags               = { "omlsaas:component" = "redis" }
}

run "closed_and_encrypted" {
  command = plan

  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required"
    error_message = "Only version 2 of the metadata service answers."
  }

  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_instance.this.root_block_device[0].volume_type == "gp3"
    error_message = "The disk is encrypted."
  }

  assert {
    condition     = aws_instance.this.tags["Name"] == "prod-acme-redis-EC2" && aws_instance.this.tags["omlsaas:component"] == "redis"
    error_message = "Name and component are tags."
  }
}

run "wrong_disk" {
  command = plan

  variables {
    disk_gib = 7
  }

  expect_failures = [var.disk_gib]
}

run "boot_text_too_long" {
  command = plan

  variables {
    user_data = join("", [for n in range(1000) : "seventeen letters"])
  }

  expect_failures = [aws_instance.this]
}
