# A database as it is planned.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  identifier         = "prod-acme"
  engine             = "postgres"
  engine_version     = "14"
  size               = "db.t3.micro"
  database           = "acme_oml"
  username           = "acme_pg"
  password           = "a-secret-of-pg-1"
  password_version   = 1
  storage_gib        = 20
  subnet_ids         = ["subnet-0a1b2c3d4e5f60713", "subnet-0a1b2c3d4e5f60714"]
  security_group_ids = ["sg-0a1b2c3d4e5f60715"]
  backup_window      = "05:00-05:30"
  maintenance_window = "sun:06:00-sun:07:00"
}

run "private_and_kept" {
  command = plan

  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "Encrypted and private."
  }

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "Protected, and a last snapshot stays, unless somebody says otherwise."
  }

  assert {
    condition     = aws_db_instance.this.password_wo == null && aws_db_instance.this.password == null
    error_message = "The plan does not hold the password."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 7 && !aws_db_instance.this.multi_az
    error_message = "A week of backups, one zone."
  }
}

run "wrong_values" {
  command = plan

  variables {
    identifier     = "Prod--acme"
    engine         = "oracle"
    storage_gib    = 5
    retention_days = 0
  }

  expect_failures = [var.identifier, var.engine, var.storage_gib, var.retention_days]
}
