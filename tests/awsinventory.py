"""What there is in the simulated account, by type: to see that an installation leaves nothing."""

from collections.abc import Iterator
from typing import Any

from tests.awsapi import AwsApi

Found = set[tuple[str, str]]
# service → (what is listed, the list in its answer, the id in an entry)
LISTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "ec2": (
        ("vpcs", "Vpcs", "VpcId"),
        ("subnets", "Subnets", "SubnetId"),
        ("security_groups", "SecurityGroups", "GroupId"),
        ("addresses", "Addresses", "AllocationId"),
        ("internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("route_tables", "RouteTables", "RouteTableId"),
        ("launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        ("key_pairs", "KeyPairs", "KeyName"),
    ),
    "autoscaling": (("auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),),
    "elbv2": (
        ("load_balancers", "LoadBalancers", "LoadBalancerArn"),
        ("target_groups", "TargetGroups", "TargetGroupArn"),
    ),
    "rds": (
        ("db_instances", "DBInstances", "DBInstanceIdentifier"),
        ("db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
        ("db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
        ("db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
    ),
    "ssm": (("parameters", "Parameters", "Name"),),
    "logs": (("log_groups", "logGroups", "logGroupName"),),
}


def inventory(aws: AwsApi) -> Found:
    """Return (type, id) of everything that stands: instances, networks, databases, records …"""
    found = set(_described(aws))
    found |= set(_stateful(aws))
    found |= set(_global(aws))
    return found


def _described(aws: AwsApi) -> Iterator[tuple[str, str]]:
    for service, lists in LISTS.items():
        client = aws.client(service)
        for what, key, identity in lists:
            call = f"describe_{what}"
            if client.can_paginate(call):
                pages = client.get_paginator(call).paginate()
            else:
                pages = [getattr(client, call)()]
            for page in pages:
                # AWS makes a default parameter group itself, with the first database that asks.
                yield from (
                    (what, one[identity])
                    for one in page[key]
                    if not one[identity].startswith("default.")
                )


def _stateful(aws: AwsApi) -> Iterator[tuple[str, str]]:
    """Yield what the API still tells of for a while after it is gone."""
    ec2 = aws.client("ec2")
    for reservation in ec2.describe_instances()["Reservations"]:
        for one in reservation["Instances"]:
            if one["State"]["Name"] != "terminated":
                yield "instances", one["InstanceId"]
    for one in ec2.describe_nat_gateways()["NatGateways"]:
        if one["State"] != "deleted":
            yield "nat_gateways", one["NatGatewayId"]
    for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]:
        if one["State"].lower() != "deleted":
            yield "vpc_endpoints", one["VpcEndpointId"]


def _global(aws: AwsApi) -> Iterator[tuple[str, str]]:
    for one in aws.client("s3").list_buckets()["Buckets"]:
        yield "buckets", one["Name"]
    for one in aws.client("acm").list_certificates()["CertificateSummaryList"]:
        yield "certificates", one["CertificateArn"]
    iam = aws.client("iam")
    for one in iam.list_roles()["Roles"]:
        yield "roles", one["RoleName"]
    for one in iam.list_instance_profiles()["InstanceProfiles"]:
        yield "instance_profiles", one["InstanceProfileName"]
    for one in iam.list_policies(Scope="Local")["Policies"]:
        yield "policies", one["Arn"]
    yield from (("records", name) for name in records(aws))


def records(aws: AwsApi) -> dict[str, dict[str, Any]]:
    """Return name → record of all zones, without those that a zone has by itself."""
    found = {}
    route53 = aws.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        answer = route53.list_resource_record_sets(HostedZoneId=zone["Id"])
        for one in answer["ResourceRecordSets"]:
            if one["Type"] not in ("NS", "SOA"):
                found[one["Name"].rstrip(".")] = one
    return found
