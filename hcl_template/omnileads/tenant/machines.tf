# Telephony server, signalling, cache and pushes: one machine each, with a name in the zone.
locals {
  machines = {
    asterisk   = { size = var.ec2_asterisk_size, disk_gib = var.asterisk_root_disk_size }
    kamailio   = { size = var.ec2_kamailio_size, disk_gib = var.kamailio_root_disk_size }
    redis      = { size = var.ec2_redis_size, disk_gib = var.redis_root_disk_size }
    websockets = { size = var.ec2_websockets_size, disk_gib = var.websockets_root_disk_size }
  }

  images = merge(
    {
      app        = { ami_id = var.app_ami_id, family = "amazon_linux_2", release = var.oml_app_version }
      asterisk   = { ami_id = var.asterisk_ami_id, family = "amazon_linux_2", release = var.oml_asterisk_version }
      kamailio   = { ami_id = var.kamailio_ami_id, family = "amazon_linux_2", release = var.oml_kamailio_version }
      redis      = { ami_id = var.redis_ami_id, family = "amazon_linux_2", release = var.oml_redis_version }
      websockets = { ami_id = var.websockets_ami_id, family = "ubuntu_22_04", release = var.oml_websockets_version }
    },
    var.dialer ? {
      dialer = { ami_id = var.dialer_ami_id, family = "amazon_linux_2", release = var.wombat_version }
    } : {},
  )

  # Groups of the shared environment that its RTPengine and SBC admit. They hold no rule of their own
  # and no rule of a tenant names them: who carries one is opened to nobody.
  clients_groups = {
    asterisk = [var.shared.sbc_clients_security_group_id]
    kamailio = [var.shared.rtpengine_clients_security_group_id]
  }

  # Only these two touch the bucket.
  uses_bucket = ["app", "asterisk"]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [module.data_bucket.arn]
  }

  statement {
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${module.data_bucket.arn}/*"]
  }
}

module "image" {
  source   = "../../modules/image"
  for_each = local.images

  ami_id  = each.value.ami_id
  family  = each.value.family
  release = each.value.release
}

module "role" {
  source   = "../../modules/instance_role"
  for_each = toset(keys(local.images))

  name           = "${local.prefix}-${each.key}"
  parameter_arns = local.parameters_read[each.key]
  policies       = contains(local.uses_bucket, each.key) ? { data-bucket = data.aws_iam_policy_document.bucket.json } : {}
}

module "machine" {
  source   = "../../modules/instance"
  for_each = local.machines

  name               = "${local.prefix}-${each.key}-EC2"
  ami_id             = module.image[each.key].id
  size               = each.value.size
  disk_gib           = each.value.disk_gib
  subnet_id          = local.subnet_id
  security_group_ids = concat([aws_security_group.this[each.key].id], lookup(local.clients_groups, each.key, []))
  profile_name       = module.role[each.key].role_name
  ssh_key_name       = var.ssh_key_name
  user_data          = local.user_data[each.key]
  replace_on         = local.boot_settings[each.key]
  tags               = local.component_tags[each.key]

  # A machine reads these at its first boot.
  depends_on = [aws_ssm_parameter.secret, aws_ssm_parameter.backup_time]
}
