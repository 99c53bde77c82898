"""Each repair of moto, in a process of its own: the fault is there without it and gone with it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("body", [DATABASES, TLS, USER_DATA], ids=["databases", "tls", "user data"])
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
