# Who may talk to whom: a table of flows between security groups. No rule names a network but the
# world at the load balancer's 443 and the carriers'; so tenants of one network cannot reach each
# other.
locals {
  groups = merge(
    {
      balancer   = "HTTPS from the world"
      app        = "Web application"
      asterisk   = "Telephony server"
      kamailio   = "SIP over WebSocket"
      redis      = "Cache and real-time data"
      websockets = "Pushes to browsers"
      postgresql = "PostgreSQL"
    },
    var.dialer ? {
      dialer          = "Outbound dialer"
      dialer_balancer = "Internal address of the dialer"
      mysql           = "MySQL of the dialer"
    } : {},
  )

  flows = merge(
    {
      https             = { from = "balancer", to = "app", protocol = "tcp", port = 443 }
      signalling        = { from = "app", to = "kamailio", protocol = "tcp", port = 14443 }
      manager           = { from = "app", to = "asterisk", protocol = "tcp", port = 5038 }
      pushes            = { from = "app", to = "websockets", protocol = "tcp", port = 8000 }
      cache_app         = { from = "app", to = "redis", protocol = "tcp", port = 6379 }
      cache_asterisk    = { from = "asterisk", to = "redis", protocol = "tcp", port = 6379 }
      cache_kamailio    = { from = "kamailio", to = "redis", protocol = "tcp", port = 6379 }
      cache_websockets  = { from = "websockets", to = "redis", protocol = "tcp", port = 6379 }
      database_app      = { from = "app", to = "postgresql", protocol = "tcp", port = 5432 }
      database_asterisk = { from = "asterisk", to = "postgresql", protocol = "tcp", port = 5432 }
      agents            = { from = "kamailio", to = "asterisk", protocol = "udp", port = 5160, to_port = 5161 }
      calls             = { from = "asterisk", to = "kamailio", protocol = "udp", port = 5060 }
    },
    var.dialer ? {
      dialer_app     = { from = "app", to = "dialer_balancer", protocol = "tcp", port = 8080 }
      dialer         = { from = "dialer_balancer", to = "dialer", protocol = "tcp", port = 8080 }
      dialer_ui      = { from = "balancer", to = "dialer", protocol = "tcp", port = 8080 }
      dialer_manager = { from = "dialer", to = "asterisk", protocol = "tcp", port = 5038 }
      dialer_data    = { from = "dialer", to = "mysql", protocol = "tcp", port = 3306 }
    } : {},
  )

  # The shared environment's RTPengine and gateway reach this tenant's telephony server. They are
  # reached by it because its machines carry the environment's clients' groups, see machines.tf: no
  # rule of a shared group names a tenant.
  from_shared = {
    media_rtpengine = { from = var.shared.rtpengine_security_group_id, protocol = "udp", port = 40000, to_port = 50000 }
    media_sbc       = { from = var.shared.sbc_security_group_id, protocol = "udp", port = 40000, to_port = 50000 }
    trunk_sbc       = { from = var.shared.sbc_security_group_id, protocol = "udp", port = 5161, to_port = 5162 }
  }

  from_carriers = {
    for pair in setproduct(local.pstn_trunks, ["trunk", "media"]) : "${pair[1]} ${pair[0]}" => {
      cidr    = pair[0]
      port    = pair[1] == "trunk" ? 5162 : 40000
      to_port = pair[1] == "trunk" ? 5162 : 50000
    }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:each group is attached by its name in the component's own file
  for_each = local.groups

  name        = "${local.prefix}-${replace(each.key, "_", "-")}"
  description = "${each.value} of ${var.stack_name}"
  vpc_id      = var.shared.vpc_id

  tags = { Name = "${local.prefix}-${replace(each.key, "_", "-")}" }
}

resource "aws_vpc_security_group_ingress_rule" "between" {
  for_each = local.flows

  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = "From ${each.value.from}"
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = try(each.value.to_port, each.value.port)
}

resource "aws_vpc_security_group_ingress_rule" "from_shared" {
  for_each = local.from_shared

  security_group_id            = aws_security_group.this["asterisk"].id
  referenced_security_group_id = each.value.from
  description                  = "From the shared environment: ${each.key}"
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.to_port
}

resource "aws_vpc_security_group_ingress_rule" "from_carriers" {
  for_each = local.from_carriers

  security_group_id = aws_security_group.this["asterisk"].id
  cidr_ipv4         = each.value.cidr
  description       = "From a carrier"
  ip_protocol       = "udp"
  from_port         = each.value.port
  to_port           = each.value.to_port
}

resource "aws_vpc_security_group_ingress_rule" "world" {
  security_group_id = aws_security_group.this["balancer"].id
  cidr_ipv4         = "0.0.0.0/0"
  description       = "HTTPS from the world"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Carriers, mail relays, CRMs and package sources are anywhere; databases ask nobody.
resource "aws_vpc_security_group_egress_rule" "this" {
  #checkov:skip=CKV_AWS_382:what a contact centre calls is anywhere; ingress decides between tenants
  for_each = setsubtract(keys(local.groups), ["postgresql", "mysql"])

  security_group_id = aws_security_group.this[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  description       = "To anywhere"
  ip_protocol       = "-1"
}
