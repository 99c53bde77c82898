module "asterisk" {
  source   = "../../modules/part"
  name     = "asterisk"
  settings = local.settings
  weight   = 4
  properties = {
    version    = var.asterisk_version
    channels   = var.channels
    codecs     = sort(var.codecs)
    firewall   = module.voice_firewall.id
    recordings = module.recordings.id
    rtp        = var.shared.rtp_addresses
    labels     = local.labels
  }
  replace_on = { version = var.asterisk_version }
}

module "kamailio" {
  source   = "../../modules/part"
  name     = "kamailio"
  settings = local.settings
  weight   = 2
  properties = {
    version  = var.kamailio_version
    firewall = module.voice_firewall.id
    sbc      = var.shared.sbc_address
    backend  = module.asterisk.id
    labels   = local.labels
  }
  replace_on = { version = var.kamailio_version }
}

module "dialer" {
  source   = "../../modules/part"
  for_each = toset(var.dialer ? ["outbound"] : [])

  name     = "dialer"
  address  = "module.dialer[\"${each.key}\"]"
  settings = local.settings
  weight   = 2
  properties = {
    version  = var.dialer_version
    asterisk = module.asterisk.id
    cache    = module.redis.id
    database = module.database.id
  }
  replace_on = { version = var.dialer_version }
}

module "dns_sip" {
  source   = "../../modules/part"
  name     = "dns_sip"
  settings = local.settings
  weight   = 0.5
  properties = {
    zone   = var.shared.dns_zone
    record = "sip.${local.host}"
    target = module.kamailio.id
  }
}
