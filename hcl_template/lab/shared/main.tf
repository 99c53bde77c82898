# What the tenants of one region share, made of terraform_data alone.
locals {
  host = "${var.stack_name}.${var.domain}"

  labels = merge(var.labels, {
    environment = var.stack_name
    region      = var.region
  })

  settings = {
    stack         = var.stack_name
    ledger_path   = var.ledger_path
    delay_ms      = var.delay_ms
    delays_ms     = var.delays_ms
    fail_resource = var.fail_resource
  }

  # The same zone keeps its addresses when another one is added.
  subnets = {
    for zone in var.zones :
    zone => cidrsubnet(var.network_cidr, 8, index(["a", "b", "c"], zone) + 1)
  }

  rtp_nodes = toset([for n in range(var.rtpengine_nodes) : tostring(n + 1)])
}
