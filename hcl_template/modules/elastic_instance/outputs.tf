output "public_ip" {
  description = "The Elastic IP, the same for every machine of the group."
  value       = aws_eip.this.public_ip
}

output "group_name" {
  description = "Name of the auto-scaling group."
  value       = aws_autoscaling_group.this.name
}

output "machine_name" {
  description = "Name tag of the machine."
  value       = local.machine_name
}

output "image_id" {
  description = "Image that the next machine starts from."
  value       = aws_launch_template.this.image_id
}
