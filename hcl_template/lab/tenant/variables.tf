# --- from the portal -------------------------------------------------------------------------

variable "stack_name" {
  description = "Name of the tenant; first label of its addresses."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Short name of the region."
  type        = string
  nullable    = false
}

variable "domain" {
  description = "Domain of the region, for example lab.example.net."
  type        = string
  nullable    = false
}

variable "shared" {
  description = "Outputs of the shared environment that the tenant joins."
  type = object({
    network_id     = string
    subnets        = map(string)
    dns_zone       = string
    certificate_id = string
    sbc_address    = string
    rtp_addresses  = list(string)
  })
  nullable = false
}

# --- releases --------------------------------------------------------------------------------

variable "app_version" {
  description = "Version of the web application. A change replaces the application nodes."
  type        = string
  default     = "2.4.0"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.app_version))
    error_message = "Write the version as three numbers, for example 2.4.0."
  }
}

variable "asterisk_version" {
  description = "Version of Asterisk, the telephony server. A change replaces it."
  type        = string
  default     = "20.9.2"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.asterisk_version))
    error_message = "Write the version as three numbers, for example 20.9.2."
  }
}

variable "kamailio_version" {
  description = "Version of Kamailio, the SIP proxy. A change replaces it."
  type        = string
  default     = "5.8.3"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.kamailio_version))
    error_message = "Write the version as three numbers, for example 5.8.3."
  }
}

variable "dialer_version" {
  description = "Version of the outbound dialer. A change replaces it."
  type        = string
  default     = "1.7.1"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.dialer_version))
    error_message = "Write the version as three numbers, for example 1.7.1."
  }
}

# --- sizes -----------------------------------------------------------------------------------

variable "app_size" {
  description = "Size of each application node."
  type        = string
  default     = "small"
  nullable    = false

  validation {
    condition     = contains(["small", "medium", "large"], var.app_size)
    error_message = "The application comes in small, medium and large."
  }
}

variable "database_size" {
  description = "Size of the database server. A change restarts it for some minutes."
  type        = string
  default     = "small"
  nullable    = false

  validation {
    condition     = contains(["small", "medium", "large", "xlarge"], var.database_size)
    error_message = "The database comes in small, medium, large and xlarge."
  }
}

variable "database_disk_gib" {
  description = "Disk of the database, in GiB. It can grow, never shrink."
  type        = number
  default     = 40
  nullable    = false

  validation {
    condition = (
      var.database_disk_gib >= 20 && var.database_disk_gib <= 4096
      && floor(var.database_disk_gib) == var.database_disk_gib
    )
    error_message = "The disk has a whole number of GiB from 20 to 4096."
  }
}

variable "replicas" {
  description = "Application nodes beside the first one, each a resource of its own."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 500 && floor(var.replicas) == var.replicas
    error_message = "A whole number of nodes from 0 to 500."
  }
}

# --- telephony -------------------------------------------------------------------------------

variable "dialer" {
  description = "Run the outbound dialer."
  type        = bool
  default     = true
  nullable    = false
}

variable "channels" {
  description = "Simultaneous calls that the tenant may hold."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.channels >= 1 && var.channels <= 5000
    error_message = "From 1 to 5000 calls."
  }
}

variable "carrier_cidrs" {
  description = "Networks of the carriers that may send calls, in CIDR form."
  type        = list(string)
  default     = ["192.0.2.0/24"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.carrier_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Each entry must be a network in CIDR form, for example 192.0.2.0/24."
  }

  validation {
    condition     = !contains(var.carrier_cidrs, "0.0.0.0/0")
    error_message = "0.0.0.0/0 would let everybody place calls at your cost; name the carriers' networks."
  }
}

variable "codecs" {
  description = "Codecs that are offered to carriers."
  type        = set(string)
  default     = ["alaw", "ulaw"]
  nullable    = false

  validation {
    condition     = length(setsubtract(var.codecs, ["alaw", "g722", "g729", "opus", "ulaw"])) == 0
    error_message = "Known codecs are alaw, g722, g729, opus and ulaw."
  }
}

# --- secrets: their rules stand in blueprint.yaml --------------------------------------------

variable "admin_password" {
  description = "Password of the tenant's first administrator."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "carrier_secret" {
  description = "Password that the carrier asks for when the tenant registers; empty: by address only."
  type        = string
  default     = null
  sensitive   = true
}

# --- operation -------------------------------------------------------------------------------

variable "maintenance_window" {
  description = "When restarts and upgrades may happen, in the tenant's own time."
  type = object({
    day   = optional(string, "sun")
    hour  = optional(number, 3)
    hours = optional(number, 2)
  })
  default  = {}
  nullable = false

  validation {
    condition = contains(
      ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], var.maintenance_window.day
    )
    error_message = "The day is mon, tue, wed, thu, fri, sat or sun."
  }

  validation {
    condition     = var.maintenance_window.hour >= 0 && var.maintenance_window.hour <= 23
    error_message = "The hour is a number from 0 to 23."
  }

  validation {
    condition     = var.maintenance_window.hours >= 1 && var.maintenance_window.hours <= 12
    error_message = "The window lasts 1 to 12 hours."
  }
}

variable "recordings_days" {
  description = "Days that call recordings are kept; 0: for ever."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.recordings_days >= 0 && var.recordings_days <= 36500
    error_message = "From 0 to 36500 days."
  }
}

variable "labels" {
  description = "Labels on everything that the tenant has, as name = value."
  type        = map(string)
  default     = {}
  nullable    = false
}

# --- the lab's own: how the work behaves ------------------------------------------------------

variable "delay_ms" {
  description = "Milliseconds per unit of weight that each resource takes to be made or removed."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.delay_ms >= 0 && var.delay_ms <= 600000
    error_message = "From 0 to 600000 milliseconds."
  }
}

variable "delays_ms" {
  description = "Durations in milliseconds of single parts by name, for example database = 9000."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for ms in values(var.delays_ms) : ms >= 0 && ms <= 600000])
    error_message = "Each duration is from 0 to 600000 milliseconds."
  }
}

variable "fail_resource" {
  description = "Name of the part that fails when it is made, for example redis; empty: none."
  type        = string
  default     = ""
  nullable    = false
}

variable "force_replace" {
  description = "Any new text replaces the database, which loses its data."
  type        = string
  default     = ""
  nullable    = false
}

variable "flood_lines" {
  description = "Lines that the warm-up prints to the log. A change runs the warm-up again."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.flood_lines >= 0 && var.flood_lines <= 10000000
    error_message = "From 0 to 10000000 lines."
  }
}

variable "flood_line_ms" {
  description = "Milliseconds between two lines of the warm-up, fractions allowed; 0: as fast as it can."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.flood_line_ms == 0 || var.flood_line_ms >= 0.01
    error_message = "0, or at least 0.01 milliseconds."
  }
}

variable "flood_id" {
  description = "Any new text runs the warm-up again."
  type        = string
  default     = ""
  nullable    = false
}

variable "ledger_path" {
  description = "File to which each resource appends a line when it is really made or removed; empty: none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.ledger_path == "" || startswith(var.ledger_path, "/")
    error_message = "An absolute path, or empty for no ledger."
  }
}
