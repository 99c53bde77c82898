module "network" {
  source     = "../../modules/part"
  name       = "network"
  settings   = local.settings
  properties = { labels = local.labels }
  replace_on = { cidr = var.network_cidr }
}

module "subnet" {
  source   = "../../modules/part"
  for_each = local.subnets

  name       = "subnet_${each.key}"
  address    = "module.subnet[\"${each.key}\"]"
  settings   = local.settings
  properties = { network = module.network.id, zone = "${var.region}${each.key}" }
  replace_on = { cidr = each.value }
}

module "gateway" {
  source     = "../../modules/part"
  name       = "gateway"
  settings   = local.settings
  properties = { network = module.network.id }
}

module "nat" {
  source     = "../../modules/part"
  name       = "nat"
  settings   = local.settings
  weight     = 4
  properties = { gateway = module.gateway.id, subnets = { for zone, part in module.subnet : zone => part.id } }
}

module "routes" {
  source     = "../../modules/part"
  name       = "routes"
  settings   = local.settings
  weight     = 0.5
  properties = { "0.0.0.0/0" = module.nat.id }
}

module "dns_zone" {
  source     = "../../modules/part"
  name       = "dns_zone"
  settings   = local.settings
  weight     = 2
  properties = { zone = var.domain, labels = local.labels }
}

module "certificate" {
  source     = "../../modules/part"
  name       = "certificate"
  settings   = local.settings
  weight     = 3
  properties = { names = ["*.${var.domain}"], validated_in = module.dns_zone.id }
}

module "load_balancer" {
  source   = "../../modules/part"
  name     = "load_balancer"
  settings = local.settings
  weight   = 5
  properties = {
    certificate = module.certificate.id
    subnets     = { for zone, part in module.subnet : zone => part.id }
    labels      = local.labels
  }
}
