output "url" {
  description = "Where the tenant's people sign in."
  value       = "https://${local.host}"

  # Known only when the record answers.
  depends_on = [aws_route53_record.app]
}

output "dialer_url" {
  description = "Where the dialer is administered; null without dialer or without networks that may."
  value       = var.dialer && length(var.dialer_ui_cidrs) > 0 ? "https://${local.hosts.dialer_ui}" : null
}

output "app_asg_name" {
  description = "Auto-scaling group of the web application."
  value       = module.app.name
}

output "dialer_asg_name" {
  description = "Auto-scaling group of the dialer; null without dialer."
  value       = one([for group in module.dialer : group.name])
}

output "app_component" {
  description = "Value of the tag omlsaas:component on the web application's machine."
  value       = local.component_tags["app"]["omlsaas:component"]
}

output "voice_component" {
  description = "Value of the tag omlsaas:component on the telephony server's machine."
  value       = local.component_tags["asterisk"]["omlsaas:component"]
}

output "app_instance_tag" {
  description = "Name tag of the web application's machine."
  value       = "${local.prefix}-EC2"
}

output "voice_instance_id" {
  description = "EC2 id of the telephony server."
  value       = module.machine["asterisk"].id
}

output "instance_ids" {
  description = "EC2 ids of the machines outside of groups, by component."
  value       = { for component, machine in module.machine : component => machine.id }
}

output "addresses" {
  description = "Private addresses of the machines outside of groups, by component."
  value       = { for component, machine in module.machine : component => machine.private_ip }
}

output "hosts" {
  description = "Names under which components know each other."
  value       = { for component in concat(keys(local.machines), tolist(local.dialer)) : component => local.hosts[component] }
}

output "data_bucket" {
  description = "Bucket of recordings and backups."
  value       = module.data_bucket.name
}

output "database_endpoint" {
  description = "Host and port of PostgreSQL."
  value       = module.postgresql.endpoint
}

output "database_identifier" {
  description = "RDS name of PostgreSQL, for snapshots."
  value       = module.postgresql.identifier
}

output "dialer_database_endpoint" {
  description = "Host and port of MySQL; null without dialer."
  value       = one([for server in module.mysql : server.endpoint])
}

output "parameter_prefix" {
  description = "Path of the tenant's SSM parameters: /omlsaas/<name>. Boot orders stand below <path>/boot/, what is handed over to the application below <path>/handover/."
  value       = module.naming.parameter_path
}

output "pstn_trunks" {
  description = "Carrier networks that reach the telephony server."
  value       = local.pstn_trunks
}

output "versions" {
  description = "Versions by component."
  value = {
    app        = var.oml_app_version
    asterisk   = var.oml_asterisk_version
    kamailio   = var.oml_kamailio_version
    redis      = var.oml_redis_version
    websockets = var.oml_websockets_version
    dialer     = var.dialer ? var.wombat_version : null
  }
}
