# --- machines --------------------------------------------------------------------------------------

variable "ec2_oml_size" {
  description = "Size of the web application's machine. The next machine of the group has it."
  type        = string
  default     = "t3.medium"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_oml_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "ec2_asterisk_size" {
  description = "Size of the telephony server's machine. A change stops and starts the machine. Calls end."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_asterisk_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "ec2_kamailio_size" {
  description = "Size of the SIP proxy's machine. A change stops and starts the machine. Agents register anew."
  type        = string
  default     = "t3.micro"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_kamailio_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "ec2_redis_size" {
  description = "Size of the Redis machine. A change stops and starts the machine."
  type        = string
  default     = "t3.micro"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_redis_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "ec2_websockets_size" {
  description = "Size of the websockets machine. A change stops and starts the machine."
  type        = string
  default     = "t3.micro"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_websockets_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "ec2_dialer_size" {
  description = "Size of the dialer's machine. The next machine of the group has it."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    condition = contains([
      "t3.micro", "t3.small", "t3.medium", "t3.large", "t3.xlarge", "t3.2xlarge", "m6i.large",
      "m6i.xlarge", "m6i.2xlarge", "m6i.4xlarge", "c6i.large", "c6i.xlarge", "c6i.2xlarge",
      "c6i.4xlarge", "r6i.large", "r6i.xlarge", "r6i.2xlarge",
    ], var.ec2_dialer_size)
    error_message = "Choose one of the listed EC2 instance types, for example t3.medium."
  }
}

variable "customer_root_disk_size" {
  description = "Encrypted disk of the web application, in GiB. The next machine of the group has it."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.customer_root_disk_size >= 10 && var.customer_root_disk_size <= 2048 && floor(var.customer_root_disk_size) == var.customer_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "asterisk_root_disk_size" {
  description = "Encrypted disk of the telephony server, which holds recordings until they are converted, in GiB. It grows in place, and never shrinks."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.asterisk_root_disk_size >= 10 && var.asterisk_root_disk_size <= 2048 && floor(var.asterisk_root_disk_size) == var.asterisk_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "kamailio_root_disk_size" {
  description = "Encrypted disk of the SIP proxy, in GiB. It grows in place, and never shrinks."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.kamailio_root_disk_size >= 10 && var.kamailio_root_disk_size <= 2048 && floor(var.kamailio_root_disk_size) == var.kamailio_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "redis_root_disk_size" {
  description = "Encrypted disk of Redis, in GiB. It grows in place, and never shrinks."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.redis_root_disk_size >= 10 && var.redis_root_disk_size <= 2048 && floor(var.redis_root_disk_size) == var.redis_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "websockets_root_disk_size" {
  description = "Encrypted disk of the websockets server, in GiB. It grows in place, and never shrinks."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.websockets_root_disk_size >= 10 && var.websockets_root_disk_size <= 2048 && floor(var.websockets_root_disk_size) == var.websockets_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "dialer_root_disk_size" {
  description = "Encrypted disk of the dialer, in GiB. The next machine of the group has it."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.dialer_root_disk_size >= 10 && var.dialer_root_disk_size <= 2048 && floor(var.dialer_root_disk_size) == var.dialer_root_disk_size
    error_message = "A whole number of GiB from 10 to 2048."
  }
}

variable "zone" {
  description = "Availability zone of the machines outside of groups, counted from 1. Another one replaces them; it helps when a zone has no capacity."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 3], var.zone)
    error_message = "The zone is 1, 2 or 3."
  }

  validation {
    condition     = var.zone <= length(var.shared.private_subnet_ids)
    error_message = "The shared environment has no subnet in that zone."
  }
}

# --- databases -------------------------------------------------------------------------------------

variable "pg_rds_size" {
  description = "Size of PostgreSQL. A change restarts the database at once."
  type        = string
  default     = "db.t3.micro"
  nullable    = false

  validation {
    condition = contains([
      "db.t3.micro", "db.t3.small", "db.t3.medium", "db.t3.large", "db.t4g.micro",
      "db.t4g.small", "db.t4g.medium", "db.t4g.large", "db.m6i.large", "db.m6i.xlarge",
      "db.m6i.2xlarge", "db.r6i.large", "db.r6i.xlarge", "db.r6i.2xlarge",
    ], var.pg_rds_size)
    error_message = "Choose one of the listed RDS classes, for example db.t3.micro."
  }
}

variable "mysql_rds_size" {
  description = "Size of the dialer's MySQL. A change restarts the database at once."
  type        = string
  default     = "db.t3.micro"
  nullable    = false

  validation {
    condition = contains([
      "db.t3.micro", "db.t3.small", "db.t3.medium", "db.t3.large", "db.t4g.micro",
      "db.t4g.small", "db.t4g.medium", "db.t4g.large", "db.m6i.large", "db.m6i.xlarge",
      "db.m6i.2xlarge", "db.r6i.large", "db.r6i.xlarge", "db.r6i.2xlarge",
    ], var.mysql_rds_size)
    error_message = "Choose one of the listed RDS classes, for example db.t3.micro."
  }
}

variable "rds_postgres_version" {
  description = "Major version of PostgreSQL. A higher one upgrades the database at once and cannot be taken back."
  type        = string
  default     = "14"
  nullable    = false

  validation {
    condition     = contains(["14", "15", "16", "17"], var.rds_postgres_version)
    error_message = "PostgreSQL comes in 14, 15, 16 and 17."
  }
}

variable "rds_mysql_version" {
  description = "Major version of the dialer's MySQL. A higher one upgrades the database at once and cannot be taken back."
  type        = string
  default     = "8.0"
  nullable    = false

  validation {
    condition     = contains(["8.0", "8.4"], var.rds_mysql_version)
    error_message = "MySQL comes in 8.0 and 8.4."
  }
}

variable "pg_storage" {
  description = "Disk of PostgreSQL, in GiB. It can grow, never shrink."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.pg_storage >= 20 && var.pg_storage <= 65536 && floor(var.pg_storage) == var.pg_storage
    error_message = "A whole number of GiB from 20 to 65536."
  }
}

variable "pg_storage_max" {
  description = "Size in GiB up to which the disk of PostgreSQL grows by itself; 0: not at all."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.pg_storage_max == 0 || (var.pg_storage_max <= 65536 && floor(var.pg_storage_max) == var.pg_storage_max)
    error_message = "0, or a whole number of GiB up to 65536."
  }

  validation {
    condition     = var.pg_storage_max == 0 || var.pg_storage_max > var.pg_storage
    error_message = "The disk can only grow to more than it has (pg_storage), or 0 for not at all."
  }
}

variable "mysql_storage" {
  description = "Disk of the dialer's MySQL, in GiB. It can grow, never shrink."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.mysql_storage >= 20 && var.mysql_storage <= 65536 && floor(var.mysql_storage) == var.mysql_storage
    error_message = "A whole number of GiB from 20 to 65536."
  }
}

variable "rds_multi_az" {
  description = "Keep a standby of each database in another zone. It doubles the databases' price."
  type        = bool
  default     = false
  nullable    = false
}

variable "rds_retention_days" {
  description = "Days that automated database backups are kept; every moment in them can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.rds_retention_days >= 1 && var.rds_retention_days <= 35 && floor(var.rds_retention_days) == var.rds_retention_days
    error_message = "A whole number of days from 1 to 35."
  }
}

variable "rds_backup_window" {
  description = "When the daily database backup is made, in UTC."
  type        = string
  default     = "05:00-05:30"
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.rds_backup_window))
    error_message = "A window is written like 05:00-05:30."
  }
}

variable "rds_maintenance_window" {
  description = "When minor versions of the databases come, with a restart, in UTC."
  type        = string
  default     = "sun:06:00-sun:07:00"
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.rds_maintenance_window))
    error_message = "A window is written like sun:06:00-sun:07:00."
  }
}

variable "rds_deletion_protection" {
  description = "RDS refuses to delete the databases. Turn it off by a change before the tenant, or its dialer, is destroyed."
  type        = bool
  default     = true
  nullable    = false
}

variable "rds_final_snapshot" {
  description = "A database that is deleted leaves a last snapshot, which costs until somebody deletes it."
  type        = bool
  default     = true
  nullable    = false
}

# --- the bucket ------------------------------------------------------------------------------------

variable "recordings_days" {
  description = "Days that call recordings are kept; 0: for ever."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recordings_days >= 0 && var.recordings_days <= 36500 && floor(var.recordings_days) == var.recordings_days
    error_message = "A whole number of days from 0 to 36500."
  }
}

variable "recordings_archive_days" {
  description = "Days after which recordings move to cheaper storage that answers as fast but costs per read; 0: never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recordings_archive_days >= 0 && var.recordings_archive_days <= 36500 && floor(var.recordings_archive_days) == var.recordings_archive_days
    error_message = "A whole number of days from 0 to 36500."
  }

  validation {
    condition     = var.recordings_days == 0 || var.recordings_archive_days < var.recordings_days
    error_message = "Recordings move to cheaper storage before they are deleted (recordings_days), not after."
  }
}

variable "backups_days" {
  description = "Days that the nightly backups are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.backups_days >= 2 && var.backups_days <= 3650 && floor(var.backups_days) == var.backups_days
    error_message = "A whole number of days from 2 to 3650."
  }
}

variable "old_versions_days" {
  description = "Days that deleted and overwritten files of the bucket can be brought back."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.old_versions_days >= 1 && var.old_versions_days <= 3650 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "A whole number of days from 1 to 3650."
  }
}
