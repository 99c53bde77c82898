resource "aws_security_group" "rtpengine" {
  #checkov:skip=CKV2_AWS_5:The machines of the group have it.
  name        = "oml-${local.prefix}-rtpengine-SG"
  description = "RTPengine: media from everywhere, control through the load balancer"
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

locals {
  rtpengine_boot = templatefile("${path.module}/templates/rtpengine.sh.tftpl", {
    packages_url = var.packages_url
    version      = var.rtpengine_version
    control_port = local.control_port
    health_port  = local.rtpengine_health_port
    rtp_min_port = var.rtpengine_rtp_min_port
    rtp_max_port = var.rtpengine_rtp_max_port
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
  target_group_arns  = [aws_lb_target_group.this["rtpengine"].arn]
  tags               = merge(module.naming.tags, { "omlsaas:component" = "rtpengine" })
  boot_script        = local.rtpengine_boot

  boot_after = concat(
    values(aws_vpc_security_group_egress_rule.rtpengine)[*].id,
    [aws_lb_listener.this["rtpengine"].id],
  )
}
