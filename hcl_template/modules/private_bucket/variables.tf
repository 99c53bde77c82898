variable "name" {
  description = "Name of the bucket, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "force_destroy" {
  description = "Whether removing the bucket also removes what is in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "expire_days" {
  description = "Days after which an object expires; 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.expire_days >= 0 && floor(var.expire_days) == var.expire_days
    error_message = "Days are a whole number, 0 or more."
  }
}

variable "keep_versions_days" {
  description = "Days for which a replaced or removed version of an object is kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.keep_versions_days >= 1 && floor(var.keep_versions_days) == var.keep_versions_days
    error_message = "Days are a whole number, 1 or more."
  }
}

variable "log_to" {
  description = "Bucket that gets the access log of this one, below s3/<name>/; null: none."
  type        = object({ bucket = string })
  default     = null
}

variable "policies" {
  description = "Further policy documents (JSON) for the bucket; encrypted connections are demanded anyway."
  type        = list(string)
  default     = []
  nullable    = false
}
