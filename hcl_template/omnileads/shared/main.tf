# What the tenants of one region share: network, certificate, RTPengine, the SBC to the carriers.
module "naming" {
  source = "../../modules/naming"

  environment = var.environment
  owner       = var.owner
  stack_name  = var.stack_name
  kind        = "shared"
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  prefix  = module.naming.prefix
  account = data.aws_caller_identity.this.account_id
  aws     = "arn:${data.aws_partition.this.partition}"

  rtpengine_fqdn          = "rtpengine-${var.stack_name}.${var.domain_name}"
  rtpengine_internal_fqdn = "rtpengine-internal-${var.stack_name}.${var.domain_name}"
  sbc_fqdn                = "astsbc-${var.stack_name}.${var.domain_name}"
  sbc_internal_fqdn       = "astsbc-internal-${var.stack_name}.${var.domain_name}"

  control_port          = 22222 # RTPengine: tenants ask for media
  rtpengine_health_port = 22223 # RTPengine: load balancer
  carrier_port          = 5060  # SBC: carriers
  tenant_port           = 6060  # SBC: tenants
  health_port           = 7088  # SBC: load balancer
}

module "network" {
  source = "../../modules/network"

  name         = local.prefix
  region       = var.aws_region
  cidr         = var.vpc_cidr
  zones        = var.zones
  nat_gateways = var.nat_gateways
}
