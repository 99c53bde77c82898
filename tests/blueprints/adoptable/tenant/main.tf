terraform {
  required_version = ">= 1.11"
}

variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "size" {
  type        = string
  description = "Size of the machine."
  default     = "small"
}

variable "engine" {
  type        = string
  description = "Another engine replaces the database."
  default     = null
}

variable "word" {
  type        = string
  description = "A secret."
  sensitive   = true
}

resource "terraform_data" "database" {
  triggers_replace = var.engine
}

resource "terraform_data" "machine" {
  input = var.size
}

resource "terraform_data" "balancer" {
  input = var.stack_name
}

output "machine" {
  description = "Its id."
  value       = terraform_data.machine.id
}
