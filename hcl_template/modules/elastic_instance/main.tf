# An auto-scaling group of one, with an Elastic IP that stays. The machine finds the address by its
# tag and takes it at boot, so a machine that dies is made again and has the address of the one before.
#
# A change of image, size, disk or boot script makes a new version of the launch template and leaves
# the running machine alone: the next one has it. Replacing the running one is a step of its own.
locals {
  machine_name = "${var.name}-EC2"
  address_name = "${var.name}EIP"

  tags    = merge(var.tags, { Name = local.machine_name })
  account = data.aws_caller_identity.this.account_id
  ec2     = "arn:${data.aws_partition.this.partition}:ec2:${var.region}:${local.account}"
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

# --- image -----------------------------------------------------------------------------------

module "image" {
  source = "../image"

  ami_id  = var.ami_id
  family  = var.family
  release = var.release
}

# --- address ---------------------------------------------------------------------------------

resource "aws_eip" "this" {
  #checkov:skip=CKV2_AWS_19:The machine takes it itself at boot; Terraform does not know which one has it.
  domain = "vpc"

  tags = { Name = local.address_name }
}

# --- rights ----------------------------------------------------------------------------------

data "aws_iam_policy_document" "address" {
  #checkov:skip=CKV_AWS_356:DescribeAddresses knows no resources.
  statement {
    sid       = "FindAddress"
    actions   = ["ec2:DescribeAddresses"]
    resources = ["*"]
  }

  statement {
    sid       = "TakeOwnAddress"
    actions   = ["ec2:AssociateAddress"]
    resources = ["${local.ec2}:elastic-ip/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Name"
      values   = [local.address_name]
    }
  }

  statement {
    sid       = "ForMachinesOfThisGroup"
    actions   = ["ec2:AssociateAddress"]
    resources = ["${local.ec2}:instance/*", "${local.ec2}:network-interface/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Name"
      values   = [local.machine_name]
    }
  }
}

module "role" {
  source = "../instance_role"

  name           = var.name
  parameter_arns = var.parameter_arns
  policies       = merge(var.policies, { address = data.aws_iam_policy_document.address.json })
}

# --- machine ---------------------------------------------------------------------------------

resource "aws_launch_template" "this" {
  #checkov:skip=CKV_AWS_88:It serves the public; the public address before its own is for the call that takes its own.
  name                   = var.group_name
  image_id               = module.image.id
  instance_type          = var.size
  key_name               = var.ssh_key_name == "" ? null : var.ssh_key_name
  ebs_optimized          = true
  update_default_version = true

  user_data = base64encode(templatefile("${path.module}/templates/boot.sh.tftpl", {
    region       = var.region
    address_name = local.address_name
    script       = var.boot_script
  }))

  iam_instance_profile {
    arn = module.role.profile_arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  network_interfaces {
    associate_public_ip_address = true
    delete_on_termination       = true
    security_groups             = var.security_group_ids
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

  dynamic "tag_specifications" {
    for_each = toset(["instance", "network-interface", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = local.tags
    }
  }
}

resource "terraform_data" "boot_after" {
  input = var.boot_after
}

resource "aws_autoscaling_group" "this" {
  name                = var.group_name
  min_size            = 1
  max_size            = 1
  desired_capacity    = 1
  vpc_zone_identifier = var.subnet_ids
  target_group_arns   = var.target_group_arns

  # The machine is judged, not the service: a package mirror that is down must not make the group
  # throw machines away one after the other.
  health_check_type         = "EC2"
  health_check_grace_period = 300

  # A machine that runs is not one that serves; the boot goes on for minutes after the apply.
  wait_for_capacity_timeout = "10m"

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  dynamic "tag" {
    for_each = local.tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  depends_on = [terraform_data.boot_after]
}
