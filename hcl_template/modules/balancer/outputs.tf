output "dns_name" {
  description = "Host name of the load balancer."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name, for an alias record."
  value       = aws_lb.this.zone_id
}

output "target_group_arns" {
  description = "Target groups by name."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn }
}
