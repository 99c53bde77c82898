# The public load balancer as it is planned.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name               = "prod-acme-alb"
  prefix             = "prod-acme"
  vpc_id             = "vpc-0a1b2c3d4e5f60718"
  subnet_ids         = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
  security_group_ids = ["sg-0a1b2c3d4e5f60715"]
  certificate_arn    = "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  access_logs_bucket = "oml-prod-omlsaas-sharedus-access-logs"
  access_logs_prefix = "acme"

  targets = {
    httpsTG = { port = 443, protocol = "HTTPS", host = "acme.cc.example.net", priority = 100 }
    wdextTG = { port = 8080, protocol = "HTTP", host = "", priority = 99 }
  }
}

run "https_by_host_name" {
  command = plan

  assert {
    condition     = aws_lb_listener.this.port == 443 && aws_lb_listener.this.protocol == "HTTPS"
    error_message = "HTTPS is the only way in."
  }

  assert {
    condition     = aws_lb_listener.this.default_action[0].type == "fixed-response"
    error_message = "Another host name gets nothing."
  }

  assert {
    condition     = keys(aws_lb_listener_rule.this) == ["httpsTG"]
    error_message = "A target without a host name is not shown."
  }

  assert {
    condition     = one(aws_lb.this.access_logs).enabled && one(aws_lb.this.access_logs).prefix == "acme"
    error_message = "Access is logged."
  }
}

run "named_networks_only" {
  command = plan

  variables {
    targets = {
      wdextTG = { port = 8080, protocol = "HTTP", host = "acme-wdext.cc.example.net", priority = 99, source_cidrs = ["203.0.113.0/24"] }
    }
  }

  assert {
    condition     = length(aws_lb_listener_rule.this["wdextTG"].condition) == 2
    error_message = "The rule names the host and the networks."
  }
}

run "wrong_values" {
  command = plan

  variables {
    name    = "a-name-of-more-than-thirty-two-characters"
    targets = { dialer = { port = 8080, protocol = "TCP", host = "", priority = 1 } }
  }

  expect_failures = [var.name, var.targets]
}
