# --- certbot -----------------------------------------------------------------------------------------

variable "notification_email" {
  description = "Where the certificate authority writes to when a certificate of certbot is about to end."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.notification_email == "" || can(regex("^[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", var.notification_email))
    error_message = "Write an address such as ops@example.com."
  }
}

variable "acme_url" {
  description = "Directory of the ACME server that certbot asks."
  type        = string
  default     = "https://acme-v02.api.letsencrypt.org/directory"
  nullable    = false

  validation {
    condition     = can(regex("^https://[A-Za-z0-9./:_-]+$", var.acme_url))
    error_message = "Write an address such as https://acme-v02.api.letsencrypt.org/directory."
  }
}

# --- observability -----------------------------------------------------------------------------------

variable "prometheus_enable" {
  description = "Run exporters of figures on the hosts. With an observability host they run in any case."
  type        = bool
  default     = false
  nullable    = false
}

variable "metrics_days" {
  description = "How long the observability host keeps figures and log lines, in days."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.metrics_days >= 1 && var.metrics_days <= 730 && floor(var.metrics_days) == var.metrics_days
    error_message = "1 to 730 whole days."
  }
}

# --- images of both ----------------------------------------------------------------------------------

variable "certbot_image" {
  description = "Whole image name of certbot."
  type        = string
  default     = "docker.io/certbot/certbot:v2.11.0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.certbot_image))
    error_message = "Write a whole name with its tag, such as docker.io/certbot/certbot:v2.11.0."
  }
}

variable "node_exporter_image" {
  description = "Whole image name of the exporter of a host's figures."
  type        = string
  default     = "docker.io/prom/node-exporter:v1.7.0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.node_exporter_image))
    error_message = "Write a whole name with its tag, such as docker.io/prom/node-exporter:v1.7.0."
  }
}

variable "postgres_exporter_image" {
  description = "Whole image name of the exporter of PostgreSQL's figures."
  type        = string
  default     = "docker.io/prometheuscommunity/postgres-exporter:v0.15.0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.postgres_exporter_image))
    error_message = "Write a whole name with its tag, such as docker.io/prometheuscommunity/postgres-exporter:v0.15.0."
  }
}

variable "redis_exporter_image" {
  description = "Whole image name of the exporter of Redis' figures."
  type        = string
  default     = "docker.io/oliver006/redis_exporter:v1.58.0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.redis_exporter_image))
    error_message = "Write a whole name with its tag, such as docker.io/oliver006/redis_exporter:v1.58.0."
  }
}

variable "podman_exporter_image" {
  description = "Whole image name of the exporter of the containers' figures. Empty: none."
  type        = string
  default     = "quay.io/navidys/prometheus-podman-exporter:v1.11.0"
  nullable    = false

  validation {
    condition     = var.podman_exporter_image == "" || can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.podman_exporter_image))
    error_message = "Leave it empty, or write a whole name with its tag, such as quay.io/navidys/prometheus-podman-exporter:v1.11.0."
  }
}

variable "promtail_image" {
  description = "Whole image name of what sends journals to Loki."
  type        = string
  default     = "docker.io/grafana/promtail:2.9.4"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.promtail_image))
    error_message = "Write a whole name with its tag, such as docker.io/grafana/promtail:2.9.4."
  }
}

variable "prometheus_image" {
  description = "Whole image name of Prometheus."
  type        = string
  default     = "docker.io/prom/prometheus:v2.49.1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.prometheus_image))
    error_message = "Write a whole name with its tag, such as docker.io/prom/prometheus:v2.49.1."
  }
}

variable "loki_image" {
  description = "Whole image name of Loki."
  type        = string
  default     = "docker.io/grafana/loki:2.9.4"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.loki_image))
    error_message = "Write a whole name with its tag, such as docker.io/grafana/loki:2.9.4."
  }
}

variable "grafana_image" {
  description = "Whole image name of Grafana."
  type        = string
  default     = "docker.io/grafana/grafana:10.3.3"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.grafana_image))
    error_message = "Write a whole name with its tag, such as docker.io/grafana/grafana:10.3.3."
  }
}
