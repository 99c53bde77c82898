variable "identifier" {
  description = "Name of the database server; unique in account and region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){0,62}$", var.identifier))
    error_message = "Lower-case letters, digits and single hyphens, beginning with a letter, at most 63."
  }
}

variable "engine" {
  description = "What runs: postgres or mysql."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["postgres", "mysql"], var.engine)
    error_message = "The engine is postgres or mysql."
  }
}

variable "engine_version" {
  description = "Major version, for example 14; RDS takes the newest minor one."
  type        = string
  nullable    = false
}

variable "size" {
  description = "RDS instance class; another one restarts the database at once."
  type        = string
  nullable    = false
}

variable "database" {
  description = "Name of the first database; another one replaces the server with its data."
  type        = string
  nullable    = false
}

variable "username" {
  description = "Master user; another one replaces the server with its data."
  type        = string
  nullable    = false
}

variable "password" {
  description = "Password of the master user; it is written, never read back."
  type        = string
  nullable    = false
  sensitive   = true
}

variable "password_version" {
  description = "Any other number writes the password again."
  type        = number
  nullable    = false
}

variable "storage_gib" {
  description = "Disk in GiB; it can grow, never shrink."
  type        = number
  nullable    = false

  validation {
    condition     = var.storage_gib >= 20 && var.storage_gib <= 65536 && floor(var.storage_gib) == var.storage_gib
    error_message = "The disk has a whole number of GiB from 20 to 65536."
  }
}

variable "storage_max_gib" {
  description = "Size in GiB up to which the disk grows by itself; 0: not at all."
  type        = number
  default     = 0
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets in two zones or more."
  type        = list(string)
  nullable    = false
}

variable "security_group_ids" {
  description = "Security groups of the database."
  type        = list(string)
  nullable    = false
}

variable "multi_az" {
  description = "Whether a standby in another zone is kept, at double price."
  type        = bool
  default     = false
  nullable    = false
}

variable "retention_days" {
  description = "Days that automated backups are kept; every moment in them can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 35 && floor(var.retention_days) == var.retention_days
    error_message = "A whole number of days from 1 to 35."
  }
}

variable "backup_window" {
  description = "When the daily backup is made, in UTC, for example 05:00-05:30."
  type        = string
  nullable    = false
}

variable "maintenance_window" {
  description = "When minor versions come, in UTC, for example sun:06:00-sun:07:00."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether RDS refuses to delete the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether deleting the database leaves a last snapshot."
  type        = bool
  default     = true
  nullable    = false
}
