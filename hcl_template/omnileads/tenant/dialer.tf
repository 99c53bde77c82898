# The optional outbound dialer: a group of one, and an internal address that stays when it is made
# again.
module "dialer" {
  source   = "../../modules/group"
  for_each = local.dialer

  name               = "oml-${local.prefix}-dialer-EC2"
  machine_name       = "${local.prefix}-dialer-EC2"
  ami_id             = module.image[each.key].id
  size               = var.ec2_dialer_size
  disk_gib           = var.dialer_root_disk_size
  subnet_ids         = var.shared.private_subnet_ids
  target_group_arns  = [module.balancer.target_group_arns["wdextTG"], aws_lb_target_group.dialer[each.key].arn]
  security_group_ids = [aws_security_group.this["dialer"].id]
  profile_name       = module.role[each.key].role_name
  ssh_key_name       = var.ssh_key_name
  user_data          = local.user_data["dialer"]
  tags               = merge(module.naming.tags, local.component_tags["dialer"])

  depends_on = [aws_ssm_parameter.secret]
}

resource "aws_lb" "dialer" {
  #checkov:skip=CKV_AWS_91:only the application calls it, from inside
  #checkov:skip=CKV_AWS_150:deletion protection would stop a confirmed destroy half way
  for_each = local.dialer

  name                             = "${local.prefix}-wdNLB"
  load_balancer_type               = "network"
  internal                         = true
  subnets                          = var.shared.private_subnet_ids
  security_groups                  = [aws_security_group.this["dialer_balancer"].id]
  enable_cross_zone_load_balancing = true
}

resource "aws_lb_target_group" "dialer" {
  for_each = local.dialer

  name     = "${local.prefix}-wdintTG"
  port     = 8080
  protocol = "TCP"
  vpc_id   = var.shared.vpc_id

  health_check {
    protocol = "HTTP"
    path     = "/"
    matcher  = "200-399"
  }
}

resource "aws_lb_listener" "dialer" {
  for_each = local.dialer

  load_balancer_arn = aws_lb.dialer[each.key].arn
  port              = 8080
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.dialer[each.key].arn
  }
}
