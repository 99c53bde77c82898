output "id" {
  description = "Image that machines of this release start from."
  value       = var.ami_id != "" ? var.ami_id : one([for pin in terraform_data.this : pin.output])
}
