provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name = "oml-prod-acme-shared1-test"
}

run "private_encrypted_versioned" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Every way to make it public is closed."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "What is overwritten can be brought back."
  }

  assert {
    condition     = !aws_s3_bucket.this.force_destroy && length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1
    error_message = "Nothing is removed unless somebody says so."
  }

  assert {
    condition     = strcontains(data.aws_iam_policy_document.this.json, "aws:SecureTransport")
    error_message = "Connections are encrypted."
  }
}

run "expiry_and_access_log" {
  command = plan

  variables {
    expire_days = 30
    log_to      = { bucket = "oml-prod-acme-shared1-access-logs" }
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[1].expiration[0].days == 30
    error_message = "Objects expire when they should."
  }

  assert {
    condition     = aws_s3_bucket_logging.this["this"].target_prefix == "s3/oml-prod-acme-shared1-test/"
    error_message = "Each bucket logs under its own name."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name               = "Not_A_Bucket"
    expire_days        = -1
    keep_versions_days = 0
  }

  expect_failures = [var.name, var.expire_days, var.keep_versions_days]
}
