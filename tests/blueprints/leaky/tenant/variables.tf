variable "stack_name" {
  description = "Name of the stack."
  type        = string
}

variable "way" {
  description = "In which way the secrets surface: echo, fail, hand_on, provider_error or none."
  type        = string
  default     = "none"
}

variable "nodes" {
  description = "A number beside the secrets."
  type        = number
  default     = 1
}

variable "made" {
  description = "What, read backwards, is the password that an apply makes."
  type        = string
  default     = ""
}

variable "token" {
  description = "A secret of one line."
  type        = string
  sensitive   = true
  default     = "unset-token"
}

variable "pem" {
  description = "A secret of several lines."
  type        = string
  sensitive   = true
  default     = "unset-key"
}

variable "checked" {
  description = "A secret with a rule of its own, which Terraform quotes."
  type        = string
  sensitive   = true
  default     = "good-by-default"

  validation {
    condition     = startswith(var.checked, "good-")
    error_message = "It begins with good-."
  }
}
