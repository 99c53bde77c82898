module "balancer" {
  source             = "../../modules/balancer"
  name               = "${local.prefix}-alb"
  prefix             = local.prefix
  vpc_id             = var.shared.vpc_id
  subnet_ids         = var.shared.public_subnet_ids
  security_group_ids = [aws_security_group.this["balancer"].id]
  certificate_arn    = var.shared.certificate_arn
  access_logs_bucket = var.shared.access_logs_bucket
  access_logs_prefix = var.stack_name

  targets = merge(
    { httpsTG = { port = 443, protocol = "HTTPS", host = local.host, priority = 100 } },
    # Its makers ship the dialer with a known password: people reach it from named networks only.
    var.dialer ? {
      wdextTG = {
        port         = 8080
        protocol     = "HTTP"
        host         = length(var.dialer_ui_cidrs) > 0 ? local.hosts.dialer_ui : ""
        priority     = 99
        source_cidrs = var.dialer_ui_cidrs
      }
    } : {},
  )
}

module "app" {
  source             = "../../modules/group"
  name               = "oml-${local.prefix}-EC2"
  machine_name       = "${local.prefix}-EC2"
  ami_id             = module.image["app"].id
  size               = var.ec2_oml_size
  disk_gib           = var.customer_root_disk_size
  subnet_ids         = var.shared.private_subnet_ids
  target_group_arns  = [module.balancer.target_group_arns["httpsTG"]]
  security_group_ids = [aws_security_group.this["app"].id]
  profile_name       = module.role["app"].role_name
  ssh_key_name       = var.ssh_key_name
  user_data          = local.user_data["app"]
  tags               = merge(module.naming.tags, local.component_tags["app"])

  depends_on = [aws_ssm_parameter.secret, aws_ssm_parameter.backup_time]
}
