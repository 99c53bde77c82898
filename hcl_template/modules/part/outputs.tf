output "id" {
  description = "Identity of the part; a new one when it was replaced."
  value       = terraform_data.this.id
}

output "name" {
  description = "Name of the part, known only once it is made."
  value       = terraform_data.this.output.work.name
}
