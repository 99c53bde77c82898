# The machine image of one component: the one that is named, or the newest of its family as it was
# when this release was installed. It is looked up on every plan but kept in the state, so a newer
# image never replaces a machine on its own; a new release takes the newest again.
locals {
  lookups = toset(var.ami_id == "" ? ["newest"] : [])

  families = {
    amazon_linux_2 = { owner = "137112412989", name = "amzn2-ami-hvm-*-x86_64-gp2" }
    ubuntu_22_04   = { owner = "099720109477", name = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*" }
  }
}

data "aws_ami" "this" {
  for_each = local.lookups

  most_recent = true
  owners      = [local.families[var.family].owner]

  # An image that the publisher has put aside still serves a release of its day.
  include_deprecated = true

  filter {
    name   = "name"
    values = [local.families[var.family].name]
  }
}

resource "terraform_data" "this" {
  for_each = local.lookups

  input            = data.aws_ami.this[each.key].id
  triggers_replace = var.release

  lifecycle {
    ignore_changes = [input]
  }
}
