output "id" {
  description = "EC2 id of the machine."
  value       = aws_instance.this.id
}

output "private_ip" {
  description = "Private address of the machine."
  value       = aws_instance.this.private_ip
}
