provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = data.aws_availability_zones.this
  values = { names = ["us-east-2a", "us-east-2b", "us-east-2c"] }
}

variables {
  name         = "prod-shared1"
  region       = "us-east-2"
  cidr         = "10.0.0.0/16"
  zones        = ["a", "b"]
  nat_gateways = "one"
}

run "two_zones_one_nat_gateway" {
  command = plan

  assert {
    condition     = [for zone, subnet in aws_subnet.public : subnet.cidr_block] == ["10.0.0.0/20", "10.0.16.0/20"]
    error_message = "The public subnets of a and b are the first two sixteenths."
  }

  assert {
    condition     = [for zone, subnet in aws_subnet.private : subnet.cidr_block] == ["10.0.32.0/20", "10.0.48.0/20"]
    error_message = "The private subnets of a and b are the next two sixteenths."
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["a"] && length(aws_route.nat) == 2
    error_message = "One NAT gateway, and every private subnet has a way to it."
  }

  assert {
    condition     = keys(aws_vpc_endpoint.gateway) == ["dynamodb", "s3"]
    error_message = "S3 and DynamoDB are reached past the NAT gateway."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "A machine gets a public address only when it asks for one."
  }
}

run "three_zones_a_nat_gateway_each" {
  command = plan

  variables {
    zones        = ["c", "a", "b"]
    nat_gateways = "per_zone"
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["a", "b", "c"]
    error_message = "Each zone has a NAT gateway."
  }

  assert {
    condition = alltrue([
      aws_subnet.public["a"].cidr_block == "10.0.0.0/20",
      aws_subnet.private["b"].cidr_block == "10.0.48.0/20",
      aws_subnet.public["c"].cidr_block == "10.0.64.0/20",
      aws_subnet.private["c"].cidr_block == "10.0.80.0/20",
    ])
    error_message = "A third zone leaves the addresses of the others alone."
  }
}

run "a_zone_that_the_account_lacks_is_refused" {
  command = plan

  variables {
    zones = ["a", "f"]
  }

  expect_failures = [aws_vpc.this]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    cidr         = "10.0.0.1/16"
    zones        = ["a"]
    nat_gateways = "none"
  }

  expect_failures = [var.cidr, var.zones, var.nat_gateways]
}
