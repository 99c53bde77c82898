# --- from the portal -------------------------------------------------------------------------------

variable "stack_name" {
  description = "Name of the tenant; first label of its addresses."
  type        = string
  nullable    = false
}

variable "owner" {
  description = "Short name of the operator, part of the names of buckets."
  type        = string
  nullable    = false
}

variable "domain_name" {
  description = "Domain of the region, for example cc.example.net."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "A domain is written in lower case, for example cc.example.net."
  }
}

variable "aws_region" {
  description = "AWS region, for example us-east-2."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "A region is written like us-east-2."
  }
}

variable "time_zone" {
  description = "Time zone of the tenant, for example America/Argentina/Cordoba. A change replaces its machines."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z]+([/_+-][A-Za-z0-9]+)*$", var.time_zone))
    error_message = "A time zone is written like America/Argentina/Cordoba."
  }
}

variable "shared_name" {
  description = "Name of the shared environment."
  type        = string
  nullable    = false
}

variable "shared" {
  description = "Outputs of the shared environment that the tenant joins."
  type = object({
    vpc_id                      = string
    vpc_cidr                    = string
    public_subnet_ids           = list(string)
    private_subnet_ids          = list(string)
    certificate_arn             = string
    hosted_zone_id              = string
    rtpengine_fqdn              = string
    rtpengine_internal_fqdn     = string
    rtpengine_security_group_id = string
    sbc_security_group_id       = string

    rtpengine_clients_security_group_id = string
    sbc_clients_security_group_id       = string

    sbc_internal_fqdn  = string
    sbc_public_ip      = string
    pstn_trunks        = list(string)
    access_logs_bucket = string
  })
  nullable = false
}

# --- identity --------------------------------------------------------------------------------------

variable "environment" {
  description = "Stage of the tenant, part of its names: prod or dev. It cannot change later."
  type        = string
  default     = "prod"
  nullable    = false

  validation {
    condition     = contains(["prod", "dev"], var.environment)
    error_message = "The environment is prod or dev."
  }
}

# --- releases --------------------------------------------------------------------------------------

variable "oml_app_version" {
  description = "Version of the web application (branch or tag of its repository). The next machine of the group has it."
  type        = string
  default     = "release-1.24.2"
  nullable    = false

  validation {
    condition     = can(regex("^release-[0-9]+\\.[0-9]+\\.[0-9]+$", var.oml_app_version))
    error_message = "The application's version is written like release-1.24.2."
  }
}

variable "oml_asterisk_version" {
  description = "Version of Asterisk, the telephony server. A change replaces the machine."
  type        = string
  default     = "220614.01"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6}\\.[0-9]{2}$", var.oml_asterisk_version))
    error_message = "A component's version is written YYMMDD.NN, for example 220614.01."
  }
}

variable "oml_kamailio_version" {
  description = "Version of Kamailio, the SIP proxy of the browsers. A change replaces the machine."
  type        = string
  default     = "220614.01"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6}\\.[0-9]{2}$", var.oml_kamailio_version))
    error_message = "A component's version is written YYMMDD.NN, for example 220614.01."
  }
}

variable "oml_redis_version" {
  description = "Version of Redis. A change replaces the machine."
  type        = string
  default     = "220606.01"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6}\\.[0-9]{2}$", var.oml_redis_version))
    error_message = "A component's version is written YYMMDD.NN, for example 220606.01."
  }
}

variable "oml_websockets_version" {
  description = "Version of the websockets server. A change replaces the machine."
  type        = string
  default     = "220818.01"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6}\\.[0-9]{2}$", var.oml_websockets_version))
    error_message = "A component's version is written YYMMDD.NN, for example 220818.01."
  }
}

variable "wombat_version" {
  description = "Version of Wombat, the outbound dialer. The next machine of the group has it."
  type        = string
  default     = "20.02.1-271"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+-[0-9]+$", var.wombat_version))
    error_message = "The dialer's version is written like 20.02.1-271."
  }
}

variable "oml_app_repo_url" {
  description = "Repository of the web application, public and read by https."
  type        = string
  default     = "https://gitlab.com/omnileads/ominicontacto.git"
  nullable    = false

  validation {
    condition     = can(regex("^https://[A-Za-z0-9.-]+/[A-Za-z0-9._/-]+$", var.oml_app_repo_url))
    error_message = "An https address without user name and password."
  }
}

variable "app_ami_id" {
  description = "Machine image of the web application (Amazon Linux 2). Empty: the newest one when the version was installed, kept until the version changes. The next machine of the group has it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.app_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}

variable "asterisk_ami_id" {
  description = "Machine image of Asterisk (Amazon Linux 2). Empty: the newest one when the version was installed, kept until the version changes. Another one replaces the machine."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.asterisk_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}

variable "kamailio_ami_id" {
  description = "Machine image of Kamailio (Amazon Linux 2). Empty: the newest one when the version was installed, kept until the version changes. Another one replaces the machine."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.kamailio_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}

variable "redis_ami_id" {
  description = "Machine image of Redis (Amazon Linux 2). Empty: the newest one when the version was installed, kept until the version changes. Another one replaces the machine."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.redis_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}

variable "websockets_ami_id" {
  description = "Machine image of the websockets server (Ubuntu 22.04). Empty: the newest one when the version was installed, kept until the version changes. Another one replaces the machine."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.websockets_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}

variable "dialer_ami_id" {
  description = "Machine image of the dialer (Amazon Linux 2). Empty: the newest one when the version was installed, kept until the version changes. The next machine of the group has it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.dialer_ami_id))
    error_message = "An image is written as ami- and 8 to 17 hexadecimal digits, or stays empty."
  }
}
