variable "environment" {
  description = "Stage of the stack, part of its names: prod or dev."
  type        = string
  default     = "prod"
  nullable    = false

  validation {
    condition     = contains(["prod", "dev"], var.environment)
    error_message = "The environment is prod or dev."
  }
}

variable "owner" {
  description = "Short name of the operator, part of the names of buckets: 2 to 16 lower-case letters and digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.owner))
    error_message = "The owner is written with 2 to 16 lower-case letters and digits, beginning with a letter."
  }
}

variable "stack_name" {
  description = "Name of the shared environment or of the tenant."
  type        = string
  nullable    = false

  # Load balancers and target groups take 32 characters, and hyphens separate the parts of a name.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.stack_name))
    error_message = "The name is written with 2 to 15 lower-case letters and digits, beginning with a letter."
  }
}

variable "kind" {
  description = "What the stack is: shared or tenant."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["shared", "tenant"], var.kind)
    error_message = "The kind is shared or tenant."
  }
}
