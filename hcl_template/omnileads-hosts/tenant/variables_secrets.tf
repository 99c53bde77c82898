variable "postgres_password" {
  description = "Password of the database's user."
  type        = string
  sensitive   = true
}

variable "ami_password" {
  description = "Password of Asterisk's manager."
  type        = string
  sensitive   = true
}

variable "admin_password" {
  description = "Password of the application's administrator."
  type        = string
  sensitive   = true
}

variable "minio_password" {
  description = "Password of MinIO's administrator, needed where MinIO runs on the host."
  type        = string
  default     = null
  sensitive   = true
}

variable "bucket_access_key" {
  description = "Access key of the bucket."
  type        = string
  sensitive   = true
}

variable "bucket_secret_key" {
  description = "Secret key of the bucket."
  type        = string
  sensitive   = true
}

variable "dialer_password" {
  description = "Password of the dialer's user."
  type        = string
  default     = null
  sensitive   = true
}

variable "certificate_key" {
  description = "Private key of the certificate, in PEM form without a passphrase."
  type        = string
  default     = null
  sensitive   = true
}

variable "grafana_password" {
  description = "Password of Grafana's administrator, needed where there is an observability host."
  type        = string
  default     = null
  sensitive   = true
}
