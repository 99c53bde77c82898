resource "aws_security_group" "rtpengine" {
  #checkov:skip=CKV2_AWS_5:The machines of the group have it.
  name        = "oml-${local.prefix}-rtpengine-SG"
  description = "RTPengine: media from everywhere, control from tenants that admit themselves"
  vpc_id      = module.network.vpc_id

  tags = { Name = "oml-${local.prefix}-rtpengine-SG" }
}

resource "aws_vpc_security_group_ingress_rule" "rtpengine_media" {
  security_group_id = aws_security_group.rtpengine.id
  description       = "Media of browsers anywhere, and of the tenants"
  ip_protocol       = "udp"
  from_port         = var.rtpengine_rtp_min_port
  to_port           = var.rtpengine_rtp_max_port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "rtpengine" {
  for_each = {
    media    = { protocol = "udp", from = 1024, to = 65535, description = "Media to browsers anywhere" }
    packages = { protocol = "tcp", from = 443, to = 443, description = "Packages and the provider's services" }
    mirrors  = { protocol = "tcp", from = 80, to = 80, description = "Package mirrors" }
  }

  security_group_id = aws_security_group.rtpengine.id
  description       = each.value.description
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = "0.0.0.0/0"
}

# The machine writes its own name, and nothing else of the zone. Null: a request that carries no names,
# types or actions is none of these either; ForAllValues alone would let it pass.
data "aws_iam_policy_document" "rtpengine_name" {
  statement {
    sid       = "WriteOwnName"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = ["${local.aws}:route53:::hostedzone/${local.zone_id}"]

    dynamic "condition" {
      for_each = {
        NormalizedRecordNames = local.rtpengine_internal_fqdn
        RecordTypes           = "A"
        Actions               = "UPSERT"
      }

      content {
        test     = "ForAllValues:StringEquals"
        variable = "route53:ChangeResourceRecordSets${condition.key}"
        values   = [condition.value]
      }
    }

    dynamic "condition" {
      for_each = toset(["NormalizedRecordNames", "RecordTypes", "Actions"])

      content {
        test     = "Null"
        variable = "route53:ChangeResourceRecordSets${condition.value}"
        values   = ["false"]
      }
    }
  }
}

locals {
  rtpengine_boot = templatefile("${path.module}/templates/rtpengine.sh.tftpl", {
    packages_url  = var.packages_url
    version       = var.rtpengine_version
    zone_id       = local.zone_id
    internal_fqdn = local.rtpengine_internal_fqdn
    internal_ttl  = aws_route53_record.rtpengine_internal.ttl
    control_port  = local.control_port
    rtp_min_port  = var.rtpengine_rtp_min_port
    rtp_max_port  = var.rtpengine_rtp_max_port
  })
}

module "rtpengine" {
  source = "../../modules/elastic_instance"

  name               = "${local.prefix}-rtpengine"
  group_name         = "oml-${local.prefix}-rtpengine-EC2"
  region             = var.aws_region
  ami_id             = var.rtpengine_ami_id
  family             = "amazon_linux_2"
  release            = var.rtpengine_version
  size               = var.ec2_size_rtpengine
  disk_gib           = var.disk_size_rtpengine
  subnet_ids         = module.network.public_subnet_ids
  security_group_ids = [aws_security_group.rtpengine.id]
  ssh_key_name       = var.ssh_key_name
  policies           = { name = data.aws_iam_policy_document.rtpengine_name.json }
  tags               = merge(module.naming.tags, { "omlsaas:component" = "rtpengine" })
  boot_script        = local.rtpengine_boot

  # The record is first: Terraform makes it, and cannot where the machine already has.
  boot_after = concat(
    values(aws_vpc_security_group_egress_rule.rtpengine)[*].id,
    [aws_route53_record.rtpengine_internal.id],
  )
}
