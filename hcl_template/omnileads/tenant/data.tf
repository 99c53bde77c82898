module "postgresql" {
  source              = "../../modules/database"
  identifier          = local.prefix
  engine              = "postgres"
  engine_version      = var.rds_postgres_version
  size                = var.pg_rds_size
  database            = local.pg_database
  username            = local.pg_username
  password            = var.pg_password
  password_version    = local.secret_versions["pg_password"]
  storage_gib         = var.pg_storage
  storage_max_gib     = var.pg_storage_max
  subnet_ids          = var.shared.private_subnet_ids
  security_group_ids  = [aws_security_group.this["postgresql"].id]
  multi_az            = var.rds_multi_az
  retention_days      = var.rds_retention_days
  backup_window       = var.rds_backup_window
  maintenance_window  = var.rds_maintenance_window
  deletion_protection = var.rds_deletion_protection
  final_snapshot      = var.rds_final_snapshot
}

# Without the dialer its database goes, with all its data: blueprint.yaml has it under holds_data.
module "mysql" {
  source   = "../../modules/database"
  for_each = local.dialer

  identifier          = "${local.prefix}-${each.key}"
  engine              = "mysql"
  engine_version      = var.rds_mysql_version
  size                = var.mysql_rds_size
  database            = var.mysql_database
  username            = var.mysql_username
  password            = var.mysql_password
  password_version    = local.secret_versions["mysql_password"]
  storage_gib         = var.mysql_storage
  storage_max_gib     = 0
  subnet_ids          = var.shared.private_subnet_ids
  security_group_ids  = [aws_security_group.this["mysql"].id]
  multi_az            = var.rds_multi_az
  retention_days      = var.rds_retention_days
  backup_window       = var.rds_backup_window
  maintenance_window  = var.rds_maintenance_window
  deletion_protection = var.rds_deletion_protection
  final_snapshot      = var.rds_final_snapshot
}

locals {
  # Recordings stand in folders by date, 2026-01-31/…, at the top of the bucket: no other name of
  # ours begins with the century.
  bucket_rules = {
    recordings = { prefix = "20", archive_days = var.recordings_archive_days, expire_days = var.recordings_days }
    backups    = { prefix = "backups/", archive_days = 0, expire_days = var.backups_days }
  }
}

module "data_bucket" {
  source            = "../../modules/bucket"
  name              = module.naming.data_bucket
  old_versions_days = var.old_versions_days
  rules             = { for name, rule in local.bucket_rules : name => rule if rule.archive_days + rule.expire_days > 0 }
}
