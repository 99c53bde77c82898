variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "place" {
  type        = string
  description = "Folder on each host that gets the files."
}

variable "machines" {
  type = map(object({
    role     = string
    address  = string
    port     = number
    user     = optional(string)
    python   = optional(string)
    host_key = optional(string)
  }))
  description = "What stands for the machines that a provider would make."
}

variable "greeting" {
  type        = string
  default     = "hello"
  description = "What the playbook writes; Terraform has nothing of it."
}

variable "fqdn" {
  type        = string
  default     = ""
  description = "Name of the site; Terraform has nothing of it."
}

variable "certs" {
  type        = string
  default     = "selfsigned"
  description = "Whose certificate the site has: selfsigned or custom."
}

variable "breaks" {
  type        = string
  default     = ""
  description = "What fails: a host's name, wait for a playbook that does not end, apply for Terraform."
}

variable "ssh_private_key" {
  type        = string
  sensitive   = true
  description = "Lets the portal into the machines."
}

resource "terraform_data" "machine" {
  for_each = var.machines
  input    = each.value

  provisioner "local-exec" {
    command = var.breaks == "apply" ? "false" : "true"
  }
}

output "machines" {
  value = { for name, made in terraform_data.machine : name => made.output }
}
