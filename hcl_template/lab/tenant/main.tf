# A tenant as it would look in a cloud, made of terraform_data alone. Weights give each part a
# duration of its own and the references an order, so that the timeline looks like a real one.
locals {
  host = "${var.stack_name}.${var.domain}"

  labels = merge(var.labels, {
    tenant = var.stack_name
    region = var.region
  })

  settings = {
    stack         = var.stack_name
    ledger_path   = var.ledger_path
    delay_ms      = var.delay_ms
    delays_ms     = var.delays_ms
    fail_resource = var.fail_resource
  }

  nodes = toset([for n in range(var.replicas) : format("%03d", n + 1)])
}
