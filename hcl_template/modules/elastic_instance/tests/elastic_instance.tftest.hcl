provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = module.image.data.aws_ami.this
  values = { id = "ami-0aaaaaaaaaaaaaaaa" }
}

variables {
  name               = "prod-shared1-rtpengine"
  group_name         = "oml-prod-shared1-rtpengine-EC2"
  region             = "us-east-2"
  ami_id             = "ami-0123456789abcdef0"
  family             = "amazon_linux_2"
  release            = "1"
  size               = "t3.small"
  disk_gib           = 40
  subnet_ids         = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_group_ids = ["sg-0aaaaaaaaaaaaaaaa"]
  boot_script        = "echo \"$PUBLIC_IP\""
  tags               = { "omlsaas:stack" = "shared1", "omlsaas:component" = "rtpengine" }
}

run "one_machine_locked_down" {
  command = plan

  assert {
    condition = alltrue([
      aws_autoscaling_group.this.min_size == 1,
      aws_autoscaling_group.this.max_size == 1,
      aws_autoscaling_group.this.desired_capacity == 1,
    ])
    error_message = "The group has one machine."
  }

  assert {
    condition = alltrue([
      aws_launch_template.this.metadata_options[0].http_tokens == "required",
      aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true",
      aws_launch_template.this.block_device_mappings[0].ebs[0].volume_type == "gp3",
      aws_launch_template.this.key_name == null,
    ])
    error_message = "IMDSv2, an encrypted gp3 disk and no SSH key."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "A named image is taken, and none is looked up."
  }

  assert {
    condition     = aws_eip.this.tags["Name"] == "prod-shared1-rtpengineEIP"
    error_message = "The machine finds its address by this tag."
  }

  assert {
    condition = alltrue([
      for text in ["Values=prod-shared1-rtpengineEIP", "AWS_DEFAULT_REGION=us-east-2", "echo \"$PUBLIC_IP\""] :
      strcontains(base64decode(aws_launch_template.this.user_data), text)
    ])
    error_message = "The boot takes the address and then does what it was given."
  }

  assert {
    condition = toset([for t in aws_autoscaling_group.this.tag : t.key if t.propagate_at_launch]) == toset([
      "Name", "omlsaas:component", "omlsaas:stack"
    ])
    error_message = "The machine carries all tags."
  }

  assert {
    condition = alltrue([
      for s in jsondecode(data.aws_iam_policy_document.address.json).Statement :
      s.Action == "ec2:DescribeAddresses" || contains(keys(s), "Condition")
    ])
    error_message = "It may take its own address only, and for its own machines only."
  }
}

run "a_key_pair_is_possible" {
  command = plan

  variables {
    ami_id       = ""
    ssh_key_name = "deployer"
  }

  assert {
    condition     = aws_launch_template.this.key_name == "deployer"
    error_message = "A key pair is possible."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    disk_gib = 7.5
  }

  expect_failures = [var.disk_gib]
}
