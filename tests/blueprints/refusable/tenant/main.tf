terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "stack_name" {
  type        = string
  description = "Name of the stack."
}

variable "also" {
  type        = string
  description = "What is asked for beside the parameter."
}

resource "aws_ssm_parameter" "note" {
  name  = "/${var.stack_name}/note"
  type  = "String"
  value = "stands"
}

resource "aws_vpc" "this" {
  count      = var.also == "network" ? 1 : 0
  cidr_block = "10.9.0.0/16"
  depends_on = [aws_ssm_parameter.note]
}

resource "aws_eip" "this" {
  count      = var.also == "address" ? 1 : 0
  domain     = "vpc"
  depends_on = [aws_ssm_parameter.note]
}

resource "aws_s3_bucket" "this" {
  count      = var.also == "bucket" ? 1 : 0
  bucket     = "taken-by-somebody"
  depends_on = [aws_ssm_parameter.note]
}

resource "aws_instance" "this" {
  count         = var.also == "machine" ? 1 : 0
  ami           = "ami-12c6146b"
  instance_type = "t3.medium"
  depends_on    = [aws_ssm_parameter.note]
}

resource "aws_acm_certificate" "this" {
  count             = var.also == "certificate" ? 1 : 0
  domain_name       = "*.cc.example.net"
  validation_method = "DNS"
  depends_on        = [aws_ssm_parameter.note]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate_validation" "this" {
  count           = var.also == "certificate" ? 1 : 0
  certificate_arn = aws_acm_certificate.this[0].arn

  timeouts {
    create = "3s"
  }
}

data "aws_route53_zone" "this" {
  count = var.also == "zone" ? 1 : 0
  name  = "not-here.example.net."
}
