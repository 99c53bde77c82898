# Plans with the real provider and no API: what is built, and that wrong values are refused before.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = module.rtpengine.data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = module.sbc.data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = module.network.data.aws_availability_zones.this
  values = { names = ["us-east-2a", "us-east-2b", "us-east-2c"] }
}

override_data {
  target = data.aws_route53_zone.this
  values = { zone_id = "Z0LOOKEDUP" }
}

override_data {
  target = module.rtpengine.module.image.data.aws_ami.this
  values = { id = "ami-0aaaaaaaaaaaaaaaa" }
}

override_data {
  target = module.sbc.module.image.data.aws_ami.this
  values = { id = "ami-0bbbbbbbbbbbbbbbb" }
}

# Known here, so that a plan shows which rules name them.
override_resource {
  target          = aws_security_group.clients
  override_during = plan
  values          = { id = "sg-0cccccccccccccccc" }
}

override_resource {
  target          = aws_security_group.balancer
  override_during = plan
  values          = { id = "sg-0bbbbbbbbbbbbbbbb" }
}

override_resource {
  target          = aws_security_group.sbc
  override_during = plan
  values          = { id = "sg-0dddddddddddddddd" }
}

override_resource {
  target          = aws_security_group.rtpengine
  override_during = plan
  values          = { id = "sg-0eeeeeeeeeeeeeeee" }
}

variables {
  stack_name          = "shared1"
  aws_region          = "us-east-2"
  domain_name         = "cc.example.com"
  hosted_zone         = "Z0123456789ABC"
  owner               = "acme"
  pstn_trunks         = ["203.0.113.7/32", "198.51.100.0/24"]
  rtpengine_ami_id    = "ami-0123456789abcdef0"
  astsbc_ami_id       = "ami-0123456789abcdef0"
  astsbc_ami_password = "Correct-Horse-42-Battery"
}

run "what_is_built" {
  command = plan

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.sbc_carrier_calls : rule.cidr_ipv4]) == toset(var.pstn_trunks)
    error_message = "Carriers, and only they, reach the SBC's port for calls."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.sbc_carrier_media :
      contains(var.pstn_trunks, rule.cidr_ipv4) && rule.from_port == 20000 && rule.to_port == 60000
    ])
    error_message = "Carriers reach the SBC's media ports."
  }

  assert {
    condition = aws_lb.internal.internal && {
      for name, group in aws_lb_target_group.this :
      name => [aws_lb_listener.this[name].port, aws_lb_listener.this[name].protocol, group.health_check[0].port, group.health_check[0].protocol]
      } == {
      sbc       = [6060, "UDP", "7088", "TCP"]
      rtpengine = [22222, "UDP", "22223", "TCP"]
    }
    error_message = "Tenants reach SBC and RTPengine by an internal load balancer, whose addresses stay."
  }

  assert {
    condition = alltrue([
      for group in aws_lb_target_group.this : group.deregistration_delay == "0" && group.connection_termination
    ])
    error_message = "The packets of a machine that is gone go to its successor at once."
  }

  assert {
    condition     = aws_lb.internal.name == "prod-shared1-intsbcNLB" && aws_lb_target_group.this["sbc"].name == "prod-shared1-intsbcTG"
    error_message = "Load balancer and target group have the names that operators know."
  }

  assert {
    condition = {
      for name, rule in merge(
        { for key, rule in aws_vpc_security_group_ingress_rule.balancer : key => rule },
        { media = aws_vpc_security_group_ingress_rule.sbc_tenant_media },
      ) : name => [rule.ip_protocol, rule.from_port, rule.to_port] if rule.referenced_security_group_id == "sg-0cccccccccccccccc"
      } == {
      calls   = ["udp", 6060, 6060]
      control = ["udp", 22222, 22222]
      media   = ["udp", 20000, 60000]
    }
    error_message = "Clients reach the SBC's calls and media and RTPengine's control, by one rule each however many tenants there are."
  }

  assert {
    condition = !anytrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.balancer), values(aws_vpc_security_group_ingress_rule.from_balancer),
        values(aws_vpc_security_group_ingress_rule.sbc_carrier_calls), values(aws_vpc_security_group_ingress_rule.sbc_carrier_media),
        [aws_vpc_security_group_ingress_rule.sbc_tenant_media, aws_vpc_security_group_ingress_rule.rtpengine_media],
      ) : rule.security_group_id == "sg-0cccccccccccccccc"
    ])
    error_message = "A clients' group admits nobody, so that carrying it opens no machine."
  }

  assert {
    condition = [
      aws_route53_record.rtpengine.name, aws_route53_record.sbc.name,
      aws_route53_record.internal["rtpengine"].name, aws_route53_record.internal["sbc"].name,
      ] == [
      "rtpengine-shared1.cc.example.com", "astsbc-shared1.cc.example.com",
      "rtpengine-internal-shared1.cc.example.com", "astsbc-internal-shared1.cc.example.com",
    ]
    error_message = "The names of RTPengine and SBC are those that operators know."
  }

  assert {
    condition     = output.rtpengine_internal_fqdn == "rtpengine-internal-shared1.cc.example.com" && output.sbc_internal_fqdn == "astsbc-internal-shared1.cc.example.com"
    error_message = "Tenants learn the names of the load balancer."
  }

  assert {
    condition     = aws_acm_certificate.this.subject_alternative_names == toset(["*.cc.example.com", "cc.example.com"])
    error_message = "One certificate serves every tenant."
  }

  assert {
    condition = (
      aws_ssm_parameter.sbc_password.type == "SecureString"
      && aws_ssm_parameter.sbc_password.name == "/omlsaas/shared1/astsbc/ami_password"
    )
    error_message = "The SBC's password lies encrypted below the environment's own path."
  }

  assert {
    condition     = output.sbc_rtp_ports == [20000, 60000] && output.hosted_zone_id == "Z0123456789ABC"
    error_message = "Tenants learn zone and media ports."
  }

  assert {
    condition     = length(data.aws_route53_zone.this) == 0
    error_message = "A zone that is named is not looked up."
  }
}

run "what_is_not_named_is_looked_up" {
  command = plan

  variables {
    hosted_zone            = ""
    rtpengine_ami_id       = ""
    astsbc_ami_id          = ""
    zones                  = ["a", "b", "c"]
    nat_gateways           = "per_zone"
    pstn_trunks            = []
    rtpengine_rtp_min_port = 30000
    rtpengine_rtp_max_port = 40000
    environment            = "dev"
  }

  assert {
    condition     = output.hosted_zone_id == "Z0LOOKEDUP"
    error_message = "The zone is found by its domain."
  }

  assert {
    condition     = length(module.network.nat_public_ips) == 3 && length(output.private_subnet_ids) == 3
    error_message = "Three zones, each with a NAT gateway."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.sbc_carrier_calls) == 0
    error_message = "Without carriers nobody outside reaches the SBC."
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.rtpengine_media.from_port == 30000
      && aws_vpc_security_group_ingress_rule.rtpengine_media.to_port == 40000
    )
    error_message = "The firewall follows RTPengine's media ports."
  }

  assert {
    condition     = aws_lb.internal.name == "dev-shared1-intsbcNLB"
    error_message = "The stage is part of the names."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    stack_name             = "production"
    aws_region             = "Ohio"
    domain_name            = "example"
    hosted_zone            = "cc.example.com"
    owner                  = "Acme Ltd"
    environment            = "test"
    vpc_cidr               = "10.0.0.0/8"
    zones                  = ["a"]
    nat_gateways           = "none"
    pstn_trunks            = ["0.0.0.0/0"]
    rtpengine_version      = "latest"
    ec2_size_rtpengine     = "x1e.32xlarge"
    disk_size_rtpengine    = 16384
    rtpengine_ami_id       = "newest"
    rtpengine_rtp_min_port = 80
    astsbc_version         = "16"
    astsbc_scripts_ref     = "--upload-pack=x"
    ec2_size_astsbc        = "p4d.24xlarge"
    disk_size_astsbc       = 5
    astsbc_ami_id          = "newest"
    astsbc_rtp_min_port    = 20001
    astsbc_ami_user        = "general"
    packages_url           = "http://packages.example.com"
    access_logs_days       = 0
    ssh_key_name           = "key\nname"
  }

  expect_failures = [
    var.stack_name, var.aws_region, var.domain_name, var.hosted_zone, var.owner, var.environment,
    var.vpc_cidr, var.zones, var.nat_gateways, var.pstn_trunks,
    var.rtpengine_version, var.ec2_size_rtpengine, var.disk_size_rtpengine, var.rtpengine_ami_id,
    var.rtpengine_rtp_min_port,
    var.astsbc_version, var.astsbc_scripts_ref, var.ec2_size_astsbc, var.disk_size_astsbc,
    var.astsbc_ami_id, var.astsbc_rtp_min_port, var.astsbc_ami_user,
    var.packages_url, var.access_logs_days, var.ssh_key_name,
  ]
}

run "other_wrong_values_are_refused" {
  command = plan

  variables {
    vpc_cidr    = "100.64.0.0/16"
    zones       = ["a", "z"]
    pstn_trunks = ["203.0.113.7/24"]

    rtpengine_rtp_max_port = 70000
    astsbc_rtp_max_port    = 20002
  }

  expect_failures = [
    var.vpc_cidr, var.zones, var.pstn_trunks, var.rtpengine_rtp_max_port, var.astsbc_rtp_max_port,
  ]
}

run "a_carrier_twice_is_refused" {
  command = plan

  variables {
    pstn_trunks = ["203.0.113.7/32", "203.0.113.7/32"]
  }

  expect_failures = [var.pstn_trunks]
}
