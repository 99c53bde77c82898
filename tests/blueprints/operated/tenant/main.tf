variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "app_version" {
  type        = string
  description = "Version of the application."
  default     = "1.0"
}

variable "size" {
  type        = string
  description = "Size of the machine."
  default     = "small"
}

variable "has_dialer" {
  type        = bool
  description = "Whether there is a second group."
  default     = false
}

variable "fails" {
  type        = bool
  description = "Whether the apply fails."
  default     = false
}

resource "terraform_data" "app" {
  input            = [var.app_version, var.size]
  triggers_replace = [var.app_version, var.fails]

  provisioner "local-exec" {
    command = var.fails ? "exit 7" : "true"
  }
}

output "url" {
  description = "Where it answers."
  value       = "https://${var.stack_name}.example.test"
}

output "data_bucket" {
  description = "Bucket with backups."
  value       = "data-${var.stack_name}"
}

output "app_group" {
  description = "Group of the application."
  value       = "app-${var.stack_name}"
}

output "dialer_group" {
  description = "Group of the dialer."
  value       = var.has_dialer ? "dialer-${var.stack_name}" : null
}
