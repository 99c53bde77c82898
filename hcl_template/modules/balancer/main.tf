# A public load balancer: HTTPS only, and only for the host names that it knows.
resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150:deletion protection would stop a confirmed destroy half way
  #checkov:skip=CKV2_AWS_28:a web application firewall is priced per tenant and not part of this
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.subnet_ids
  security_groups            = var.security_group_ids
  idle_timeout               = 600
  drop_invalid_header_fields = true

  access_logs {
    bucket  = var.access_logs_bucket
    prefix  = var.access_logs_prefix
    enabled = true
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "There is nothing at this name."
      status_code  = "404"
    }
  }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:a target that speaks no TLS is reached inside the private network only
  for_each = var.targets

  name     = "${var.prefix}-${each.key}"
  port     = each.value.port
  protocol = each.value.protocol
  vpc_id   = var.vpc_id

  health_check {
    protocol            = each.value.protocol
    path                = "/"
    matcher             = "200-399"
    interval            = 30
    timeout             = 10
    healthy_threshold   = 3
    unhealthy_threshold = 5
  }

}

resource "aws_lb_listener_rule" "this" {
  for_each = { for name, target in var.targets : name => target if target.host != "" }

  listener_arn = aws_lb_listener.this.arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }

  condition {
    host_header {
      values = [each.value.host]
    }
  }

  dynamic "condition" {
    for_each = length(each.value.source_cidrs) > 0 ? [each.value.source_cidrs] : []

    content {
      source_ip {
        values = condition.value
      }
    }
  }
}
