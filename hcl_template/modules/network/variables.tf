variable "name" {
  description = "Beginning of the names of everything in the network, for example prod-shared1."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the network, for example us-east-2."
  type        = string
  nullable    = false
}

variable "cidr" {
  description = "Addresses of the network in CIDR form; each subnet gets a sixteenth of them."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && try(cidrsubnet(var.cidr, 0, 0) == var.cidr, false)
    error_message = "The network is written in CIDR form with its first address, for example 10.0.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the availability zones: two or three of a to f."
  type        = set(string)
  nullable    = false

  validation {
    condition     = contains([2, 3], length(var.zones))
    error_message = "Name two or three availability zones."
  }

  validation {
    condition     = length(setsubtract(var.zones, ["a", "b", "c", "d", "e", "f"])) == 0
    error_message = "An availability zone is named by its letter, a to f."
  }
}

variable "nat_gateways" {
  description = "NAT gateways: one for all zones, or per_zone."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["one", "per_zone"], var.nat_gateways)
    error_message = "NAT gateways are one or per_zone."
  }
}
