# --- from the portal -------------------------------------------------------------------------

variable "stack_name" {
  description = "Name of the shared environment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^shared[a-z0-9]{1,6}$", var.stack_name))
    error_message = "A shared environment is called shared and 1 to 6 lower-case letters or digits, for example shared1."
  }
}

variable "aws_region" {
  description = "Region of the provider, for example us-east-2."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "The region's code is missing or wrong; set it at the region, for example us-east-2."
  }
}

variable "domain_name" {
  description = "Domain below which the tenants have their addresses; its public hosted zone must be there."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "The region's domain is missing or wrong; set it at the region, for example cc.example.com."
  }
}

variable "hosted_zone" {
  description = "Id of the domain's public hosted zone; empty: it is looked up by the domain."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Z0-9]{5,32})?$", var.hosted_zone))
    error_message = "A hosted zone is named by its id, for example Z0123456789ABCDEFGHIJ; empty looks it up by the domain."
  }
}

variable "owner" {
  description = "Short name of the operator, part of the names of buckets."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.owner))
    error_message = "The region's owner prefix is missing or wrong; set it at the region: 2 to 16 lower-case letters and digits."
  }
}

# --- identity --------------------------------------------------------------------------------

variable "environment" {
  description = "Stage, part of all names: prod or dev. It cannot be changed after the first apply."
  type        = string
  default     = "prod"
  nullable    = false

  validation {
    condition     = contains(["prod", "dev"], var.environment)
    error_message = "The environment is prod or dev."
  }
}

# --- network ---------------------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Addresses of the network in CIDR form, a private network of /16 to /20; each subnet gets a sixteenth. A change replaces the network and everything in it."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition = (
      try(cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr, false)
      && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)[0-9.]+/(1[6-9]|20)$", var.vpc_cidr))
    )
    error_message = "A private network (10…, 172.16… to 172.31…, 192.168…) of /16 to /20, with its first address, for example 10.0.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the availability zones, two or three, a subnet pair each. A zone that is added leaves the others alone; one that is removed takes its subnets with it."
  type        = set(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition = (
      contains([2, 3], length(var.zones))
      && length(setsubtract(var.zones, ["a", "b", "c", "d", "e", "f"])) == 0
    )
    error_message = "Two or three availability zones by their letters, a to f."
  }
}

variable "nat_gateways" {
  description = "NAT gateways: one for all zones, or per_zone. Each costs about 33 USD a month (0.045 USD an hour) and 0.045 USD per GB. With one, all tenants lose the way out when its zone fails."
  type        = string
  default     = "one"
  nullable    = false

  validation {
    condition     = contains(["one", "per_zone"], var.nat_gateways)
    error_message = "NAT gateways are one or per_zone."
  }
}

variable "pstn_trunks" {
  description = "Networks of the carriers in CIDR form, one a line, for example 203.0.113.7/32: only these reach the SBC from outside. /16 to /32, each takes two of the 60 rules that a security group has."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for cidr in var.pstn_trunks :
      try(cidrsubnet(cidr, 0, 0) == cidr, false) && can(regex("^[0-9.]+/(1[6-9]|2[0-9]|3[0-2])$", cidr))
    ])
    error_message = "Each carrier is an IPv4 network of /16 to /32 with its first address, for example 203.0.113.7/32. An open SBC is called from everywhere, at your cost."
  }

  validation {
    condition     = length(distinct(var.pstn_trunks)) == length(var.pstn_trunks) && length(var.pstn_trunks) <= 15
    error_message = "At most 15 carrier networks, each once."
  }
}

# --- RTPengine -------------------------------------------------------------------------------

variable "rtpengine_version" {
  description = "Version of RTPengine's package. The next machine has it: replace the RTPengine group to get it."
  type        = string
  default     = "5.5.12.1"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+){1,3}$", var.rtpengine_version))
    error_message = "Write the version as numbers with points, for example 5.5.12.1."
  }
}

variable "ec2_size_rtpengine" {
  description = "Size of the RTPengine machine, which carries the media of all tenants; the next machine has it."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    condition = contains([
      "t3.small", "t3.medium", "t3.large", "c5.large", "c5.xlarge", "c5.2xlarge",
      "c6i.large", "c6i.xlarge", "c6i.2xlarge"
    ], var.ec2_size_rtpengine)
    error_message = "RTPengine runs on t3.small, t3.medium, t3.large, or large, xlarge, 2xlarge of c5 or c6i."
  }
}

variable "disk_size_rtpengine" {
  description = "Disk of the RTPengine machine in GiB, 20 to 200; the next machine has it."
  type        = number
  default     = 40
  nullable    = false

  validation {
    condition     = var.disk_size_rtpengine >= 20 && var.disk_size_rtpengine <= 200 && floor(var.disk_size_rtpengine) == var.disk_size_rtpengine
    error_message = "RTPengine's disk has a whole number of GiB from 20 to 200."
  }
}

variable "rtpengine_ami_id" {
  description = "Image (Amazon Linux 2) of the RTPengine machine, pinned by the release; empty: the newest when this version was installed first."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.rtpengine_ami_id))
    error_message = "An image is named by its id, for example ami-0123456789abcdef0; empty looks one up."
  }
}

variable "rtpengine_rtp_min_port" {
  description = "First UDP port of RTPengine's media, even, from 10000."
  type        = number
  default     = 20000
  nullable    = false

  validation {
    condition     = var.rtpengine_rtp_min_port >= 10000 && var.rtpengine_rtp_min_port < 65000 && var.rtpengine_rtp_min_port % 2 == 0
    error_message = "RTPengine's first media port is even, from 10000 to 64998."
  }
}

variable "rtpengine_rtp_max_port" {
  description = "Last UDP port of RTPengine's media, at least 1000 above the first; the range bounds the calls of all tenants."
  type        = number
  default     = 60000
  nullable    = false

  validation {
    condition     = var.rtpengine_rtp_max_port <= 65535 && var.rtpengine_rtp_max_port >= var.rtpengine_rtp_min_port + 1000 && floor(var.rtpengine_rtp_max_port) == var.rtpengine_rtp_max_port
    error_message = "RTPengine's last media port is at least 1000 above the first, at most 65535."
  }
}

# --- SBC -------------------------------------------------------------------------------------

variable "astsbc_version" {
  description = "Version of the SBC's Asterisk package. The next machine has it: replace the SBC group to get it."
  type        = string
  default     = "16.12.0"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+){1,2}$", var.astsbc_version))
    error_message = "Write the version as numbers with points, for example 16.12.0."
  }
}

variable "astsbc_scripts_ref" {
  description = "Branch, tag or commit of the repository with the SBC's dial plan and deploy scripts. A commit is the same tomorrow."
  type        = string
  default     = "master"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.astsbc_scripts_ref))
    error_message = "A branch, tag or commit has letters, digits, points, hyphens and underscores."
  }
}

variable "ec2_size_astsbc" {
  description = "Size of the SBC machine, which carries the calls of all tenants to the carriers; the next machine has it."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    condition = contains([
      "t3.small", "t3.medium", "t3.large", "c5.large", "c5.xlarge", "c5.2xlarge",
      "c6i.large", "c6i.xlarge", "c6i.2xlarge"
    ], var.ec2_size_astsbc)
    error_message = "The SBC runs on t3.small, t3.medium, t3.large, or large, xlarge, 2xlarge of c5 or c6i."
  }
}

variable "disk_size_astsbc" {
  description = "Disk of the SBC machine in GiB, 20 to 200; the next machine has it."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.disk_size_astsbc >= 20 && var.disk_size_astsbc <= 200 && floor(var.disk_size_astsbc) == var.disk_size_astsbc
    error_message = "The SBC's disk has a whole number of GiB from 20 to 200."
  }
}

variable "astsbc_ami_id" {
  description = "Image (Amazon Linux 2) of the SBC machine, pinned by the release; empty: the newest when this version was installed first."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17})?$", var.astsbc_ami_id))
    error_message = "An image is named by its id, for example ami-0123456789abcdef0; empty looks one up."
  }
}

variable "astsbc_rtp_min_port" {
  description = "First UDP port of the SBC's media, even, from 10000."
  type        = number
  default     = 20000
  nullable    = false

  validation {
    condition     = var.astsbc_rtp_min_port >= 10000 && var.astsbc_rtp_min_port < 65000 && var.astsbc_rtp_min_port % 2 == 0
    error_message = "The SBC's first media port is even, from 10000 to 64998."
  }
}

variable "astsbc_rtp_max_port" {
  description = "Last UDP port of the SBC's media, at least 1000 above the first; the range bounds its calls."
  type        = number
  default     = 60000
  nullable    = false

  validation {
    condition     = var.astsbc_rtp_max_port <= 65535 && var.astsbc_rtp_max_port >= var.astsbc_rtp_min_port + 1000 && floor(var.astsbc_rtp_max_port) == var.astsbc_rtp_max_port
    error_message = "The SBC's last media port is at least 1000 above the first, at most 65535."
  }
}

variable "astsbc_ami_user" {
  description = "User of the SBC's Asterisk manager interface, which listens on the machine itself only."
  type        = string
  default     = "sbcadmin"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{2,31}$", var.astsbc_ami_user)) && var.astsbc_ami_user != "general"
    error_message = "The user has 3 to 32 lower-case letters, digits and underscores, and is not called general."
  }
}

# --- secrets: their rules stand in blueprint.yaml --------------------------------------------

variable "astsbc_ami_password" {
  description = "Password of the SBC's Asterisk manager interface. The next machine has it."
  type        = string
  nullable    = false
  sensitive   = true
}

# --- operation -------------------------------------------------------------------------------

variable "packages_url" {
  description = "Where the packages of RTPengine and Asterisk lie, as an https address without a slash at its end; a mirror of yours makes boots independent of others."
  type        = string
  default     = "https://fts-public-packages.s3.amazonaws.com"
  nullable    = false

  validation {
    condition     = can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*$", var.packages_url))
    error_message = "An https address without a slash at its end, for example https://packages.example.com/oml."
  }
}

variable "access_logs_days" {
  description = "Days for which access logs of load balancers and buckets are kept, 1 to 3650."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.access_logs_days >= 1 && var.access_logs_days <= 3650 && floor(var.access_logs_days) == var.access_logs_days
    error_message = "Access logs are kept for a whole number of days from 1 to 3650."
  }
}

variable "ssh_key_name" {
  description = "EC2 key pair of the machines; empty: none. Session Manager is the way in, and no port is open for SSH."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9 ._-]{0,255}$", var.ssh_key_name))
    error_message = "The name of a key pair that the region has, or empty."
  }
}
