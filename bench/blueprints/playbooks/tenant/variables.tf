variable "stack_name" {
  type        = string
  description = "Name of the stack."
}
