"""Converting a tenant that the first deployer built: the real provider at a local AWS API.

What the recorded state names is made there first, as the old tool made it. The shared environment
exists on paper: its outputs name a network, groups and a certificate that are there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import ConvertLosesData
from deployments.models import Run
from deployments.runstatus import RunStatus
from deployments.services import confirm_run
from tenants import adoption, secrets, services
from tenants.adoption import OldFile
from tenants.models import Region, Stack
from tests.awsapi import AwsApi, make_cloud_region
from tests.cloudruns import ACCOUNT, TEST, do, log_of, queue
from tests.factories import make_environment
from tests.operated import IMAGE
from tests.tenantweb import Authority, Site, name_server

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.usefixtures("provider"),
    pytest.mark.timeout(300),
]
S = RunStatus
INITECH = Path(__file__).parents[1] / "adopt" / "initech"
OTHER_BUCKET = "access-logs"
DOMAIN, BUCKET, DATABASE = "cc.example.net", "prod-acme-initech-data", "prod-initech"
RECORDING = "2026-01-31/a-call.wav"
# Of the recorded tenant: what its dialer is made of is left out, so that it is a small one.
DIALER = ("dialer", "mysql", "wdext")
MACHINES = ("asterisk", "kamailio", "redis", "websockets")
COMPONENTS = ("app", *MACHINES, "dialer")


class Old:
    """The tenant as the old tool built it, and its state with the identities that it got."""

    def __init__(self, aws: AwsApi) -> None:
        self.aws, self.ids = aws, {}
        ec2 = aws.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]
        self.vpc, self.cidr = vpc["VpcId"], vpc["CidrBlock"]
        self.subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        zone = aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="domain")
        self.zone = zone["HostedZone"]["Id"].rpartition("/")[2]
        self._bucket()
        for component in MACHINES:
            self.ids[component] = self._machine(component)
            self._record(f"initech-{component}.{DOMAIN}", "10.0.32.11")
        self._record(f"initech.{DOMAIN}", "192.0.2.1")
        self._group()
        self.targets = self._targets()

    def database(self, *, encrypted: bool) -> None:
        """Make the database, or make it again; nothing of the old one is in the new one."""
        rds = self.aws.client("rds")
        if rds.describe_db_instances()["DBInstances"]:
            rds.delete_db_instance(DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True)
        rds.create_db_instance(
            DBInstanceIdentifier=DATABASE, Engine="postgres", EngineVersion="14.10",
            DBInstanceClass="db.t3.micro", AllocatedStorage=20, StorageType="gp2",
            DBName="initech_oml", MasterUsername="initech_pg", BackupRetentionPeriod=5,
            MasterUserPassword="invented-pg-0002", StorageEncrypted=encrypted,
        )  # fmt: skip

    def database_id(self) -> str:
        """Return what AWS calls the database, whatever its name."""
        (found,) = self.aws.client("rds").describe_db_instances()["DBInstances"]
        return found["DbiResourceId"]

    def machines(self) -> set[str]:
        """Return the old machines that run."""
        found = self.aws.client("ec2").describe_instances(InstanceIds=list(self.ids.values()))
        return {
            one["InstanceId"]
            for reservation in found["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] == "running"
        }

    def _bucket(self) -> None:
        s3, place = self.aws.client("s3"), {"LocationConstraint": "us-east-2"}
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        s3.put_object(Bucket=BUCKET, Key=RECORDING, Body=b"sound")
        s3.create_bucket(Bucket=OTHER_BUCKET, CreateBucketConfiguration=place)

    def _machine(self, component: str) -> str:
        tags = [{"Key": "Name", "Value": f"prod-initech-{component}-EC2"}]
        made = self.aws.client("ec2").run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="t2.micro",
            SubnetId=self.subnets[0],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )  # fmt: skip
        return made["Instances"][0]["InstanceId"]

    def _record(self, name: str, address: str) -> None:
        record = {"Name": name, "Type": "A", "TTL": 180, "ResourceRecords": [{"Value": address}]}
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=self.zone,
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
        )

    def _group(self) -> None:
        groups, name = self.aws.client("autoscaling"), "oml-prod-initech-EC2"
        groups.create_launch_configuration(
            LaunchConfigurationName=f"{name}-1", ImageId=IMAGE, InstanceType="t2.medium"
        )
        groups.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName=f"{name}-1", MinSize=1, MaxSize=1,
            DesiredCapacity=1, VPCZoneIdentifier=",".join(self.subnets),
        )  # fmt: skip

    def _targets(self) -> str:
        made = self.aws.client("elbv2").create_target_group(
            Name="prod-initech-httpsTG", Protocol="HTTPS", Port=443, VpcId=self.vpc,
            TargetType="instance",
        )  # fmt: skip
        return made["TargetGroups"][0]["TargetGroupArn"]

    def state(self) -> bytes:
        """Return the recorded state without its dialer, with the identities as they are here."""
        recorded = json.loads((INITECH / "terraform.tfstate").read_text())
        kept = [r for r in recorded["resources"] if not any(w in json.dumps(r) for w in DIALER)]
        for resource in kept:
            for instance in resource["instances"]:
                self._name(resource["type"], instance["attributes"])
        return json.dumps({**recorded, "resources": kept}).encode()

    def _name(self, kind: str, attributes: dict[str, Any]) -> None:
        if kind == "aws_instance":
            component = attributes["tags"]["Name"].split("-")[2]
            attributes["id"] = self.ids[component]
        elif kind == "aws_route53_record":
            attributes["zone_id"] = self.zone
            attributes["id"] = f"{self.zone}_{attributes['name']}_A"
        elif kind == "aws_lb_target_group":
            attributes["id"] = attributes["arn"] = self.targets

    def shared_outputs(self) -> dict[str, Any]:
        """Return what a shared environment around the old tenant tells."""
        ec2 = self.aws.client("ec2")
        certificate = self.aws.client("acm").request_certificate(DomainName=f"*.{DOMAIN}")
        groups = {
            f"{name}_security_group_id": ec2.create_security_group(
                GroupName=name, Description=name, VpcId=self.vpc
            )["GroupId"]
            for name in ("rtpengine", "sbc", "rtpengine_clients", "sbc_clients")
        }
        values = {
            "vpc_id": self.vpc,
            "vpc_cidr": self.cidr,
            "public_subnet_ids": self.subnets,
            "private_subnet_ids": self.subnets,
            "certificate_arn": certificate["CertificateArn"],
            "hosted_zone_id": self.zone,
            "rtpengine_fqdn": f"rtpengine-shared1.{DOMAIN}",
            "rtpengine_internal_fqdn": f"rtpengine-internal-shared1.{DOMAIN}",
            "sbc_internal_fqdn": f"astsbc-internal-shared1.{DOMAIN}",
            "sbc_public_ip": "198.51.100.7",
            "pstn_trunks": ["192.0.2.0/28"],
            "access_logs_bucket": "access-logs",
            **groups,
        }
        return {name: {"value": value} for name, value in values.items()}


@pytest.fixture
def probe(tmp_path) -> Iterator[dict[str, Any]]:
    """Return how the tenant is probed: its web site is ready and stands here."""
    authority = Authority(tmp_path)
    site = Site(authority.issue(f"*.{DOMAIN}"))
    site.open()
    site.serve()
    with name_server({f"initech.{DOMAIN}": "127.0.0.1"}) as resolver:
        yield {"resolver": resolver, "port": site.port, "ca_file": str(authority.file)}
    site.close()


@pytest.fixture
def old(aws) -> Old:
    """Return the tenant as it stands, with a database that is not encrypted."""
    made = Old(aws)
    made.database(encrypted=False)
    return made


@pytest.fixture
def stack(aws, old, places, probe) -> Stack:
    """Return the adopted tenant with all that its conversion needs."""
    region = make_cloud_region(aws, domain_name=DOMAIN, hosted_zone=old.zone, probe=probe)
    services.change_account(TEST, region.account, account_number=ACCOUNT)
    region = Region.objects.select_related("account").get(pk=region.pk)
    environment = make_environment("shared1", region, blueprint="omnileads")
    environment.stack.outputs = old.shared_outputs()
    environment.stack.resource_count = 1
    environment.stack.save()
    kind = services.blueprint_kind("omnileads", "tenant")
    values = OldFile("initech.auto.tfvars", (INITECH / "initech.auto.tfvars").read_bytes())
    found = adoption.preview_tenant(
        kind, region, environment, values, OldFile("terraform.tfstate", old.state())
    )
    place = {"region": region, "blueprint": "omnileads", "shared_environment": environment}
    stack = Stack.objects.get(tenant=adoption.adopt_tenant(TEST, found, **place))
    inputs = {f"{component}_ami_id": IMAGE for component in COMPONENTS}
    services.save_inputs(TEST, stack, inputs, {"admin_password": "only-4-the-simulation"})
    return Stack.objects.get(pk=stack.pk)


def planned(run: Run, action: str) -> dict[str, list[str]]:
    """Return address → what forces it, of all resources that a plan does this to."""
    return {
        one["address"]: one["replace_paths"]
        for one in run.plan.view["resources"]
        if one["action"] == action
    }


def takes_another_bucket(stack: Stack) -> None:
    """Let the tenant's bucket have another name than the one that the new HCL gives it."""
    imports = [
        one | {"id": OTHER_BUCKET} if one["to"].startswith("module.data_bucket.") else one
        for one in stack.adoption["imports"]
    ]
    assert imports != stack.adoption["imports"]
    stack.adoption["imports"] = imports
    stack.save(update_fields=["adoption"])


def test_an_adopted_tenant_is_converted_unless_its_data_would_be_lost(worker, aws, old, stack):
    database = "module.postgresql.aws_db_instance.this"
    bucket = "module.data_bucket.aws_s3_bucket.this"

    found = stack.adoption["imports"]
    takes_another_bucket(stack)
    run = do(worker, queue(stack, "convert_preview"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run)[-4000:])
    assert run.findings[0]["is_loud"]
    replaced = planned(run, "replace")
    assert replaced[database] == ["storage_encrypted"]
    assert replaced[bucket] == ["bucket"]
    assert {f'module.machine["{name}"].aws_instance.this' for name in MACHINES} <= set(replaced)
    assert all(replaced.values()), "each with what forces it"
    assert not planned(run, "delete")
    run = do(worker, queue(stack, "convert"))
    assert (run.status, run.error["code"]) == (S.ERRORED, ConvertLosesData.__name__)
    assert f"{database} (replaced because of storage_encrypted)" in run.error_text
    assert f"{bucket} (replaced because of bucket)" in run.error_text
    there = {one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]}
    assert {BUCKET, OTHER_BUCKET} <= there, "nothing was done"

    stack.adoption["imports"] = found
    stack.save(update_fields=["adoption"])
    old.database(encrypted=True)
    kept = old.database_id()
    run = do(worker, queue(stack, "convert"))
    assert run.status == S.PLANNED, (run.error_text, log_of(run)[-4000:])
    assert old.machines() == set(old.ids.values()), "nothing is done before the yes"
    confirm_run(TEST, run, has_read=True, typed_name="initech")
    run = do(worker, run)
    assert run.status == S.APPLIED, (run.error_text, log_of(run)[-4000:])

    assert old.database_id() == kept
    assert aws.client("s3").get_object(Bucket=BUCKET, Key=RECORDING)["Body"].read() == b"sound"
    assert not old.machines()
    after = Stack.objects.get(pk=stack.pk)
    assert not after.is_adopted
    assert after.outputs["data_bucket"]["value"] == BUCKET
    assert not {value for value in secrets.known_values(after) if value in log_of(run)}
    run = do(worker, queue(after, "plan"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run)[-4000:])
    assert not planned(run, "replace") and not planned(run, "delete")
