# Records in the domain's zone, and the certificate of all tenants' web addresses.
data "aws_route53_zone" "this" {
  for_each = toset(var.hosted_zone == "" ? ["this"] : [])

  name         = "${var.domain_name}."
  private_zone = false
}

locals {
  zone_id = var.hosted_zone != "" ? var.hosted_zone : one(values(data.aws_route53_zone.this)[*].zone_id)
}

resource "aws_acm_certificate" "this" {
  domain_name               = var.domain_name
  subject_alternative_names = ["*.${var.domain_name}"]
  validation_method         = "DNS"

  tags = { Name = "${local.prefix}-wildcard" }

  lifecycle {
    # The load balancers of the tenants hold the old one until they have the new one.
    create_before_destroy = true
  }
}

locals {
  # Domain and wildcard are proved by the same record.
  proof = one([
    for option in aws_acm_certificate.this.domain_validation_options : option
    if option.domain_name == var.domain_name
  ])
}

resource "aws_route53_record" "certificate" {
  zone_id = local.zone_id
  name    = local.proof.resource_record_name
  type    = local.proof.resource_record_type
  ttl     = 300
  records = [local.proof.resource_record_value]

  # All certificates of an account for this domain are proved by this same record; another shared
  # environment may have made it.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [aws_route53_record.certificate.fqdn]

  timeouts {
    create = "30m"
  }
}

resource "aws_route53_record" "rtpengine" {
  zone_id = local.zone_id
  name    = local.rtpengine_fqdn
  type    = "A"
  ttl     = 300
  records = [module.rtpengine.public_ip]
}

resource "aws_route53_record" "sbc" {
  zone_id = local.zone_id
  name    = local.sbc_fqdn
  type    = "A"
  ttl     = 300
  records = [module.sbc.public_ip]
}

# Tenants reach both machines by the load balancer: what leaves a private subnet for an Elastic IP passes
# the NAT gateway, and no rule from group to group matches it.
resource "aws_route53_record" "internal" {
  for_each = { rtpengine = local.rtpengine_internal_fqdn, sbc = local.sbc_internal_fqdn }

  zone_id = local.zone_id
  name    = each.value
  type    = "A"

  alias {
    name                   = aws_lb.internal.dns_name
    zone_id                = aws_lb.internal.zone_id
    evaluate_target_health = false
  }
}
