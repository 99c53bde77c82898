provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name = "prod-shared1-sbc"
}

run "no_parameter_unless_named" {
  command = plan

  assert {
    condition     = length(aws_iam_role_policy.parameters) == 0
    error_message = "A machine that needs no parameter may read none."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.agent.policy, "ssm:GetParameter")
    error_message = "The agent's rights open no parameter."
  }
}

run "named_parameters_only" {
  command = plan

  variables {
    parameter_arns = ["arn:aws:ssm:us-east-2:123456789012:parameter/omlsaas/shared1/astsbc/ami_password"]
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.parameters["this"].policy).Statement == [{
      Sid      = "OwnParameters"
      Effect   = "Allow"
      Action   = ["ssm:GetParameters", "ssm:GetParameter"]
      Resource = "arn:aws:ssm:us-east-2:123456789012:parameter/omlsaas/shared1/astsbc/ami_password"
    }]
    error_message = "Only the named parameter may be read."
  }
}

run "a_name_that_iam_refuses_is_refused" {
  command = plan

  variables {
    name = "a role"
  }

  expect_failures = [var.name]
}
