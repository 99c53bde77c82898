output "name" {
  description = "Name of the auto-scaling group."
  value       = aws_autoscaling_group.this.name
}

output "launch_template_id" {
  description = "Launch template that the next machine starts from."
  value       = aws_launch_template.this.id
}
