# Addresses in the zone of the shared environment. Those of machines are private and change when a
# machine is made again, so they are kept for a minute only.
resource "aws_route53_record" "machine" {
  #checkov:skip=CKV2_AWS_23:the addresses are those of the machines of modules/instance
  for_each = local.machines

  zone_id = var.shared.hosted_zone_id
  name    = local.hosts[each.key]
  type    = "A"
  ttl     = 60
  records = [module.machine[each.key].private_ip]
}

resource "aws_route53_record" "app" {
  zone_id = var.shared.hosted_zone_id
  name    = local.host
  type    = "A"

  alias {
    name                   = module.balancer.dns_name
    zone_id                = module.balancer.zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "dialer" {
  for_each = local.dialer

  zone_id = var.shared.hosted_zone_id
  name    = local.hosts.dialer
  type    = "A"

  alias {
    name                   = aws_lb.dialer[each.key].dns_name
    zone_id                = aws_lb.dialer[each.key].zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "dialer_ui" {
  for_each = length(var.dialer_ui_cidrs) > 0 ? local.dialer : toset([])

  zone_id = var.shared.hosted_zone_id
  name    = local.hosts.dialer_ui
  type    = "A"

  alias {
    name                   = module.balancer.dns_name
    zone_id                = module.balancer.zone_id
    evaluate_target_health = false
  }
}
