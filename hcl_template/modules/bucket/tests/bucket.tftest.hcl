# A bucket as it is planned.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name = "prod-omlsaas-acme-data"

  rules = {
    recordings = { prefix = "20", archive_days = 30, expire_days = 365 }
    backups    = { prefix = "backups/", expire_days = 30 }
  }
}

run "private_encrypted_versioned" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy &&
      aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    )
    error_message = "Nothing of it can be made public."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Versions are kept."
  }

  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "Terraform deletes no recordings."
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id] == ["left-overs", "backups", "recordings"]
    error_message = "Each kind of file has its rule."
  }
}

run "access_log_and_expiry" {
  command = plan

  variables {
    rules  = { expiry = { prefix = "", expire_days = 30 } }
    log_to = { bucket = "oml-prod-acme-shared1-access-logs" }
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[1].expiration[0].days == 30
    error_message = "Objects expire when they should."
  }

  assert {
    condition     = aws_s3_bucket_logging.this["this"].target_prefix == "s3/prod-omlsaas-acme-data/"
    error_message = "Each bucket logs under its own name."
  }

  assert {
    condition     = strcontains(data.aws_iam_policy_document.this.json, "aws:SecureTransport")
    error_message = "Connections are encrypted."
  }
}

run "rule_without_days" {
  command = plan

  variables {
    rules = { backups = { prefix = "backups/" } }
  }

  expect_failures = [var.rules]
}

run "archived_after_deletion" {
  command = plan

  variables {
    name              = "Data Bucket"
    rules             = { recordings = { prefix = "20", archive_days = 60, expire_days = 30 } }
    old_versions_days = 0
  }

  expect_failures = [var.name, var.rules, var.old_versions_days]
}
