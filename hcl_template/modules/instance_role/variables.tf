variable "name" {
  description = "Name of the role and of its profile; unique in the account, at most 64 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "A role's name has 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "parameter_arns" {
  description = "SSM parameters that the machine may read, as ARNs; it may read no other."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "policies" {
  description = "Further rights of the machine: name of the policy to its document (JSON)."
  type        = map(string)
  default     = {}
  nullable    = false
}
