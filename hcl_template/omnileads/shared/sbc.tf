# The Asterisk to the carriers. Tenants signal through the load balancer (balancer.tf) and send media to
# the machine itself.
resource "aws_security_group" "sbc" {
  #checkov:skip=CKV2_AWS_5:The machines of the group have it.
  name        = "oml-${local.prefix}-astsbc-SG"
  description = "SBC: carriers by address, tenants by their clients' group"
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

resource "aws_vpc_security_group_ingress_rule" "sbc_tenant_media" {
  security_group_id            = aws_security_group.sbc.id
  description                  = "Media of tenants"
  ip_protocol                  = "udp"
  from_port                    = var.astsbc_rtp_min_port
  to_port                      = var.astsbc_rtp_max_port
  referenced_security_group_id = aws_security_group.clients["sbc"].id
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
  target_group_arns  = [aws_lb_target_group.this["sbc"].arn]
  ssh_key_name       = var.ssh_key_name
  policies           = { configuration = data.aws_iam_policy_document.sbc_configuration.json }
  tags               = merge(module.naming.tags, { "omlsaas:component" = "sbc" })

  parameter_arns = [
    "${local.aws}:ssm:${var.aws_region}:${local.account}:parameter${module.naming.parameter_path}/astsbc/ami_password"
  ]
  boot_after = concat(
    values(aws_vpc_security_group_egress_rule.sbc)[*].id,
    [aws_ssm_parameter.sbc_password.id, module.sbc_configuration.name, aws_lb_listener.this["sbc"].id],
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
