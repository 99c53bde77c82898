# Role and profile of a machine: Session Manager and Run Command, and what the caller adds.
#
# AWS's own AmazonSSMManagedInstanceCore is not used: it lets a machine read every parameter of the
# account, and so the secrets of every other stack.
data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assume.json

  tags = { Name = var.name }
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
}

data "aws_iam_policy_document" "agent" {
  #checkov:skip=CKV_AWS_111:The agent's calls know no resources; AWS gives them with * in its own policy, too.
  #checkov:skip=CKV_AWS_356:The agent's calls know no resources; AWS gives them with * in its own policy, too.
  statement {
    sid = "Agent"
    actions = [
      "ec2messages:AcknowledgeMessage",
      "ec2messages:DeleteMessage",
      "ec2messages:FailMessage",
      "ec2messages:GetEndpoint",
      "ec2messages:GetMessages",
      "ec2messages:SendReply",
      "ssm:DescribeAssociation",
      "ssm:DescribeDocument",
      "ssm:GetDeployablePatchSnapshotForInstance",
      "ssm:GetDocument",
      "ssm:GetManifest",
      "ssm:ListAssociations",
      "ssm:ListInstanceAssociations",
      "ssm:PutComplianceItems",
      "ssm:PutInventory",
      "ssm:UpdateAssociationStatus",
      "ssm:UpdateInstanceAssociationStatus",
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "agent" {
  name   = "ssm-agent"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.agent.json
}

data "aws_iam_policy_document" "parameters" {
  for_each = toset(length(var.parameter_arns) > 0 ? ["this"] : [])

  statement {
    sid       = "OwnParameters"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = var.parameter_arns
  }
}

resource "aws_iam_role_policy" "parameters" {
  for_each = data.aws_iam_policy_document.parameters

  name   = "parameters"
  role   = aws_iam_role.this.id
  policy = each.value.json
}

resource "aws_iam_role_policy" "more" {
  for_each = var.policies

  name   = each.key
  role   = aws_iam_role.this.id
  policy = each.value
}
