# What each machine does at its first boot. Scripts and settings hold no secret: machines read those
# from the Parameter Store. What a new machine does once (restore a backup, make demo data) is no
# input: the run that wants it lends the machine an order, see templates/bin/boot-order.
locals {
  files = { for name in fileset("${path.module}/templates/bin", "*") : name => file("${path.module}/templates/bin/${name}") }

  every_file  = ["lib", "boot"]
  backup_file = ["backup", "restore", "schedule-backup", "boot-order"]
  app_file    = ["set-inventory", "reset-admin-password", "admin_password.py"]

  common_settings = {
    REGION     = var.aws_region
    TIME_ZONE  = var.time_zone
    NIC        = var.instance_nic
    PARAMETERS = module.naming.parameter_path
    APP_HOST   = local.host

    ASTERISK_HOST   = local.hosts.asterisk
    KAMAILIO_HOST   = local.hosts.kamailio
    REDIS_HOST      = local.hosts.redis
    WEBSOCKETS_HOST = local.hosts.websockets
    RTPENGINE_HOST  = var.shared.rtpengine_internal_fqdn
  }

  database_settings = {
    BUCKET      = module.data_bucket.name
    PG_HOST     = module.postgresql.address
    PG_DATABASE = local.pg_database
    PG_USERNAME = local.pg_username
    AMI_USER    = var.ami_user
    SBC_HOST    = var.shared.sbc_internal_fqdn
  }

  settings = {
    app = merge(local.database_settings, {
      VERSION            = var.oml_app_version
      REPOSITORY         = var.oml_app_repo_url
      SECRETS            = local.secrets_revision.app
      REBOOTS            = "yes"
      SCA                = tostring(var.sca)
      ECCTL              = tostring(var.ecctl)
      SCHEDULE           = var.schedule
      HIGH_LOAD          = tostring(var.oml_high_load)
      DIALER_HOST        = var.dialer ? local.hosts.dialer : ""
      DIALER_USER        = var.dialer_user
      GOOGLE_MAPS_CENTER = local.has_maps ? jsonencode(var.google_maps_center) : ""
    })
    asterisk = merge(local.database_settings, {
      VERSION    = var.oml_asterisk_version
      REPOSITORY = "https://gitlab.com/omnileads/omlacd.git"
      SECRETS    = local.secrets_revision.asterisk
      REBOOTS    = "yes"
    })
    kamailio = {
      VERSION    = var.oml_kamailio_version
      REPOSITORY = "https://gitlab.com/omnileads/omlkamailio.git"
      SHM_SIZE   = tostring(var.kamailio_shm_size)
      PKG_SIZE   = tostring(var.kamailio_pkg_size)
    }
    redis = {
      VERSION    = var.oml_redis_version
      REPOSITORY = "https://gitlab.com/omnileads/omlredis.git"
      HIGH_LOAD  = tostring(var.oml_high_load)
    }
    websockets = {
      VERSION    = var.oml_websockets_version
      REPOSITORY = "https://gitlab.com/omnileads/omnileads-websockets.git"
    }
    dialer = {
      VERSION        = var.wombat_version
      SECRETS        = local.secrets_revision.dialer
      MYSQL_HOST     = join("", [for server in module.mysql : server.address])
      MYSQL_DATABASE = var.mysql_database
      MYSQL_USERNAME = var.mysql_username
    }
  }

  more_files = {
    app        = concat(local.backup_file, local.app_file)
    asterisk   = local.backup_file
    kamailio   = []
    redis      = []
    websockets = []
    dialer     = []
  }

  # A change of any of these replaces a machine outside of groups.
  boot_settings = {
    for component, settings in local.settings :
    component => merge(local.common_settings, settings, { COMPONENT = component })
  }

  user_data = {
    for component, settings in local.boot_settings : component => templatefile("${path.module}/templates/user_data.tftpl", {
      # Values stand in single quotes, so a shell takes them as they are.
      settings = join("", [
        for name, value in settings :
        "${name}='${replace(value, "'", "'\\''")}'\n"
      ])
      files = merge(
        { for name in concat(local.every_file, local.more_files[component]) : name => local.files[name] },
        { install = local.files["install-${component}"] },
      )
    })
  }
}
