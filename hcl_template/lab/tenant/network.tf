module "app_firewall" {
  source   = "../../modules/part"
  name     = "app_firewall"
  settings = local.settings
  properties = {
    network = var.shared.network_id
    ingress = { "443" = "the load balancer" }
    labels  = local.labels
  }
}

module "voice_firewall" {
  source   = "../../modules/part"
  name     = "voice_firewall"
  settings = local.settings
  properties = {
    network  = var.shared.network_id
    carriers = var.carrier_cidrs
    ports    = "5060-5061/udp, 10000-20000/udp"
    labels   = local.labels
  }
}

module "database_subnets" {
  source   = "../../modules/part"
  name     = "database_subnets"
  settings = local.settings
  properties = {
    subnets = values(var.shared.subnets)
    labels  = local.labels
  }
}
