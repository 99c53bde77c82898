# Names as the portal, the operators and the tenants know them; and what may not become one.
variables {
  owner      = "acme"
  stack_name = "customer1"
  kind       = "tenant"
}

run "names_of_a_tenant" {
  command = plan

  assert {
    condition     = output.prefix == "prod-customer1"
    error_message = "The prefix is <environment>-<stack>."
  }

  assert {
    condition     = output.data_bucket == "prod-acme-customer1-data"
    error_message = "The data bucket is <environment>-<owner>-<tenant>-data."
  }

  assert {
    condition     = output.parameter_path == "/omlsaas/customer1"
    error_message = "Parameters stand below the stack's own path."
  }

  assert {
    condition     = output.tags["CostCenter"] == "customer1" && output.tags["omlsaas:stack"] == "customer1"
    error_message = "Costs are told by stack."
  }
}

run "longest_names_fit" {
  command = plan

  variables {
    owner      = "abcdefghijklmnop"
    stack_name = "shared123456789"
    kind       = "shared"
  }

  assert {
    condition = alltrue([
      for name in [output.data_bucket, output.sbc_bucket, output.access_logs_bucket] : length(name) <= 63
    ])
    error_message = "A bucket's name has at most 63 characters."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    environment = "test"
    owner       = "Acme Ltd"
    stack_name  = "with-hyphen"
    kind        = "portal"
  }

  expect_failures = [var.environment, var.owner, var.stack_name, var.kind]
}
