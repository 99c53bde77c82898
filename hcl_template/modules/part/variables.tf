variable "name" {
  description = "Name of the part as the ledger and fail_resource know it, for example database."
  type        = string
  nullable    = false
}

variable "address" {
  description = "Address of the calling module, for the ledger. Empty: module.<name>."
  type        = string
  default     = ""
  nullable    = false
}

variable "settings" {
  description = "What all parts of one stack share: stack name, ledger file, milliseconds per unit of weight, durations by name in milliseconds, name of the part that fails."
  type = object({
    stack         = string
    ledger_path   = optional(string, "")
    delay_ms      = optional(number, 0)
    delays_ms     = optional(map(number), {})
    fail_resource = optional(string, "")
  })
  nullable = false
}

variable "weight" {
  description = "How long the part takes in units of settings.delay_ms."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.weight >= 0
    error_message = "The weight must be 0 or more."
  }
}

variable "properties" {
  description = "What the part is made of; a change is done in place."
  type        = any
  default     = {}
}

variable "replace_on" {
  description = "Texts of which a change replaces the part."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "flood" {
  description = "Lines that the part prints while it is made, and the pause between two lines in microseconds (0: as fast as it can)."
  type = object({
    lines    = optional(number, 0)
    pause_us = optional(number, 0)
  })
  default  = {}
  nullable = false
}
