# The load balancer has the same group as the machine behind it: a tenant admits itself once, for
# signalling through the load balancer and for media to the machine. AWS lets a target admit clients
# of a load balancer by the balancer's group, not by theirs, hence the rule of the group to itself.
resource "aws_security_group" "sbc" {
  #checkov:skip=CKV2_AWS_5:The machines of the group have it.
  name        = "oml-${local.prefix}-astsbc-SG"
  description = "SBC: carriers by address, tenants that admit themselves"
  vpc_id      = module.network.vpc_id

  tags = { Name = "oml-${local.prefix}-astsbc-SG" }
}

resource "aws_vpc_security_group_ingress_rule" "sbc_carrier_calls" {
  for_each = toset(var.pstn_trunks)

  security_group_id = aws_security_group.sbc.id
  description       = "Calls from a carrier"
  ip_protocol       = "udp"
  from_port         = local.carrier_port
  to_port           = local.carrier_port
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "sbc_carrier_media" {
  for_each = toset(var.pstn_trunks)

  security_group_id = aws_security_group.sbc.id
  description       = "Media from a carrier"
  ip_protocol       = "udp"
  from_port         = var.astsbc_rtp_min_port
  to_port           = var.astsbc_rtp_max_port
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "sbc_balancer" {
  for_each = {
    calls  = { protocol = "udp", port = local.tenant_port, description = "Calls from tenants, through the load balancer" }
    health = { protocol = "tcp", port = local.health_port, description = "Health checks of the load balancer" }
  }

  security_group_id            = aws_security_group.sbc.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_security_group.sbc.id
}

resource "aws_vpc_security_group_egress_rule" "sbc" {
  for_each = {
    voice    = { protocol = "udp", from = 1024, to = 65535, description = "Calls and media to carriers and tenants" }
    packages = { protocol = "tcp", from = 443, to = 443, description = "Packages and the provider's services" }
    mirrors  = { protocol = "tcp", from = 80, to = 80, description = "Package mirrors" }
  }

  security_group_id = aws_security_group.sbc.id
  description       = each.value.description
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "sbc_health" {
  security_group_id            = aws_security_group.sbc.id
  description                  = "Health checks of the load balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.health_port
  to_port                      = local.health_port
  referenced_security_group_id = aws_security_group.sbc.id
}

# --- load balancer ---------------------------------------------------------------------------

resource "aws_lb" "sbc" {
  #checkov:skip=CKV_AWS_91:A network load balancer logs TLS connections only; this one carries SIP over UDP.
  #checkov:skip=CKV_AWS_150:It holds no data, and the portal asks for the typed name before it destroys anything.
  name                             = "${local.prefix}-intsbcNLB"
  internal                         = true
  load_balancer_type               = "network"
  subnets                          = module.network.private_subnet_ids
  security_groups                  = [aws_security_group.sbc.id]
  enable_cross_zone_load_balancing = true # the one machine is in one zone

  tags = { Name = "${local.prefix}-intsbcNLB" }
}

resource "aws_lb_target_group" "sbc" {
  name        = "${local.prefix}-intsbcTG"
  port        = local.tenant_port
  protocol    = "UDP"
  target_type = "instance"
  vpc_id      = module.network.vpc_id

  health_check {
    protocol = "TCP"
    port     = tostring(local.health_port)
    interval = 30
  }

  tags = { Name = "${local.prefix}-intsbcTG" }
}

resource "aws_lb_listener" "sbc" {
  load_balancer_arn = aws_lb.sbc.arn
  port              = local.tenant_port
  protocol          = "UDP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.sbc.arn
  }

  tags = { Name = "${local.prefix}-intsbc" }
}

# --- secret ----------------------------------------------------------------------------------

resource "aws_ssm_parameter" "sbc_password" {
  #checkov:skip=CKV_AWS_337:The account's own key for parameters encrypts it, and rights on the parameter guard it; a customer key adds its price and no reader less.
  name        = "${module.naming.parameter_path}/astsbc/ami_password"
  description = "Password of the SBC's Asterisk manager interface; the SBC reads it at boot"
  type        = "SecureString"

  # Write-only: neither plan nor state holds the password. Terraform cannot compare what it does not
  # keep, so six digits of its hash tell that it is another one: too few to find it by.
  value_wo         = var.astsbc_ami_password
  value_wo_version = parseint(substr(sha256("${local.prefix}/${var.astsbc_ami_password}"), 0, 6), 16)

  tags = { Name = "${local.prefix}-astsbc-ami-password" }
}

# --- machine ---------------------------------------------------------------------------------

data "aws_iam_policy_document" "sbc_configuration" {
  statement {
    sid       = "ListConfiguration"
    actions   = ["s3:ListBucket"]
    resources = [module.sbc_configuration.arn]
  }

  statement {
    sid       = "Configuration"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${module.sbc_configuration.arn}/*"]
  }
}

module "sbc" {
  source = "../../modules/elastic_instance"

  name               = "${local.prefix}-astsbc"
  group_name         = "oml-${local.prefix}-astsbc-EC2"
  region             = var.aws_region
  ami_id             = var.astsbc_ami_id
  family             = "amazon_linux_2"
  release            = var.astsbc_version
  size               = var.ec2_size_astsbc
  disk_gib           = var.disk_size_astsbc
  subnet_ids         = module.network.public_subnet_ids
  security_group_ids = [aws_security_group.sbc.id]
  target_group_arns  = [aws_lb_target_group.sbc.arn]
  ssh_key_name       = var.ssh_key_name
  policies           = { configuration = data.aws_iam_policy_document.sbc_configuration.json }
  tags               = merge(module.naming.tags, { "omlsaas:component" = "sbc" })

  parameter_arns = [
    "${local.aws}:ssm:${var.aws_region}:${local.account}:parameter${module.naming.parameter_path}/astsbc/ami_password"
  ]
  boot_after = concat(
    values(aws_vpc_security_group_egress_rule.sbc)[*].id,
    [aws_ssm_parameter.sbc_password.id, module.sbc_configuration.name, aws_lb_listener.sbc.id],
  )

  boot_script = templatefile("${path.module}/templates/astsbc.sh.tftpl", {
    packages_url       = var.packages_url
    version            = var.astsbc_version
    scripts_ref        = var.astsbc_scripts_ref
    bucket             = module.naming.sbc_bucket
    fqdn               = local.sbc_fqdn
    rtp_min_port       = var.astsbc_rtp_min_port
    rtp_max_port       = var.astsbc_rtp_max_port
    health_port        = local.health_port
    manager_user       = var.astsbc_ami_user
    password_parameter = "${module.naming.parameter_path}/astsbc/ami_password"
  })
}
