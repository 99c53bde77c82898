output "vpc_id" {
  description = "Identity of the network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the network in CIDR form."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Public subnets in the order of the zones' letters; the way to the internet stands."
  value       = [for letter in keys(local.zones) : aws_subnet.public[letter].id]
  depends_on  = [aws_route.internet, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Private subnets in the order of the zones' letters; the way to the NAT gateway stands."
  value       = [for letter in keys(local.zones) : aws_subnet.private[letter].id]
  depends_on  = [aws_route.nat, aws_route_table_association.private]
}

output "nat_public_ips" {
  description = "Addresses from which the private subnets reach the internet."
  value       = [for letter in sort(local.nat_zones) : aws_eip.nat[letter].public_ip]
}
