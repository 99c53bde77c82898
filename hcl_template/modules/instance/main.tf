# One machine of a component. Another size stops and starts it, a larger disk grows in place; what
# replaces it is told by the caller. A boot text that reads differently because a script of ours
# became better does not: the next machine gets it.
resource "terraform_data" "replace" {
  input = merge(var.replace_on, { image = var.ami_id })
}

resource "aws_instance" "this" {
  #checkov:skip=CKV_AWS_126:figures by the minute are priced per machine; every five minutes is enough
  ami                    = var.ami_id
  instance_type          = var.size
  subnet_id              = var.subnet_id
  vpc_security_group_ids = var.security_group_ids
  iam_instance_profile   = var.profile_name
  key_name               = var.ssh_key_name == "" ? null : var.ssh_key_name
  user_data              = var.user_data
  ebs_optimized          = true

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type           = "gp3"
    volume_size           = var.disk_gib
    encrypted             = true
    delete_on_termination = true
    tags                  = merge(var.tags, { Name = var.name })
  }

  tags = merge(var.tags, { Name = var.name })

  lifecycle {
    ignore_changes       = [ami, user_data]
    replace_triggered_by = [terraform_data.replace]

    precondition {
      condition     = length(var.user_data) <= 16384
      error_message = "The boot text of ${var.name} is over 16 KiB; EC2 takes no more."
    }
  }
}
