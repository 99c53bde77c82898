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

variable "rules" {
  description = "By name: the prefix of a rule's objects, days until they move to instant-retrieval Glacier and days until they are deleted (0: never). A rule that does neither is left out by the caller."
  type = map(object({
    prefix       = string
    archive_days = optional(number, 0)
    expire_days  = optional(number, 0)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for rule in values(var.rules) : rule.archive_days > 0 || rule.expire_days > 0])
    error_message = "Each rule archives or deletes after a number of days."
  }

  validation {
    condition = alltrue([
      for rule in values(var.rules) :
      rule.archive_days == 0 || rule.expire_days == 0 || rule.archive_days < rule.expire_days
    ])
    error_message = "Objects are archived before they are deleted, not after."
  }
}

variable "old_versions_days" {
  description = "Days that overwritten and deleted versions are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.old_versions_days >= 1 && var.old_versions_days <= 3650
    error_message = "From 1 to 3650 days."
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
