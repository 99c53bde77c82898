terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# Credentials, an assumed role and another address of the API come from the portal.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = module.naming.tags
  }
}
