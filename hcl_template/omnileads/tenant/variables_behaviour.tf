# --- telephony -------------------------------------------------------------------------------------

variable "pstn_trunks" {
  description = "Networks of the carriers that may send calls, in CIDR form. None: those of the shared environment."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.pstn_trunks : can(cidrnetmask(cidr))])
    error_message = "Each entry must be an IPv4 network in CIDR form, for example 192.0.2.0/24."
  }

  validation {
    condition     = alltrue([for cidr in var.pstn_trunks : try(tonumber(split("/", cidr)[1]) >= 16, true)])
    error_message = "A network larger than /16 would let strangers place calls at your cost; name the carriers' networks."
  }

  validation {
    condition = alltrue([
      for cidr in var.pstn_trunks : try(
        cidrsubnet("${split("/", cidr)[0]}/${min(split("/", cidr)[1], split("/", var.shared.vpc_cidr)[1])}", 0, 0)
        != cidrsubnet("${split("/", var.shared.vpc_cidr)[0]}/${min(split("/", cidr)[1], split("/", var.shared.vpc_cidr)[1])}", 0, 0),
        true
      )
    ])
    error_message = "A carrier's network must not overlap the network of the shared environment: other tenants are in it."
  }
}

variable "dialer" {
  description = "Run the Wombat dialer with a MySQL of its own. Turning it off destroys that database."
  type        = bool
  default     = false
  nullable    = false
}

variable "dialer_ui_cidrs" {
  description = "Networks that may open the dialer's own pages, in CIDR form. None: nobody can; its makers ship it with a known password."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.dialer_ui_cidrs : can(cidrnetmask(cidr))])
    error_message = "Each entry must be an IPv4 network in CIDR form, for example 192.0.2.0/24."
  }

  validation {
    condition     = !contains(var.dialer_ui_cidrs, "0.0.0.0/0")
    error_message = "0.0.0.0/0 would show the dialer to everybody; name the networks of your administrators."
  }

  validation {
    condition     = length(var.dialer_ui_cidrs) <= 4
    error_message = "At most 4 networks."
  }
}

variable "kamailio_shm_size" {
  description = "Shared memory of Kamailio, in MB. A change replaces its machine."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.kamailio_shm_size >= 64 && var.kamailio_shm_size <= 8192 && floor(var.kamailio_shm_size) == var.kamailio_shm_size
    error_message = "A whole number of MB from 64 to 8192."
  }
}

variable "kamailio_pkg_size" {
  description = "Private memory of each Kamailio process, in MB. A change replaces its machine."
  type        = number
  default     = 32
  nullable    = false

  validation {
    condition     = var.kamailio_pkg_size >= 8 && var.kamailio_pkg_size <= 512 && floor(var.kamailio_pkg_size) == var.kamailio_pkg_size
    error_message = "A whole number of MB from 8 to 512."
  }
}

variable "ami_user" {
  description = "User of the Asterisk manager interface. A change replaces Asterisk."
  type        = string
  default     = "omnileads"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{1,30}$", var.ami_user))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "dialer_user" {
  description = "User with which the application calls the dialer."
  type        = string
  default     = "omnileads"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{1,30}$", var.dialer_user))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter."
  }
}

# --- the application -------------------------------------------------------------------------------

variable "ecctl" {
  description = "Seconds that an agent's SIP credentials live."
  type        = number
  default     = 28800
  nullable    = false

  validation {
    condition     = var.ecctl >= 60 && var.ecctl <= 604800 && floor(var.ecctl) == var.ecctl
    error_message = "A whole number of seconds from 60 to 604800."
  }
}

variable "sca" {
  description = "Seconds without a click after which a web session ends."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.sca >= 60 && var.sca <= 604800 && floor(var.sca) == var.sca
    error_message = "A whole number of seconds from 60 to 604800."
  }
}

variable "schedule" {
  description = "Name of the disposition for calling back later."
  type        = string
  default     = "Agenda"
  nullable    = false

  validation {
    condition     = can(regex("^[\\p{L}0-9]([\\p{L}0-9 ]{0,48}[\\p{L}0-9])?$", var.schedule))
    error_message = "1 to 50 letters, digits and blanks."
  }
}

variable "oml_high_load" {
  description = "Tune application and Redis for more than about 200 users. A change replaces the Redis machine."
  type        = bool
  default     = false
  nullable    = false
}

variable "google_maps_center" {
  description = "Where the application's map begins, in degrees. Without it, or without google_maps_api_key, there is no map."
  type = object({
    lat = optional(number)
    lng = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.google_maps_center.lat == null ? true : abs(var.google_maps_center.lat) <= 90
    error_message = "The latitude is a number from -90 to 90."
  }

  validation {
    condition     = var.google_maps_center.lng == null ? true : abs(var.google_maps_center.lng) <= 180
    error_message = "The longitude is a number from -180 to 180."
  }
}

# --- databases: names ------------------------------------------------------------------------------

variable "pg_database" {
  description = "Name of the application's database; empty: <tenant>_oml. Another one replaces PostgreSQL with its data."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z][a-z0-9_]{1,30})?$", var.pg_database))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter; or empty."
  }
}

variable "pg_username" {
  description = "Master user of PostgreSQL; empty: <tenant>_pg. Another one replaces PostgreSQL with its data."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z][a-z0-9_]{1,30})?$", var.pg_username))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter; or empty."
  }
}

variable "mysql_database" {
  description = "Name of the dialer's database. Another one replaces MySQL with its data."
  type        = string
  default     = "wombat"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{1,30}$", var.mysql_database))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "mysql_username" {
  description = "Master user of the dialer's MySQL. Another one replaces MySQL with its data."
  type        = string
  default     = "root"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{1,30}$", var.mysql_username))
    error_message = "2 to 31 lower-case letters, digits and underscores, beginning with a letter."
  }
}

# --- backup, restore, first boot -------------------------------------------------------------------

variable "backup_time" {
  description = "When application and telephony server are backed up each night, HH:MM in the tenant's time zone. Machines take a change within an hour."
  type        = string
  default     = "23:50"
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_time))
    error_message = "A time is written like 23:50."
  }
}

# --- machines --------------------------------------------------------------------------------------

variable "instance_nic" {
  description = "Network interface of the machines. A change replaces them."
  type        = string
  default     = "eth0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.instance_nic))
    error_message = "An interface is written like eth0."
  }
}

variable "ssh_key_name" {
  description = "EC2 key pair of the machines; empty: none, Session Manager is the way in. A change replaces them."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{0,255}$", var.ssh_key_name))
    error_message = "The name of a key pair that exists in the region, or empty."
  }
}
