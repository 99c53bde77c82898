output "network_id" {
  description = "Identity of the network."
  value       = module.network.id
}

output "subnets" {
  description = "Identity of each subnet by zone."
  value       = { for zone, part in module.subnet : zone => part.id }
}

output "nat_address" {
  description = "Address from which the tenants reach the internet."
  value       = "198.51.100.7"
  depends_on  = [module.nat]
}

output "dns_zone" {
  description = "Zone in which the tenants get their records."
  value       = var.domain
  depends_on  = [module.dns_zone]
}

output "certificate_id" {
  description = "Identity of the certificate of the tenants' web addresses."
  value       = module.certificate.id
}

output "sbc_address" {
  description = "Where carriers and tenants reach the session border controller."
  value       = "sbc.${local.host}:5061"
  depends_on  = [module.sbc]
}

output "rtp_addresses" {
  description = "Public addresses of the RTPengine nodes."
  value       = [for key in sort(keys(module.rtpengine)) : "198.51.100.${20 + tonumber(key)}"]
}
