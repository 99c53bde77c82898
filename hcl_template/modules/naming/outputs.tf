output "prefix" {
  description = "Beginning of the names inside the account, for example prod-acme."
  value       = local.prefix
}

output "tags" {
  description = "Tags of everything that belongs to the stack."
  value       = local.tags
}

output "data_bucket" {
  description = "Name of a tenant's data bucket; bucket names are unique in the world, so the owner is in it."
  value       = "${local.owned}-data"
}

output "sbc_bucket" {
  description = "Name of the bucket with the configuration of a shared environment's SBC."
  value       = "oml-${local.owned}-sbc-configuration"
}

output "access_logs_bucket" {
  description = "Name of the bucket with the access logs of a shared environment's tenants."
  value       = "oml-${local.owned}-access-logs"
}

output "parameter_path" {
  description = "Path in the SSM Parameter Store below which the stack's parameters stand, without a slash at its end: /omlsaas/<name>, as actions write it before there are outputs."
  value       = "/omlsaas/${var.stack_name}"
}
