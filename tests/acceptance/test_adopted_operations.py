"""What needs no Terraform, on an adopted tenant at a local AWS API: only its own machines."""

from pathlib import Path

import pytest

from deployments.cloud import sessions
from deployments.models import Backup
from deployments.runstatus import RunStatus
from deployments.services import queue_run
from deployments.steps import backups
from tenants import adoption, secrets, services
from tenants.models import Stack
from tests.awsapi import make_cloud_region
from tests.cloudruns import ACCOUNT, TEST, do, log_of
from tests.factories import make_environment
from tests.operated import IMAGE, Agent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus
INITECH = Path(__file__).parents[1] / "adopt" / "initech"
BUCKET = "prod-acme-initech-data"
NAME = "260101-235000-oml-backup.tar.gz"


@pytest.fixture
def stack(aws, places):
    """Return the adopted tenant, with its bucket there and no machine yet."""
    region = make_cloud_region(aws, domain_name="cc.example.net")
    services.change_account(TEST, region.account, account_number=ACCOUNT)
    region.refresh_from_db()
    environment = make_environment("shared1", region, blueprint="omnileads")
    kind = services.blueprint_kind("omnileads", "tenant")
    files = adoption.read_folder(INITECH, kind.adoption)
    found = adoption.preview_tenant(kind, region, environment, *files)
    place = {"region": region, "blueprint": "omnileads", "shared_environment": environment}
    tenant = adoption.adopt_tenant(TEST, found, **place)
    place = {"LocationConstraint": "us-east-2"}
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    return Stack.objects.get(tenant=tenant)


def start(aws, name: str) -> str:
    tags = [{"Key": "Name", "Value": name}]
    made = aws.client("ec2").run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )  # fmt: skip
    return made["Instances"][0]["InstanceId"]


def make_group(aws, machine: str) -> str:
    """Make the application's group as the old tool did; return its machine."""
    groups, name = aws.client("autoscaling"), "oml-prod-initech-EC2"
    subnet = aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    groups.create_launch_configuration(
        LaunchConfigurationName="lc", ImageId=IMAGE, InstanceType="t2.micro"
    )
    tag = {"Key": "Name", "Value": machine, "PropagateAtLaunch": True, "ResourceId": name,
           "ResourceType": "auto-scaling-group"}  # fmt: skip
    groups.create_auto_scaling_group(
        AutoScalingGroupName=name, LaunchConfigurationName="lc", MinSize=1, MaxSize=1,
        DesiredCapacity=1, VPCZoneIdentifier=subnet, Tags=[tag],
    )  # fmt: skip
    return member(aws)


def member(aws) -> str:
    found = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return found[0]["Instances"][0]["InstanceId"]


def put(aws, key: str) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"data")


def backed_up(aws, component: str):
    """Return what the machines' agent does for a command: one component's file goes up."""

    def backup(command) -> None:
        # The simulation adds every machine to a command's targets: its text says whose it is.
        if f"/backups/{component}/" in str(command["Parameters"]["commands"]):
            put(aws, f"backups/{component}/{NAME}")

    return backup


def test_a_backup_is_made_on_its_own_machines(worker, aws, stack):
    own = {"app": start(aws, "prod-initech-EC2")}
    own["asterisk"] = start(aws, "prod-initech-asterisk-EC2")
    other = start(aws, "prod-globex-EC2")
    app, asterisk = backed_up(aws, "app"), backed_up(aws, "asterisk")
    with Agent(aws, lambda command: (app(command), asterisk(command))) as agent:
        run = do(worker, queue_run(TEST, stack, "backup"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert len(agent.seen) == 2
    assert set(Backup.objects.values_list("component", flat=True)) == {"app", "asterisk"}
    log = log_of(run)
    assert all(f"Sent to {machine}" in log for machine in own.values())
    assert other not in log


def test_a_backup_of_one_component_alone_ends_in_time_and_says_so(worker, aws, stack, monkeypatch):
    monkeypatch.setattr(backups, "AWAIT_S", 4)
    start(aws, "prod-initech-EC2")
    start(aws, "prod-initech-asterisk-EC2")
    made: list[str] = []

    def counted(region, service):
        made.append(service)
        return plain(region, service)

    plain = sessions.client
    monkeypatch.setattr(sessions, "client", counted)
    with Agent(aws, backed_up(aws, "app")):
        run = do(worker, queue_run(TEST, stack, "backup"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "NoBackupSeen")
    assert f"{BUCKET}/backups/asterisk/ within 4 s" in run.error_text
    assert "looking for 4 s at most" in log_of(run)
    assert set(Backup.objects.values_list("component", flat=True)) == {"app"}
    # One for each step that looks: two notes, two waits, however often they look.
    assert made.count("s3") == 4


def test_backups_of_the_old_nightly_job_are_listed_too(worker, aws, stack):
    put(aws, f"omlacd-backup/{NAME}")
    put(aws, f"backups/app/{NAME}")
    run = do(worker, queue_run(TEST, stack, "backups"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert set(Backup.objects.values_list("component", flat=True)) == {"app", "asterisk-nightly"}


def test_without_a_machine_of_its_own_name_nothing_is_sent(worker, aws, stack):
    start(aws, "prod-globex-EC2")
    run = do(worker, queue_run(TEST, stack, "backup"))
    assert run.error["code"] == "NoInstance"
    assert not aws.client("ssm").list_commands()["Commands"]


def test_a_group_with_another_tenants_machine_is_not_touched(worker, aws, stack):
    old = make_group(aws, "prod-globex-EC2")
    run = do(worker, queue_run(TEST, stack, "replace", typed_name="initech"))
    assert run.error["code"] == "InstanceNotOurs"
    assert member(aws) == old


def test_the_new_password_is_handed_over_and_never_sent(worker, aws, stack):
    machine = start(aws, "prod-initech-EC2")
    before = secrets.known_values(stack)
    run = do(worker, queue_run(TEST, stack, "reset_password"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    (password,) = secrets.known_values(stack) - before
    (command,) = aws.client("ssm").list_commands()["Commands"]
    assert command["InstanceIds"] == [machine]
    assert "/omlsaas/initech/handover/admin_password" in str(command)
    assert password not in str(command)
    assert password not in log_of(run)
    assert not aws.client("ssm").describe_parameters()["Parameters"]
