# A network with a public and a private subnet in each zone.
locals {
  zones = { for letter in sort(var.zones) : letter => "${var.region}${letter}" }
  first = sort(var.zones)[0]

  # Sixteenths of the network by the letter of the zone: a zone keeps its addresses whatever other
  # zones come or go. Those of a and b are where the first deployer put them.
  public_numbers  = { a = 0, b = 1, c = 4, d = 6, e = 8, f = 10 }
  private_numbers = { a = 2, b = 3, c = 5, d = 7, e = 9, f = 11 }

  nat_zones = toset(var.nat_gateways == "one" ? [local.first] : keys(local.zones))
}

data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:It only proves that the named zones are there; a further zone changes nothing.
  state = "available"
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs of a network that carries media cost more than they tell; who wants them adds them to this VPC.
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = "${var.name}-vpc" }

  lifecycle {
    precondition {
      condition     = length(setsubtract(values(local.zones), data.aws_availability_zones.this.names)) == 0
      error_message = "This account has no such availability zone. It has ${join(", ", data.aws_availability_zones.this.names)}: name the letters of two or three of these."
    }
  }
}

# Nothing uses it; without rules nothing can be left in it by mistake.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-unused" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-igw" }
}

resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.value
  cidr_block              = cidrsubnet(var.cidr, 4, local.public_numbers[each.key])
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.value
  cidr_block        = cidrsubnet(var.cidr, 4, local.private_numbers[each.key])

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = local.zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:It belongs to a NAT gateway, not to an instance.
  for_each = local.nat_zones

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat_zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_route.internet]
}

# One for each zone also with one NAT gateway, so that the choice can be changed by routes alone.
resource "aws_route_table" "private" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each = local.zones

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat_gateways == "one" ? local.first : each.key].id
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# Free of charge, and what goes through them (recordings, backups) does not pay the NAT gateway.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  route_table_ids = concat(
    [aws_route_table.public.id], [for letter in keys(local.zones) : aws_route_table.private[letter].id]
  )

  tags = { Name = "${var.name}-${each.key}" }
}
