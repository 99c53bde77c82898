# --- secrets: their rules stand in blueprint.yaml --------------------------------------------------

variable "pg_password" {
  description = "Password of PostgreSQL. A change replaces Asterisk, and the next web application takes it."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "ami_password" {
  description = "Password of the Asterisk manager interface. A change replaces Asterisk, and the next web application takes it."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "admin_password" {
  description = "First password of the web administrator. A new machine sets it while the administrator has never signed in, or when its boot order says so."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "mysql_password" {
  description = "Password of the dialer's MySQL; needed with the dialer."
  type        = string
  default     = null
  sensitive   = true
}

variable "dialer_password" {
  description = "Password with which the application calls the dialer; needed with the dialer."
  type        = string
  default     = null
  sensitive   = true
}

variable "google_maps_api_key" {
  description = "Key of Google Maps; empty: no map."
  type        = string
  default     = null
  sensitive   = true
}
