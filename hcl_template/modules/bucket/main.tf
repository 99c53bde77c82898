# A bucket that is private, encrypted and versioned, with life-cycle rules by prefix. Terraform empties
# it only when `force_destroy` says so: deleting it with anything in it fails, and that is meant.
locals {
  # Known before the bucket is, so that its policy can be read in a plan.
  arn = "arn:${data.aws_partition.this.partition}:s3:::${var.name}"
}

data "aws_partition" "this" {}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_145:The bucket's own keys (SSE-S3) encrypt it; load balancers can write to no other, and a customer key would add its price and a way to lose everything.
  #checkov:skip=CKV_AWS_144:A copy in another region is a decision about where recordings may lie by law.
  #checkov:skip=CKV2_AWS_62:Nothing waits for events of this bucket.
  #checkov:skip=CKV_AWS_18:The access log is written where the caller names a bucket for it; the bucket of the logs cannot log into itself, and the application logs who hears recordings.
  bucket        = var.name
  force_destroy = var.force_destroy

  tags = { Name = var.name }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "left-overs"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  dynamic "rule" {
    for_each = var.rules

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = rule.value.prefix
      }

      dynamic "transition" {
        for_each = rule.value.archive_days > 0 ? [rule.value.archive_days] : []

        content {
          days          = transition.value
          storage_class = "GLACIER_IR"
        }
      }

      dynamic "expiration" {
        for_each = rule.value.expire_days > 0 ? [rule.value.expire_days] : []

        content {
          days = expiration.value
        }
      }
    }
  }

  # Rules about versions ask for versioning to be on.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = toset(var.log_to == null ? [] : ["this"])

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.log_to.bucket
  target_prefix = "s3/${var.name}/"
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = var.policies

  statement {
    sid       = "EncryptedConnectionsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.arn, "${local.arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # Both change what may stand in a policy; one after the other avoids a conflict.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
