# One tenant: web application, telephony, signalling, cache and pushes on machines of their own, a
# PostgreSQL, a bucket and a load balancer, in the network of a shared environment.
module "naming" {
  source      = "../../modules/naming"
  environment = var.environment
  owner       = var.owner
  stack_name  = var.stack_name
  kind        = "tenant"
}

locals {
  prefix = module.naming.prefix
  host   = "${var.stack_name}.${var.domain_name}"

  # Names that components know each other by; records in dns.tf lead to them.
  hosts = {
    asterisk   = "${var.stack_name}-asterisk.${var.domain_name}"
    kamailio   = "${var.stack_name}-kamailio.${var.domain_name}"
    redis      = "${var.stack_name}-redis.${var.domain_name}"
    websockets = "${var.stack_name}-websockets.${var.domain_name}"
    dialer     = "${var.stack_name}-wdint.${var.domain_name}"
    dialer_ui  = "${var.stack_name}-wdext.${var.domain_name}"
  }

  # What exists only with the dialer.
  dialer = toset(var.dialer ? ["dialer"] : [])

  pg_database = coalesce(var.pg_database, "${var.stack_name}_oml")
  pg_username = coalesce(var.pg_username, "${var.stack_name}_pg")

  pstn_trunks = length(var.pstn_trunks) > 0 ? var.pstn_trunks : var.shared.pstn_trunks

  # Machines outside of groups stand in one zone; app and dialer take any that has capacity.
  subnet_id = var.shared.private_subnet_ids[min(var.zone, length(var.shared.private_subnet_ids)) - 1]

  # Groups hand no default tags to what they start.
  component_tags = {
    for component in ["app", "asterisk", "kamailio", "redis", "websockets", "dialer"] :
    component => {
      "omlsaas:component" = component
      "omlsaas:shared"    = var.shared_name
    }
  }
}
