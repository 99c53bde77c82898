# What replaces a machine, and what does not. The provider is a stand-in: machines have to be made.
mock_provider "aws" {}

variables {
  name               = "prod-acme-redis-EC2"
  ami_id             = "ami-0123456789abcdef0"
  size               = "t3.micro"
  disk_gib           = 20
  subnet_id          = "subnet-0a1b2c3d4e5f60713"
  security_group_ids = ["sg-0a1b2c3d4e5f60715"]
  profile_name       = "prod-acme-redis"
  user_data          = "#cloud-config"
  replace_on         = { VERSION = "1" }
}

run "made" {
  command = apply
}

run "size_disk_and_text_keep_it" {
  command = apply

  variables {
    size      = "t3.large"
    disk_gib  = 40
    user_data = "#cloud-config, with better scripts"
  }

  assert {
    condition     = output.id == run.made.id
    error_message = "Size, disk and the text of scripts do not replace the machine."
  }

  assert {
    condition     = aws_instance.this.instance_type == "t3.large"
    error_message = "The size is changed all the same."
  }
}

run "another_version_replaces_it" {
  command = apply

  variables {
    user_data  = "#cloud-config, with better scripts"
    replace_on = { VERSION = "2" }
  }

  assert {
    condition     = output.id != run.made.id && aws_instance.this.user_data == "#cloud-config, with better scripts"
    error_message = "Another version makes another machine, with the text of the day."
  }
}

run "another_image_replaces_it" {
  command = apply

  variables {
    ami_id     = "ami-0aaaaaaaaaaaaaaaa"
    user_data  = "#cloud-config, with better scripts"
    replace_on = { VERSION = "2" }
  }

  assert {
    condition     = output.id != run.another_version_replaces_it.id && aws_instance.this.ami == "ami-0aaaaaaaaaaaaaaaa"
    error_message = "A named image takes effect."
  }
}
