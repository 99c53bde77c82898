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
    condition = alltrue([
      aws_lb.sbc.internal,
      aws_lb_listener.sbc.port == 6060,
      aws_lb_listener.sbc.protocol == "UDP",
      aws_lb_target_group.sbc.health_check[0].port == "7088",
      aws_lb_target_group.sbc.health_check[0].protocol == "TCP",
    ])
    error_message = "Tenants reach the SBC by an internal load balancer: SIP on UDP 6060, health on TCP 7088."
  }

  assert {
    condition     = aws_lb.sbc.name == "prod-shared1-intsbcNLB" && aws_lb_target_group.sbc.name == "prod-shared1-intsbcTG"
    error_message = "Load balancer and target group have the names that operators know."
  }

  assert {
    condition = [
      aws_route53_record.rtpengine.name, aws_route53_record.sbc.name, aws_route53_record.sbc_internal.name
    ] == ["rtpengine-shared1.cc.example.com", "astsbc-shared1.cc.example.com", "astsbc-internal-shared1.cc.example.com"]
    error_message = "The names of RTPengine and SBC are those that operators know."
  }

  assert {
    condition = (
      aws_route53_record.rtpengine_internal.name == "rtpengine-internal-shared1.cc.example.com"
      && aws_route53_record.rtpengine_internal.type == "A"
      && aws_route53_record.rtpengine_internal.ttl == 60
      && aws_route53_record.rtpengine_internal.records == toset(["10.0.0.3"])
      && output.rtpengine_internal_fqdn == "rtpengine-internal-shared1.cc.example.com"
    )
    error_message = "Tenants learn a name of RTPengine inside the network; before its machine is there it leads to nobody."
  }

  assert {
    condition = alltrue([
      for text in [
        "--hosted-zone-id 'Z0123456789ABC'", "\"Name\": \"rtpengine-internal-shared1.cc.example.com\"",
        "\"TTL\": 60", "{\"Value\": \"$PRIVATE_IP\"}", "\nretry write_name\n",
      ] : strcontains(local.rtpengine_boot, text)
    ])
    error_message = "RTPengine's machine writes its private address, and tries again."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.rtpengine_name.json).Statement == [{
      Sid      = "WriteOwnName"
      Effect   = "Allow"
      Action   = "route53:ChangeResourceRecordSets"
      Resource = "arn:aws:route53:::hostedzone/Z0123456789ABC"
      Condition = {
        "ForAllValues:StringEquals" = {
          "route53:ChangeResourceRecordSetsNormalizedRecordNames" = "rtpengine-internal-shared1.cc.example.com"
          "route53:ChangeResourceRecordSetsRecordTypes"           = "A"
          "route53:ChangeResourceRecordSetsActions"               = "UPSERT"
        }
        Null = {
          "route53:ChangeResourceRecordSetsNormalizedRecordNames" = "false"
          "route53:ChangeResourceRecordSetsRecordTypes"           = "false"
          "route53:ChangeResourceRecordSetsActions"               = "false"
        }
      }
    }]
    error_message = "RTPengine's machine may write its own name, and nothing else of the zone."
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
    condition     = aws_lb.sbc.name == "dev-shared1-intsbcNLB"
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
