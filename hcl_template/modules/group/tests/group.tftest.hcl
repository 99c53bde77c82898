# An auto-scaling group of one as it is planned.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name               = "oml-prod-acme-EC2"
  machine_name       = "prod-acme-EC2"
  ami_id             = "ami-0123456789abcdef0"
  size               = "t3.medium"
  disk_gib           = 20
  subnet_ids         = ["subnet-0a1b2c3d4e5f60713", "subnet-0a1b2c3d4e5f60714"]
  security_group_ids = ["sg-0a1b2c3d4e5f60715"]
  profile_name       = "prod-acme-app"
  user_data          = "#cloud-config"
  tags               = { "omlsaas:component" = "app" }
}

run "always_one" {
  command = plan

  assert {
    condition = (
      aws_autoscaling_group.this.min_size == 1 && aws_autoscaling_group.this.max_size == 1 &&
      aws_autoscaling_group.this.desired_capacity == 1 && aws_autoscaling_group.this.health_check_type == "EC2"
    )
    error_message = "One machine, replaced when it dies."
  }

  assert {
    condition     = length(aws_autoscaling_group.this.instance_refresh) == 0
    error_message = "Replacing the machine is the portal's step, not a side effect of an apply."
  }

  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required"
    error_message = "Only version 2 of the metadata service answers."
  }

  assert {
    condition     = aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "The disk is encrypted."
  }

  assert {
    condition = alltrue([
      for tags in aws_launch_template.this.tag_specifications :
      tags.tags["Name"] == "prod-acme-EC2" && tags.tags["omlsaas:component"] == "app"
    ]) && length(aws_launch_template.this.tag_specifications) == 2
    error_message = "Machine and disk carry name and component."
  }
}

run "wrong_disk" {
  command = plan

  variables {
    disk_gib = 20000
  }

  expect_failures = [var.disk_gib]
}

run "boot_text_too_long" {
  command = plan

  variables {
    user_data = join("", [for n in range(1000) : "seventeen letters"])
  }

  expect_failures = [aws_launch_template.this]
}
