terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "note" {
  type        = string
  description = "What the parameter says."
  default     = "first"
}

variable "token" {
  type        = string
  description = "A secret that is kept in the parameter store."
  sensitive   = true
}

resource "aws_ssm_parameter" "note" {
  name  = "/${var.stack_name}/note"
  type  = "String"
  value = var.note
}

resource "aws_ssm_parameter" "token" {
  name  = "/${var.stack_name}/token"
  type  = "SecureString"
  value = var.token
}

output "parameter" {
  description = "Name of the parameter."
  value       = aws_ssm_parameter.note.name
}
