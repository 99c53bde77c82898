output "role_name" {
  description = "Name of the role; its rights stand."
  value       = aws_iam_role.this.name
  depends_on  = [aws_iam_role_policy.agent, aws_iam_role_policy.parameters, aws_iam_role_policy.more]
}

output "profile_arn" {
  description = "Instance profile to start machines with; the role's rights stand."
  value       = aws_iam_instance_profile.this.arn
  depends_on  = [aws_iam_role_policy.agent, aws_iam_role_policy.parameters, aws_iam_role_policy.more]
}
