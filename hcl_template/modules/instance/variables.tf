variable "name" {
  description = "Name tag of machine and disk."
  type        = string
  nullable    = false
}

variable "ami_id" {
  description = "Image; another one replaces the machine."
  type        = string
  nullable    = false
}

variable "size" {
  description = "EC2 instance type; another one stops and starts the machine."
  type        = string
  nullable    = false
}

variable "disk_gib" {
  description = "Encrypted root disk in GiB; it grows in place and never shrinks."
  type        = number
  nullable    = false

  validation {
    condition     = var.disk_gib >= 8 && var.disk_gib <= 16384 && floor(var.disk_gib) == var.disk_gib
    error_message = "The disk has a whole number of GiB from 8 to 16384."
  }
}

variable "subnet_id" {
  description = "Private subnet."
  type        = string
  nullable    = false
}

variable "security_group_ids" {
  description = "Security groups of the machine."
  type        = list(string)
  nullable    = false
}

variable "profile_name" {
  description = "Instance profile that the machine starts with."
  type        = string
  nullable    = false
}

variable "ssh_key_name" {
  description = "EC2 key pair; empty: none, Systems Manager is the way in."
  type        = string
  default     = ""
  nullable    = false
}

variable "user_data" {
  description = "What cloud-init does at the first boot, without any secret. Another text alone replaces nothing."
  type        = string
  nullable    = false
}

variable "replace_on" {
  description = "Values of which a change replaces the machine, for example its version; another image does, too."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tags" {
  description = "Tags of machine and disk beside the provider's default ones."
  type        = map(string)
  default     = {}
  nullable    = false
}
