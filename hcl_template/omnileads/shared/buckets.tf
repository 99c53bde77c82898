# Access logs of the tenants' load balancers and of buckets; they expire, and go with the environment.
data "aws_iam_policy_document" "access_logs" {
  statement {
    sid       = "LoadBalancers"
    actions   = ["s3:PutObject"]
    resources = ["${local.aws}:s3:::${module.naming.access_logs_bucket}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.aws}:elasticloadbalancing:${var.aws_region}:${local.account}:loadbalancer/*"]
    }
  }

  statement {
    sid       = "Buckets"
    actions   = ["s3:PutObject"]
    resources = ["${local.aws}:s3:::${module.naming.access_logs_bucket}/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

module "access_logs" {
  source = "../../modules/bucket"

  name              = module.naming.access_logs_bucket
  force_destroy     = true
  rules             = { expiry = { prefix = "", expire_days = var.access_logs_days } }
  old_versions_days = 1
  policies          = [data.aws_iam_policy_document.access_logs.json]
}

# The SBC's configuration: trunks of the tenants, routes, its database of keys. It is made by hand
# and cannot be made again, so it is never removed with objects in it.
module "sbc_configuration" {
  source = "../../modules/bucket"

  name              = module.naming.sbc_bucket
  old_versions_days = 90
  log_to            = { bucket = module.access_logs.name }
}
