terraform {
  required_version = ">= 1.11"
}

variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "note" {
  type        = string
  description = "What the resource says."
  default     = "first"
}

resource "terraform_data" "note" {
  input = "${var.stack_name}: ${var.note}"
}

output "note" {
  description = "What it says."
  value       = terraform_data.note.output
}
