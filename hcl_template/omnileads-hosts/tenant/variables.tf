# --- provided by the portal --------------------------------------------------------------------------

variable "tenant_id" {
  description = "Name of the tenant."
  type        = string
  nullable    = false
}

variable "timezone" {
  description = "Time zone of the tenant, such as America/Argentina/Cordoba."
  type        = string
  nullable    = false
}

# --- place -------------------------------------------------------------------------------------------

variable "infra_env" {
  description = "Where users come from: cloud (the hosts' public addresses) or lan."
  type        = string
  default     = "cloud"
  nullable    = false

  validation {
    condition     = contains(["cloud", "lan"], var.infra_env)
    error_message = "It is cloud or lan."
  }
}

variable "fqdn" {
  description = "Name under which users reach the tenant. Empty: its address."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.fqdn == "" || can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.fqdn))
    error_message = "Write a full name such as acme.example.com."
  }
}

# --- images ------------------------------------------------------------------------------------------

variable "django_version" {
  description = "Image tag of the application (uwsgi, daphne, cron): a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.django_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "websockets_version" {
  description = "Image tag of the websockets service: a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.websockets_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "nginx_version" {
  description = "Image tag of the web server: a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.nginx_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "kamailio_version" {
  description = "Image tag of the WebRTC signalling, Kamailio: a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.kamailio_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "asterisk_version" {
  description = "Image tag of the telephony, Asterisk: a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.asterisk_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "rtpengine_version" {
  description = "Image tag of the media relay, RTPengine: a build such as 230215.01, or latest."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.rtpengine_version))
    error_message = "Write a tag, such as 230215.01 or latest."
  }
}

variable "container_registry" {
  description = "Registry and namespace of the images above."
  type        = string
  default     = "docker.io/omnileads"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.container_registry))
    error_message = "Write it such as docker.io/omnileads."
  }
}

variable "postgres_image" {
  description = "Whole image name of PostgreSQL."
  type        = string
  default     = "docker.io/omnileads/postgres:13"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.postgres_image))
    error_message = "Write a whole name with its tag, such as docker.io/omnileads/postgres:13."
  }
}

variable "redis_image" {
  description = "Whole image name of Redis."
  type        = string
  default     = "docker.io/redislabs/redisgears:1.0.9"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.redis_image))
    error_message = "Write a whole name with its tag, such as docker.io/omnileads/postgres:13."
  }
}

variable "minio_image" {
  description = "Whole image name of MinIO."
  type        = string
  default     = "quay.io/minio/minio:latest"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:@-]+$", var.minio_image))
    error_message = "Write a whole name with its tag, such as docker.io/omnileads/postgres:13."
  }
}

# --- certificate -------------------------------------------------------------------------------------

variable "certs" {
  description = "selfsigned (made on the host), custom (the one below) or certbot (Let's Encrypt, or another ACME server)."
  type        = string
  default     = "selfsigned"
  nullable    = false

  validation {
    condition     = contains(["selfsigned", "custom", "certbot"], var.certs)
    error_message = "It is selfsigned, custom or certbot."
  }
}

variable "certificate" {
  description = "Certificate with its chain, in PEM form."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.certificate == "" || startswith(trimspace(var.certificate), "-----BEGIN CERTIFICATE-----")
    error_message = "Paste it in PEM form: it begins with -----BEGIN CERTIFICATE-----."
  }
}

# --- database ----------------------------------------------------------------------------------------

variable "postgres_host" {
  description = "Address of a managed PostgreSQL. Empty: one on the application's host."
  type        = string
  default     = ""
  nullable    = false
}

variable "postgres_port" {
  description = "Its port."
  type        = number
  default     = 5432
  nullable    = false

  validation {
    condition     = var.postgres_port >= 1 && var.postgres_port <= 65535
    error_message = "A port is 1 to 65535."
  }
}

variable "postgres_user" {
  description = "Its user."
  type        = string
  default     = "omnileads"
  nullable    = false
}

variable "postgres_database" {
  description = "Its database."
  type        = string
  default     = "omnileads"
  nullable    = false
}

variable "postgres_ssl" {
  description = "Connect to the managed PostgreSQL with TLS."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.postgres_ssl || var.postgres_host != ""
    error_message = "TLS is for a managed PostgreSQL: give its address, too."
  }
}

variable "postgres_ha" {
  description = "Send reads to the replica below."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.postgres_ha || (var.postgres_host != "" && var.postgres_ro_host != "")
    error_message = "A replica is for a managed PostgreSQL: give its address and the replica's."
  }
}

variable "postgres_ro_host" {
  description = "Address of its read replica."
  type        = string
  default     = ""
  nullable    = false
}

# --- recordings --------------------------------------------------------------------------------------

variable "bucket_url" {
  description = "Address of an object store for recordings. Empty: MinIO on the application's host."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.bucket_url == "" || can(regex("^https?://[^ ]+$", var.bucket_url))
    error_message = "Write an address such as https://s3.example.com."
  }
}

variable "bucket_name" {
  description = "Bucket of the recordings."
  type        = string
  default     = "omnileads"
  nullable    = false
}

variable "bucket_region" {
  description = "Region of the bucket."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "callrec_device" {
  description = "s3, or s3-no-check-cert for a store with a self-signed certificate."
  type        = string
  default     = "s3"
  nullable    = false

  validation {
    condition     = contains(["s3", "s3-no-check-cert"], var.callrec_device)
    error_message = "It is s3 or s3-no-check-cert."
  }
}

variable "minio_user" {
  description = "Administrator of MinIO."
  type        = string
  default     = "minio"
  nullable    = false
}

# --- telephony, application --------------------------------------------------------------------------

variable "ami_user" {
  description = "User of Asterisk's manager."
  type        = string
  default     = "omnileadsami"
  nullable    = false

  validation {
    condition     = var.ami_user != "general"
    error_message = "Asterisk takes general for a section of its own; choose another name."
  }
}

variable "shm_size" {
  description = "Shared memory of Kamailio, in MB."
  type        = number
  default     = 64
  nullable    = false

  validation {
    condition     = var.shm_size >= 16 && var.shm_size <= 4096
    error_message = "16 to 4096 MB."
  }
}

variable "pkg_size" {
  description = "Private memory of each Kamailio process, in MB."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.pkg_size >= 4 && var.pkg_size <= 256
    error_message = "4 to 256 MB."
  }
}

variable "sca" {
  description = "Length of a web session, in seconds."
  type        = number
  default     = 3600
  nullable    = false
}

variable "ecctl" {
  description = "Life of an agent's SIP credentials, in seconds."
  type        = number
  default     = 28800
  nullable    = false
}

variable "login_failure_limit" {
  description = "Wrong passwords before a user is locked."
  type        = number
  default     = 10
  nullable    = false
}

variable "dialer_host" {
  description = "Address of a Wombat dialer. Empty: none."
  type        = string
  default     = ""
  nullable    = false
}

variable "dialer_user" {
  description = "Its user."
  type        = string
  default     = "demoadmin"
  nullable    = false
}
