variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "place" {
  type        = string
  description = "Folder on each host that gets the files."
}

variable "app_version" {
  type        = string
  default     = "1.0"
  description = "Version of the application."
}

variable "greeting" {
  type        = string
  default     = "hello {{ nobody }}"
  description = "A text that looks like a template and is none."
}

variable "password" {
  type        = string
  sensitive   = true
  description = "What only the hosts may know."
}
