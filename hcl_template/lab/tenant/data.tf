module "database" {
  source   = "../../modules/part"
  name     = "database"
  settings = local.settings
  weight   = 6
  properties = {
    engine   = "postgres 16"
    size     = var.database_size
    disk_gib = var.database_disk_gib
    subnets  = module.database_subnets.id
    firewall = module.app_firewall.id
    window   = var.maintenance_window
    labels   = local.labels
  }
  replace_on = { force_replace = var.force_replace }
}

module "recordings" {
  source   = "../../modules/part"
  name     = "recordings"
  settings = local.settings
  weight   = 2
  properties = {
    bucket     = "${var.stack_name}-${var.region}-recordings"
    keep_days  = var.recordings_days
    versioning = true
    labels     = local.labels
  }
}

module "redis" {
  source   = "../../modules/part"
  name     = "redis"
  settings = local.settings
  weight   = 3
  properties = {
    engine   = "valkey 8"
    firewall = module.app_firewall.id
    labels   = local.labels
  }
}
