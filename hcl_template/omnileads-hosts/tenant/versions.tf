# Nothing is built by Terraform here: the variables make the form, and Terraform judges them.
terraform {
  required_version = ">= 1.11.0, < 2.0.0"
}
