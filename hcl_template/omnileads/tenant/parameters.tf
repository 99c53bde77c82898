# Secrets as SecureStrings that only this tenant's machines read, and the time of the backup. Boot
# orders stand on the same path, but a run lends them: they are no resources.
locals {
  has_maps = (
    nonsensitive(try(length(var.google_maps_api_key) > 0, false)) &&
    var.google_maps_center.lat != null && var.google_maps_center.lng != null
  )

  secrets = merge(
    {
      pg_password    = var.pg_password
      ami_password   = var.ami_password
      admin_password = var.admin_password
    },
    var.dialer ? { mysql_password = var.mysql_password, dialer_password = var.dialer_password } : {},
    local.has_maps ? { google_maps_api_key = var.google_maps_api_key } : {},
  )

  secret_names = toset(concat(
    ["pg_password", "ami_password", "admin_password"],
    var.dialer ? ["mysql_password", "dialer_password"] : [],
    local.has_maps ? ["google_maps_api_key"] : [],
  ))

  # Write-only values leave no trace, so a change of one shows by this number alone: 24 bits of a
  # hash, too few to find a password by.
  secret_versions = {
    for name in local.secret_names :
    name => parseint(substr(sha256("${module.naming.parameter_path}/${name}=${coalesce(local.secrets[name], "none")}"), 0, 6), 16)
  }

  # Secrets that a component reads. Another revision is another boot text, so that a rotated secret
  # reaches the machines that use it.
  secrets_read = {
    app      = setintersection(local.secret_names, ["pg_password", "ami_password", "admin_password", "dialer_password", "google_maps_api_key"])
    asterisk = setintersection(local.secret_names, ["pg_password", "ami_password"])
    dialer   = setintersection(local.secret_names, ["mysql_password"])
  }

  # The administrator's password is set once and then changed in the application.
  secrets_revision = {
    for component, names in local.secrets_read : component => nonsensitive(substr(sha256(jsonencode([
      for name in sort(setsubtract(names, ["admin_password"])) : local.secret_versions[name]
    ])), 0, 6))
  }

  # ARN of a parameter without its last word: what IAM needs to name others of the path.
  parameters_arn = trimsuffix(aws_ssm_parameter.backup_time.arn, "/backup_time")

  parameters_read = {
    app = concat(
      [for name in local.secrets_read.app : "${local.parameters_arn}/${name}"],
      ["${local.parameters_arn}/backup_time", "${local.parameters_arn}/boot/app", "${local.parameters_arn}/handover/*"],
    )
    asterisk = concat(
      [for name in local.secrets_read.asterisk : "${local.parameters_arn}/${name}"],
      ["${local.parameters_arn}/backup_time", "${local.parameters_arn}/boot/asterisk"],
    )
    kamailio   = []
    redis      = []
    websockets = []
    dialer     = [for name in local.secrets_read.dialer : "${local.parameters_arn}/${name}"]
  }
}

resource "aws_ssm_parameter" "secret" {
  #checkov:skip=CKV_AWS_337:a key of its own would cost as much per month as the small databases' disks
  for_each = local.secret_names

  name             = "${module.naming.parameter_path}/${each.key}"
  description      = "Secret of ${var.stack_name}"
  type             = "SecureString"
  value_wo         = local.secrets[each.key]
  value_wo_version = local.secret_versions[each.key]

  lifecycle {
    precondition {
      condition     = nonsensitive(try(length(local.secrets[each.key]) > 0, false))
      error_message = "The secret ${each.key} is not set."
    }
  }
}

# Read every hour, so a change replaces nothing.
resource "aws_ssm_parameter" "backup_time" {
  #checkov:skip=CKV2_AWS_34:a time is no secret

  name           = "${module.naming.parameter_path}/backup_time"
  description    = "Read by machines of ${var.stack_name}"
  type           = "String"
  insecure_value = var.backup_time
}
