# An auto-scaling group of one: a machine that dies is made again. A changed launch template is taken
# by the next machine only; replacing the one that runs is a step of its own.
resource "aws_launch_template" "this" {
  name                   = var.name
  image_id               = var.ami_id
  instance_type          = var.size
  key_name               = var.ssh_key_name == "" ? null : var.ssh_key_name
  user_data              = base64encode(var.user_data)
  ebs_optimized          = true
  update_default_version = true
  vpc_security_group_ids = var.security_group_ids

  iam_instance_profile {
    name = var.profile_name
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  # The provider's default tags do not reach what the group starts.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = var.machine_name })
    }
  }

  lifecycle {
    precondition {
      condition     = length(var.user_data) <= 16384
      error_message = "The boot text of ${var.name} is over 16 KiB; EC2 takes no more."
    }
  }
}

resource "aws_autoscaling_group" "this" {
  name                = var.name
  min_size            = 1
  max_size            = 1
  desired_capacity    = 1
  vpc_zone_identifier = var.subnet_ids
  target_group_arns   = var.target_group_arns

  # Installing takes half an hour and a slow database must not throw the machine away: the group
  # judges by the machine, the load balancer by the service.
  health_check_type         = "EC2"
  health_check_grace_period = 300

  # Terraform's success is not readiness; the portal's probe waits for the service.
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = var.machine_name })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }
}
