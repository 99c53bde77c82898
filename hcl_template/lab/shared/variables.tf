# --- from the portal -------------------------------------------------------------------------

variable "stack_name" {
  description = "Name of the shared environment."
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

# --- network ---------------------------------------------------------------------------------

variable "network_cidr" {
  description = "Addresses of the network, in CIDR form. A change replaces the network."
  type        = string
  default     = "10.60.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.network_cidr, 8, 3))
    error_message = "A network in CIDR form with room for subnets of 8 more bits, for example 10.60.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones, one subnet each."
  type        = set(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition     = length(var.zones) >= 1 && length(setsubtract(var.zones, ["a", "b", "c"])) == 0
    error_message = "One to three of the zones a, b and c."
  }
}

# --- releases and sizes ----------------------------------------------------------------------

variable "rtpengine_version" {
  description = "Version of RTPengine, the media proxy. A change replaces its nodes."
  type        = string
  default     = "12.5.1"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.rtpengine_version))
    error_message = "Write the version as three numbers, for example 12.5.1."
  }
}

variable "sbc_version" {
  description = "Version of the session border controller. A change replaces it."
  type        = string
  default     = "5.8.3"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.sbc_version))
    error_message = "Write the version as three numbers, for example 5.8.3."
  }
}

variable "rtpengine_size" {
  description = "Size of each RTPengine node."
  type        = string
  default     = "small"
  nullable    = false

  validation {
    condition     = contains(["small", "medium", "large"], var.rtpengine_size)
    error_message = "RTPengine comes in small, medium and large."
  }
}

variable "rtpengine_nodes" {
  description = "Number of RTPengine nodes."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([1, 2, 3, 4], var.rtpengine_nodes)
    error_message = "One to four nodes."
  }
}

# --- secrets: their rules stand in blueprint.yaml --------------------------------------------

variable "trunk_password" {
  description = "Password of the trunk to the carriers; empty: by address only."
  type        = string
  default     = null
  sensitive   = true
}

# --- operation -------------------------------------------------------------------------------

variable "labels" {
  description = "Labels on everything that the environment has, as name = value."
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
  description = "Durations in milliseconds of single parts by name, for example nat = 9000."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for ms in values(var.delays_ms) : ms >= 0 && ms <= 600000])
    error_message = "Each duration is from 0 to 600000 milliseconds."
  }
}

variable "fail_resource" {
  description = "Name of the part that fails when it is made, for example nat; empty: none."
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
