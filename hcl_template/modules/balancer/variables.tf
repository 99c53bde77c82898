variable "name" {
  description = "Name of the load balancer, at most 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,32}$", var.name)) && !startswith(var.name, "internal-")
    error_message = "A load balancer's name has 1 to 32 letters, digits and hyphens."
  }
}

variable "prefix" {
  description = "Beginning of the names of target groups."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "Network of the targets."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Public subnets in two zones or more."
  type        = list(string)
  nullable    = false
}

variable "security_group_ids" {
  description = "Security groups of the load balancer."
  type        = list(string)
  nullable    = false
}

variable "certificate_arn" {
  description = "ACM certificate of the host names."
  type        = string
  nullable    = false
}

variable "access_logs_bucket" {
  description = "Bucket for the access logs."
  type        = string
  nullable    = false
}

variable "access_logs_prefix" {
  description = "Prefix of this load balancer's logs in the bucket."
  type        = string
  nullable    = false
}

variable "targets" {
  description = "By name: port and protocol (HTTP or HTTPS) of a target group, the host name that leads to it (empty: none does), the priority of that rule, and networks from which alone it is served (empty: all)."
  type = map(object({
    port         = number
    protocol     = string
    host         = string
    priority     = number
    source_cidrs = optional(list(string), [])
  }))
  nullable = false

  validation {
    condition     = alltrue([for target in values(var.targets) : contains(["HTTP", "HTTPS"], target.protocol)])
    error_message = "The protocol is HTTP or HTTPS."
  }
}
