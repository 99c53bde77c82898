module "app_secrets" {
  source   = "../../modules/part"
  name     = "app_secrets"
  settings = local.settings
  properties = {
    database = module.database.id
  }
  # Terraform marks these as sensitive; what stands in properties would come back unmarked as
  # the output of terraform_data.
  replace_on = {
    password = var.admin_password
    carrier  = var.carrier_secret
  }
}

module "app_logs" {
  source     = "../../modules/part"
  name       = "app_logs"
  settings   = local.settings
  properties = { group = "/omlsaas/${var.stack_name}", keep_days = 30 }
}

module "app_template" {
  source   = "../../modules/part"
  name     = "app_template"
  settings = local.settings
  properties = {
    version  = var.app_version
    size     = var.app_size
    firewall = module.app_firewall.id
    logs     = module.app_logs.id
    labels   = local.labels
  }
}

module "app" {
  source   = "../../modules/part"
  name     = "app"
  settings = local.settings
  weight   = 3
  properties = {
    template = module.app_template.id
    secrets  = module.app_secrets.id
    cache    = module.redis.id
    bucket   = module.recordings.id
  }
  replace_on = { version = var.app_version, size = var.app_size }
}

module "app_node" {
  source   = "../../modules/part"
  for_each = local.nodes

  name     = "app_node_${each.key}"
  address  = "module.app_node[\"${each.key}\"]"
  settings = local.settings
  weight   = 2
  properties = {
    template = module.app_template.id
    network  = var.shared.network_id
  }
  replace_on = { version = var.app_version, size = var.app_size }
}

module "websockets" {
  source   = "../../modules/part"
  name     = "websockets"
  settings = local.settings
  weight   = 2
  properties = {
    template = module.app_template.id
    cache    = module.redis.id
  }
  replace_on = { version = var.app_version }
}

module "app_targets" {
  source   = "../../modules/part"
  name     = "app_targets"
  settings = local.settings
  properties = {
    port    = 8000
    network = var.shared.network_id
    members = concat([module.app.id], [for key in sort(keys(module.app_node)) : module.app_node[key].id])
  }
}

module "websocket_targets" {
  source     = "../../modules/part"
  name       = "websocket_targets"
  settings   = local.settings
  properties = { port = 8001, network = var.shared.network_id, members = [module.websockets.id] }
}

module "listener_rule" {
  source   = "../../modules/part"
  name     = "listener_rule"
  settings = local.settings
  properties = {
    host        = local.host
    certificate = var.shared.certificate_id
    forward     = { "/" = module.app_targets.id, "/ws" = module.websocket_targets.id }
  }
}

module "dns_app" {
  source   = "../../modules/part"
  name     = "dns_app"
  settings = local.settings
  weight   = 0.5
  properties = {
    zone   = var.shared.dns_zone
    record = local.host
    target = module.listener_rule.id
  }
}

module "warmup" {
  source   = "../../modules/part"
  name     = "warmup"
  settings = local.settings
  weight   = 0.5
  properties = {
    url = "https://${local.host}/"
  }
  replace_on = {
    record  = module.dns_app.id
    lines   = var.flood_lines
    line_ms = var.flood_line_ms
    id      = var.flood_id
  }
  flood = {
    lines    = var.flood_lines
    pause_us = var.flood_line_ms * 1000
  }
}
