# How tenants' machines reach the two machines of the environment: through one internal load balancer,
# whose addresses stay for its life, whatever machine serves behind it. Kamailio looks RTPengine's name
# up only when it starts, so an address that changes would end calls until it starts again.
#
# Who may: a machine that carries a clients' group. The groups hold no rule, so carrying one opens
# nothing on the machine itself, not even to another client. Rules of shared groups name the clients'
# group once; their number does not grow with the tenants, where AWS allows 60 in a group.
locals {
  clients = {
    rtpengine = "Machines that ask RTPengine for media: Kamailio of each tenant"
    sbc       = "Machines that call through the SBC: Asterisk of each tenant"
  }

  # AWS lets a target admit a load balancer by the balancer's group, not the balancer's clients.
  through_balancer = {
    calls   = { client = "sbc", protocol = "udp", port = local.tenant_port, description = "Calls of tenants" }
    control = { client = "rtpengine", protocol = "udp", port = local.control_port, description = "Tenants ask for media" }
  }
  health_checks = {
    sbc       = { port = local.health_port, description = "Health checks of the SBC" }
    rtpengine = { port = local.rtpengine_health_port, description = "Health checks of RTPengine" }
  }

  behind_balancer = {
    sbc       = aws_security_group.sbc.id
    rtpengine = aws_security_group.rtpengine.id
  }
  balancer_flows = merge(
    { for name, flow in local.through_balancer : name => merge(flow, { target = flow.client }) },
    { for name, check in local.health_checks : "health_${name}" => merge(check, { target = name, protocol = "tcp" }) },
  )
}

resource "aws_security_group" "clients" {
  #checkov:skip=CKV2_AWS_5:Machines of the tenants carry it.
  for_each = local.clients

  name        = "oml-${local.prefix}-${each.key}-clients-SG"
  description = each.value
  vpc_id      = module.network.vpc_id

  tags = { Name = "oml-${local.prefix}-${each.key}-clients-SG" }
}

resource "aws_security_group" "balancer" {
  name        = "oml-${local.prefix}-internal-SG"
  description = "Internal load balancer: what tenants ask of the SBC and RTPengine"
  vpc_id      = module.network.vpc_id

  tags = { Name = "oml-${local.prefix}-internal-SG" }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = local.through_balancer

  security_group_id            = aws_security_group.balancer.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_security_group.clients[each.value.client].id
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each = local.balancer_flows

  security_group_id            = aws_security_group.balancer.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = local.behind_balancer[each.value.target]
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  for_each = local.balancer_flows

  security_group_id            = local.behind_balancer[each.value.target]
  description                  = "${each.value.description}, by the load balancer"
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_security_group.balancer.id
}

resource "aws_lb" "internal" {
  #checkov:skip=CKV_AWS_91:A network load balancer logs TLS connections only; this one carries SIP and RTPengine's control over UDP.
  #checkov:skip=CKV_AWS_150:It holds no data, and the portal asks for the typed name before it destroys anything.
  name                             = "${local.prefix}-intsbcNLB"
  internal                         = true
  load_balancer_type               = "network"
  subnets                          = module.network.private_subnet_ids
  security_groups                  = [aws_security_group.balancer.id]
  enable_cross_zone_load_balancing = true # each machine is in one zone

  tags = { Name = "${local.prefix}-intsbcNLB" }
}

resource "aws_lb_target_group" "this" {
  for_each = {
    sbc       = { name = "intsbcTG", port = local.tenant_port }
    rtpengine = { name = "rtpengineTG", port = local.control_port }
  }

  name        = "${local.prefix}-${each.value.name}"
  port        = each.value.port
  protocol    = "UDP"
  target_type = "instance"
  vpc_id      = module.network.vpc_id

  # A machine that is let go is dead to its clients at once: the next packet goes to its successor.
  deregistration_delay   = 0
  connection_termination = true

  health_check {
    protocol = "TCP"
    port     = tostring(local.health_checks[each.key].port)
    interval = 30
  }

  tags = { Name = "${local.prefix}-${each.value.name}" }
}

resource "aws_lb_listener" "this" {
  for_each = aws_lb_target_group.this

  load_balancer_arn = aws_lb.internal.arn
  port              = each.value.port
  protocol          = "UDP"

  default_action {
    type             = "forward"
    target_group_arn = each.value.arn
  }

  tags = { Name = "${local.prefix}-int${each.key}" }
}
