"""What was repaired in the simulated account, as the AWS provider and the portal see it."""

import pytest

from tests.operated import IMAGE

ZONE = "cc.example.net"


@pytest.fixture
def ec2(aws):
    return aws.client("ec2")


def test_a_rule_that_names_a_group_keeps_its_description(ec2):
    of, named = (
        ec2.create_security_group(GroupName=name, Description=name)["GroupId"] for name in "ab"
    )
    pair = {"GroupId": named, "Description": "From b"}
    ec2.authorize_security_group_ingress(
        GroupId=of,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [pair]}
        ],
    )
    rules = ec2.describe_security_group_rules()["SecurityGroupRules"]
    found = [one for one in rules if one["GroupId"] == of and not one["IsEgress"]]
    assert [one["Description"] for one in found] == ["From b"]


def test_a_command_goes_to_the_machines_that_it_names(aws, ec2):
    started = ec2.run_instances(ImageId=IMAGE, MinCount=2, MaxCount=2)["Instances"]
    named, ssm = started[0]["InstanceId"], aws.client("ssm")
    ssm.send_command(
        InstanceIds=[named], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}
    )
    assert [one["InstanceIds"] for one in ssm.list_commands()["Commands"]] == [[named]]


def test_names_are_known_at_once(aws):
    names = aws.client("route53")
    zone = names.create_hosted_zone(Name=ZONE, CallerReference="one")["HostedZone"]["Id"]
    record = {
        "Name": f"acme.{ZONE}.", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.1"}],
    }  # fmt: skip
    answer = names.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )
    assert "ChangeInfo" not in answer, "a change that is named is waited for"
    standing = names.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert record in standing
