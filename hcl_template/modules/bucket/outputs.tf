output "name" {
  description = "Name of the bucket; its policy stands."
  value       = aws_s3_bucket.this.bucket
  depends_on  = [aws_s3_bucket_policy.this, aws_s3_bucket_ownership_controls.this]
}

output "arn" {
  description = "Name of the bucket as policies write it, known before the bucket is there."
  value       = local.arn
}
