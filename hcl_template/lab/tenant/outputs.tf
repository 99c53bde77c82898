output "url" {
  description = "Where the tenant's people sign in."
  value       = "https://${local.host}/"

  # Known only when the record answers.
  depends_on = [module.dns_app]
}

output "sip_address" {
  description = "Where carriers send calls."
  value       = "sip.${local.host}:5060"
  depends_on  = [module.dns_sip]
}

output "bucket" {
  description = "Bucket of the call recordings."
  value       = "${var.stack_name}-${var.region}-recordings"
  depends_on  = [module.recordings]
}

output "addresses" {
  description = "Private addresses of the nodes by name."
  value = merge(
    { app = "10.60.1.10", asterisk = "10.60.2.10", kamailio = "10.60.2.20" },
    { for key in local.nodes : "app-${key}" => "10.60.${3 + floor(tonumber(key) / 250)}.${tonumber(key) % 250 + 1}" },
  )
}

output "versions" {
  description = "Versions that are installed, by component."
  value = {
    app      = var.app_version
    asterisk = var.asterisk_version
    kamailio = var.kamailio_version
    dialer   = var.dialer ? var.dialer_version : null
  }
}

output "database_id" {
  description = "Identity of the database; another one means that it was replaced."
  value       = module.database.id
}

output "database_url" {
  description = "How the application reaches the database, with its password."
  # urlencode writes a blank as +, which only a query string takes back as one.
  value     = "postgres://oml:${replace(urlencode(var.admin_password), "+", "%20")}@db.${local.host}:5432/oml"
  sensitive = true
}
