# Names and tags of one stack, computed once. It holds no resource.
locals {
  prefix = "${var.environment}-${var.stack_name}"
  owned  = "${var.environment}-${var.owner}-${var.stack_name}"

  tags = {
    Project         = "omlsaas"
    Owner           = var.owner
    Environment     = var.environment
    CostCenter      = var.stack_name
    ManagedBy       = "terraform"
    "omlsaas:stack" = var.stack_name
    "omlsaas:kind"  = var.kind
  }
}
