# One part of a lab stack: nothing real, but with a duration, a ledger line and a chance to fail.
locals {
  address = "${var.address == "" ? "module.${var.name}" : var.address}.terraform_data.this"
  fails   = var.settings.fail_resource == var.name
  millis = floor(lookup(
    var.settings.delays_ms, var.name, var.settings.delay_ms * var.weight
  ))
}

resource "terraform_data" "this" {
  input = {
    properties = var.properties
    # What a destroy needs to know: its provisioner may refer to nothing but the part itself.
    work = {
      name    = var.name
      stack   = var.settings.stack
      address = local.address
      ledger  = var.settings.ledger_path
      millis  = local.millis
    }
  }

  # Failing is a reason to be made again, so that it also happens to a stack that is installed.
  triggers_replace = merge(var.replace_on, local.fails ? { fails = "true" } : {})

  lifecycle {
    # A changed duration or ledger must not show as a change of every part.
    ignore_changes = [input.work]
  }

  provisioner "local-exec" {
    # The script gets all values by its environment: argv is visible to every user.
    interpreter = ["/bin/sh", "${path.module}/work.sh"]
    command     = "create"
    environment = {
      PART_NAME     = var.name
      PART_STACK    = var.settings.stack
      PART_ADDRESS  = local.address
      PART_LEDGER   = var.settings.ledger_path
      PART_MILLIS   = local.millis
      PART_FAILS    = local.fails ? "yes" : ""
      PART_LINES    = var.flood.lines
      PART_PAUSE_US = floor(var.flood.pause_us)
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "${path.module}/work.sh"]
    command     = "destroy"
    environment = {
      PART_NAME    = self.input.work.name
      PART_STACK   = self.input.work.stack
      PART_ADDRESS = self.input.work.address
      PART_LEDGER  = self.input.work.ledger
      PART_MILLIS  = self.input.work.millis
    }
  }
}
