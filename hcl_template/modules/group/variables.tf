variable "name" {
  description = "Name of launch template and group; unique in the region."
  type        = string
  nullable    = false
}

variable "machine_name" {
  description = "Name tag of machine and disk."
  type        = string
  nullable    = false
}

variable "ami_id" {
  description = "Image (root device /dev/xvda); the next machine starts from it."
  type        = string
  nullable    = false
}

variable "size" {
  description = "EC2 instance type; the next machine has it."
  type        = string
  nullable    = false
}

variable "disk_gib" {
  description = "Encrypted root disk in GiB; the next machine has it."
  type        = number
  nullable    = false

  validation {
    condition     = var.disk_gib >= 8 && var.disk_gib <= 16384 && floor(var.disk_gib) == var.disk_gib
    error_message = "The disk has a whole number of GiB from 8 to 16384."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one per zone; the group takes a zone that has capacity."
  type        = list(string)
  nullable    = false
}

variable "target_group_arns" {
  description = "Target groups that the machine joins."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "security_group_ids" {
  description = "Security groups of its machines."
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
  description = "What cloud-init does at the first boot, without any secret; the next machine gets a changed text."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of group, machine and disk, all of them: default ones do not get there."
  type        = map(string)
  default     = {}
  nullable    = false
}
