module "voice_firewall" {
  source     = "../../modules/part"
  name       = "voice_firewall"
  settings   = local.settings
  properties = { network = module.network.id, ports = "5060-5061/udp, 10000-40000/udp" }
}

module "sbc" {
  source   = "../../modules/part"
  name     = "sbc"
  settings = local.settings
  weight   = 3
  properties = {
    version  = var.sbc_version
    firewall = module.voice_firewall.id
    routes   = module.routes.id
    labels   = local.labels
  }
  replace_on = { version = var.sbc_version }
}

module "trunk" {
  source     = "../../modules/part"
  name       = "trunk"
  settings   = local.settings
  properties = { sbc = module.sbc.id }
  # Marked as sensitive here; in properties it would come back unmarked.
  replace_on = { password = var.trunk_password }
}

module "rtpengine" {
  source   = "../../modules/part"
  for_each = local.rtp_nodes

  name     = "rtpengine_${each.key}"
  address  = "module.rtpengine[\"${each.key}\"]"
  settings = local.settings
  weight   = 3
  properties = {
    version  = var.rtpengine_version
    firewall = module.voice_firewall.id
    routes   = module.routes.id
    labels   = local.labels
  }
  replace_on = { version = var.rtpengine_version, size = var.rtpengine_size }
}
