"""Each repair of moto, in a process of its own: the fault is there without it and gone with it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from demo.motorepairs import repair

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-2",
}
BEGIN = """
import json, sys
import boto3
from moto import mock_aws
if sys.argv[1] == "repaired":
    from demo.motorepairs import repair
    repair()
with mock_aws():
"""
DATABASES = """
rds = boto3.client("rds")
for name in ("one", "two"):
    rds.create_db_instance(
        DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t3.micro",
        AllocatedStorage=20, MasterUsername="u", MasterUserPassword="password12")
found = rds.describe_db_instances()["DBInstances"]
assert len({one["DbiResourceId"] for one in found}) == 2
"""
TLS = """
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
denies = {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Principal": "*"}
only_tls = denies | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
asked = lambda statement: IAMPolicyStatement(statement).is_action_permitted("s3:GetObject", "*")
assert asked(denies) == PermissionResult.DENIED
assert asked(only_tls) == PermissionResult.NEUTRAL
"""
USER_DATA = """
ec2, groups = boto3.client("ec2"), boto3.client("autoscaling")
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
data = {"ImageId": image, "InstanceType": "t3.micro", "UserData": "IyEvYmluL3No"}
ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=data)
ec2.create_launch_template_version(LaunchTemplateName="template", LaunchTemplateData=data)
subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
groups.create_auto_scaling_group(
    AutoScalingGroupName="g", MinSize=1, MaxSize=1, VPCZoneIdentifier=subnet,
    LaunchTemplate={"LaunchTemplateName": "template", "Version": "2"})
(machine,) = groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
told = ec2.describe_instance_attribute(InstanceId=machine["InstanceId"], Attribute="userData")
assert told["UserData"]["Value"] == "IyEvYmluL3No"
"""
TEMPLATE_TAGS = """
ec2 = boto3.client("ec2")
tags = lambda kind: [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": kind}]}]
ec2.create_launch_template(
    LaunchTemplateName="template", TagSpecifications=tags("launch-template"),
    LaunchTemplateData={"InstanceType": "t3.micro", "TagSpecifications": tags("instance")})
(version,) = ec2.describe_launch_template_versions(
    LaunchTemplateName="template")["LaunchTemplateVersions"]
told = version["LaunchTemplateData"]["TagSpecifications"]
assert told == tags("instance"), told
(template,) = ec2.describe_launch_templates()["LaunchTemplates"]
assert template["Tags"] == tags("launch-template")[0]["Tags"]
"""
NAMES = """
names = boto3.client("route53")
zone = names.create_hosted_zone(Name="example.net", CallerReference="x")["HostedZone"]["Id"]
record = {"Name": "a.example.net", "Type": "A", "TTL": 60,
    "ResourceRecords": [{"Value": "192.0.2.1"}]}
change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
told = names.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
assert "ChangeInfo" not in told
found = names.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
assert "a.example.net." in {one["Name"] for one in found}
"""
COMMANDS = """
ec2, ssm = boto3.client("ec2"), boto3.client("ssm")
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
made = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
ids = [one["InstanceId"] for one in made]
sent = ssm.send_command(
    InstanceIds=ids[:1], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]})
assert sent["Command"]["InstanceIds"] == ids[:1]
for name, is_there in zip(ids, (True, False)):
    found = ssm.list_commands(InstanceId=name)["Commands"]
    assert bool(found) == is_there, name
"""
RULES = """
ec2 = boto3.client("ec2")
group = ec2.create_security_group(GroupName="a", Description="a")["GroupId"]
source = {"GroupId": group, "Description": "each other"}
told = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [source]}
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[told])
filters = [{"Name": "group-id", "Values": [group]}]
rules = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
assert [one.get("Description") for one in rules if not one["IsEgress"]] == ["each other"]
"""
CONNECTIONS = """
import http.client
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
asked = http.client.HTTPConnection(*server.get_host_and_port(), timeout=10)
asked.request("GET", "/moto-api/")
version = asked.getresponse().version
asked.close()
server.stop()
assert version == 10
"""
BODIES = {
    "commands": COMMANDS,
    "connections": CONNECTIONS,
    "databases": DATABASES,
    "names": NAMES,
    "rules": RULES,
    "tags of templates": TEMPLATE_TAGS,
    "tls": TLS,
    "user data": USER_DATA,
}


def test_each_repair_has_its_proof():
    assert len(repair.__code__.co_names) == len(BODIES)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_repair_mends_what_is_broken_without_it(body):
    script = BEGIN + textwrap.indent(body, "    ")
    ended = {
        how: subprocess.run(
            [sys.executable, "-c", script, how],
            cwd=PROJECT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        for how in ("plain", "repaired")
    }
    assert ended["repaired"].returncode == 0, ended["repaired"].stderr
    assert ended["plain"].returncode != 0, "moto is right by itself now: drop the repair"
