variable "name" {
  description = "Name of machine and Elastic IP without its endings, for example prod-shared1-rtpengine."
  type        = string
  nullable    = false
}

variable "group_name" {
  description = "Name of launch template and auto-scaling group, unique in the region."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the machine, for example us-east-2."
  type        = string
  nullable    = false
}

variable "ami_id" {
  description = "Image that the machine starts from; empty: the newest of the family, kept until the release changes."
  type        = string
  default     = ""
  nullable    = false
}

variable "family" {
  description = "System that the component's packages are built for, see modules/image."
  type        = string
  nullable    = false
}

variable "release" {
  description = "Version of the component; another one looks for the newest image again."
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
    condition     = var.disk_gib >= 8 && var.disk_gib <= 1000 && floor(var.disk_gib) == var.disk_gib
    error_message = "The disk has a whole number of GiB from 8 to 1000."
  }
}

variable "subnet_ids" {
  description = "Public subnets, one per zone; the group takes a zone that has capacity."
  type        = list(string)
  nullable    = false
}

variable "security_group_ids" {
  description = "Security groups of the machine."
  type        = list(string)
  nullable    = false
}

variable "target_group_arns" {
  description = "Target groups that the machine joins."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "ssh_key_name" {
  description = "EC2 key pair; empty: none, Session Manager is the way in."
  type        = string
  default     = ""
  nullable    = false
}

variable "boot_script" {
  description = "What installs the component at the first boot, in bash and without any secret. PUBLIC_IP, PRIVATE_IP and AWS_DEFAULT_REGION are set for it, and retry repeats a command."
  type        = string
  nullable    = false
}

variable "boot_after" {
  description = "Identities of what must stand before the machine boots, for example firewall rules."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "parameter_arns" {
  description = "SSM parameters that the machine may read, as ARNs."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "policies" {
  description = "Further rights of the machine: name of the policy to its document (JSON)."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tags" {
  description = "Tags of group, machine, disk and interface, all of them: default ones do not get there."
  type        = map(string)
  nullable    = false
}
