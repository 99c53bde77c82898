variable "ami_id" {
  description = "Image to use; empty: the newest of the family, kept until the release changes."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits."
  }
}

variable "family" {
  description = "System that the component's installer expects: amazon_linux_2 or ubuntu_22_04."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["amazon_linux_2", "ubuntu_22_04"], var.family)
    error_message = "The family is amazon_linux_2 or ubuntu_22_04."
  }
}

variable "release" {
  description = "Version of the component; another one looks for the newest image again."
  type        = string
  nullable    = false
}
