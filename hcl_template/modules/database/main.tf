# One RDS database that only the named security groups reach. What it holds cannot be made again.
resource "aws_db_subnet_group" "this" {
  name        = var.identifier
  description = "Private subnets of ${var.identifier}"
  subnet_ids  = var.subnet_ids
}

# A name that no earlier database of this identifier has used for its last snapshot.
resource "terraform_data" "snapshot" {
  input = var.identifier
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_118:enhanced monitoring needs a role and a log group that outlive the tenant
  #checkov:skip=CKV_AWS_129:exported logs would outlive the tenant; RDS itself keeps three days
  #checkov:skip=CKV_AWS_157:Multi-AZ doubles the price, so it is an input
  #checkov:skip=CKV_AWS_161:the application signs in by password
  #checkov:skip=CKV_AWS_293:deletion protection is an input, on by default
  #checkov:skip=CKV_AWS_353:the small classes have no performance insights
  #checkov:skip=CKV2_AWS_30:queries hold personal data of calls and are not logged
  #checkov:skip=CKV2_AWS_69:the default parameter group of PostgreSQL 15 and later demands TLS
  identifier     = var.identifier
  engine         = var.engine
  engine_version = var.engine_version
  instance_class = var.size
  db_name        = var.database
  username       = var.username

  # Write-only: neither plan nor state holds the password.
  password_wo         = var.password
  password_wo_version = var.password_version

  storage_type          = "gp3"
  allocated_storage     = var.storage_gib
  max_allocated_storage = var.storage_max_gib
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = var.security_group_ids
  publicly_accessible    = false
  multi_az               = var.multi_az

  backup_retention_period  = var.retention_days
  backup_window            = var.backup_window
  maintenance_window       = var.maintenance_window
  copy_tags_to_snapshot    = true
  delete_automated_backups = true

  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = "${var.identifier}-final-${substr(terraform_data.snapshot.id, 0, 8)}"

  # The version is a decision of the operator, written in an input; minor ones come by themselves.
  allow_major_version_upgrade = true
  auto_minor_version_upgrade  = true
  apply_immediately           = true

  tags = { Name = var.identifier }
}
