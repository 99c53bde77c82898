# --- what tenants build on -------------------------------------------------------------------

output "vpc_id" {
  description = "Identity of the network."
  value       = module.network.vpc_id
}

output "vpc_cidr" {
  description = "Addresses of the network in CIDR form."
  value       = module.network.cidr
}

output "public_subnet_ids" {
  description = "Public subnets, one per zone."
  value       = module.network.public_subnet_ids
}

output "private_subnet_ids" {
  description = "Private subnets, one per zone."
  value       = module.network.private_subnet_ids
}

output "certificate_arn" {
  description = "Certificate of the domain and everything below it; it is valid."
  value       = aws_acm_certificate_validation.this.certificate_arn
}

output "hosted_zone_id" {
  description = "Zone in which tenants get their records."
  value       = local.zone_id
}

output "rtpengine_fqdn" {
  description = "Name of RTPengine's public address, which carries the media."
  value       = aws_route53_record.rtpengine.name
}

output "rtpengine_internal_fqdn" {
  description = "Name under which tenants ask RTPengine for media, on UDP 22222; its addresses stay."
  value       = aws_route53_record.internal["rtpengine"].name
}

output "rtpengine_security_group_id" {
  description = "Security group of RTPengine, which a tenant's Asterisk admits for media."
  value       = aws_security_group.rtpengine.id
}

output "sbc_security_group_id" {
  description = "Security group of the SBC, which a tenant's Asterisk admits for calls and media."
  value       = aws_security_group.sbc.id
}

output "rtpengine_clients_security_group_id" {
  description = "Security group without rules that a tenant's Kamailio carries, so that RTPengine admits it (UDP 22222)."
  value       = aws_security_group.clients["rtpengine"].id
}

output "sbc_clients_security_group_id" {
  description = "Security group without rules that a tenant's Asterisk carries, so that the SBC admits it (UDP 6060 and the media ports)."
  value       = aws_security_group.clients["sbc"].id
}

output "sbc_internal_fqdn" {
  description = "Name under which tenants reach the SBC, on UDP 6060."
  value       = aws_route53_record.internal["sbc"].name
}

output "sbc_public_ip" {
  description = "Address that carriers admit: the SBC's, the same for ever."
  value       = module.sbc.public_ip
}

output "pstn_trunks" {
  description = "Networks of the carriers in CIDR form."
  value       = var.pstn_trunks
}

output "access_logs_bucket" {
  description = "Bucket for the access logs of tenants' load balancers; those of buckets go below s3/."
  value       = module.access_logs.name
}

# --- what operators ask for ------------------------------------------------------------------

output "sbc_fqdn" {
  description = "Name under which carriers reach the SBC, on UDP 5060."
  value       = aws_route53_record.sbc.name
}

output "rtpengine_public_ip" {
  description = "Address of RTPengine, the same for ever."
  value       = module.rtpengine.public_ip
}

output "nat_public_ips" {
  description = "Addresses from which tenants' machines reach the internet."
  value       = module.network.nat_public_ips
}

output "rtpengine_asg_name" {
  description = "Auto-scaling group of RTPengine."
  value       = module.rtpengine.group_name
}

output "sbc_asg_name" {
  description = "Auto-scaling group of the SBC."
  value       = module.sbc.group_name
}

output "sbc_bucket" {
  description = "Bucket with the SBC's configuration."
  value       = module.sbc_configuration.name
}

output "sbc_rtp_ports" {
  description = "First and last UDP port of the SBC's media."
  value       = [var.astsbc_rtp_min_port, var.astsbc_rtp_max_port]
}

output "image_ids" {
  description = "Images from which the next machines start, by component."
  value       = { rtpengine = module.rtpengine.image_id, sbc = module.sbc.image_id }
}
