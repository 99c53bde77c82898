"""The life of two tenants of the blueprint omnileads, from the portal's own services.

The real provider builds against a local AWS API; what an operator does in a year happens in
minutes. Only what AWS, the machines and the web site would do stands outside of our code.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from deployments.models import Backup, RestorePoint, Run
from deployments.runstatus import RunStatus
from deployments.services import confirm_run
from tenants import services
from tenants.models import Stack
from tenants.models.stacks import Condition
from tests.awsapi import AwsApi, running
from tests.awsinventory import Found, inventory, records
from tests.cloudruns import BUCKET, TEST, do, log_of, make_s3_region, queue
from tests.operated import IMAGE, Agent
from tests.tenantweb import Authority, Site, name_server

pytestmark = [
    pytest.mark.aside,
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.usefixtures("provider"),
]
S = RunStatus
DOMAIN = "cc.example.net"
PASSWORD = "only-4-the-simulation"
COMPONENTS = ("app", "asterisk", "kamailio", "redis", "websockets", "dialer")
# Protection and a last snapshot are right in service; here nothing may be left.
ENDS_CLEANLY = {"rds_deletion_protection": False, "rds_final_snapshot": False}


class Clock:
    """How long each phase took, printed at the end."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Measure what happens inside."""
        began = time.monotonic()
        yield
        self.lines.append(f"{what:<34} {time.monotonic() - began:6.1f} s")


@pytest.fixture
def clock(capsys) -> Iterator[Clock]:
    """Measure phases and print them, whatever the outcome."""
    made, began = Clock(), time.monotonic()
    yield made
    lines = [*made.lines, f"{'all':<34} {time.monotonic() - began:6.1f} s"]
    with capsys.disabled():
        print("", *lines, sep="\n  ")


@pytest.fixture
def cloud() -> Iterator[AwsApi]:
    """Return a local AWS API of its own, with the managed policies that roles may name."""
    from deployments.cloud import buckets

    with running(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as api:
        buckets.forget()
        api.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the-domain")
        yield api
    buckets.forget()


@pytest.fixture
def probe(tmp_path) -> Iterator[dict[str, Any]]:
    """Return how a region's tenants are probed: their web site is ready and stands here."""
    authority = Authority(tmp_path)
    site = Site(authority.issue(f"*.{DOMAIN}"))
    site.open()
    site.serve()
    names = {f"{name}.{DOMAIN}": "127.0.0.1" for name in ("acme", "globex")}
    with name_server(names) as resolver:
        yield {"resolver": resolver, "port": site.port, "ca_file": str(authority.file)}
    site.close()


class Life:
    """One region with its stacks, and short words for what is done with them."""

    def __init__(self, cloud: AwsApi, worker: Any, clock: Clock, probe: dict[str, Any]) -> None:
        self.cloud, self.worker, self.clock = cloud, worker, clock
        self.buckets: dict[str, str] = {}
        self.region = make_s3_region(cloud, domain_name=DOMAIN, probe=probe)
        self.shared = services.create_shared_environment(
            TEST, name="shared1", region=self.region, blueprint="omnileads"
        )
        services.set_secret(TEST, self.shared.stack, "astsbc_ami_password", PASSWORD)
        for name in ("acme", "globex"):
            tenant = services.create_tenant(
                TEST,
                name=name,
                region=self.region,
                blueprint="omnileads",
                shared_environment=self.shared,
            )
            for secret in ("pg", "ami", "admin", "mysql", "dialer"):
                services.set_secret(TEST, tenant.stack, f"{secret}_password", PASSWORD)

    def stack(self, name: str) -> Stack:
        """Return a stack as the database has it."""
        return Stack.objects.get(name=name)

    def output(self, stack_name: str, output: str) -> Any:
        """Return an output as the stack has it."""
        return self.stack(stack_name).outputs[output]["value"]

    def do(self, name: str, action: str, **more: Any) -> Run:
        """Do one action to its end, with the yes that it asks for."""
        with self.clock(f"{name}: {action}"):
            run = do(self.worker, queue(self.stack(name), action, **more))
            if run.status == S.PLANNED:
                confirm_run(TEST, run, has_read=True, typed_name=name)
                run = do(self.worker, run)
        assert run.status == S.APPLIED, (run.error_text, log_of(run)[-4000:])
        return run

    def group(self, name: str) -> list[str]:
        """Return the machines of an auto-scaling group."""
        found = self.cloud.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )
        return [one["InstanceId"] for one in found["AutoScalingGroups"][0]["Instances"]]

    def machines(self, name: str) -> dict[str, dict[str, Any]]:
        """Return component → running machine of a stack, by tags."""
        found = {}
        filters = [
            {"Name": "tag:omlsaas:stack", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        for one in self.cloud.client("ec2").describe_instances(Filters=filters)["Reservations"]:
            for machine in one["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
                assert tags["omlsaas:component"] not in found
                found[tags["omlsaas:component"]] = machine
        return found

    def back_up(self, command: dict[str, Any]) -> None:
        """Do what the script on a machine does: put an object into its tenant's bucket."""
        if not command["Parameters"]["commands"][0].endswith("/backup"):
            return
        file = f"{time.strftime('%y%m%d-%H%M%S')}-oml-backup.tar.gz"
        for machine in command["InstanceIds"]:
            name, component = self.place_of(machine)
            self.cloud.client("s3").put_object(
                Bucket=self.buckets[name], Key=f"backups/{component}/{file}", Body=b"a backup"
            )

    def place_of(self, machine: str) -> tuple[str, str]:
        """Return the stack and the component that a machine's tags name."""
        found = self.cloud.client("ec2").describe_instances(InstanceIds=[machine])["Reservations"]
        tags = {one["Key"]: one["Value"] for one in found[0]["Instances"][0]["Tags"]}
        return tags["omlsaas:stack"], tags["omlsaas:component"]


def at_once(*works: Callable[[], None]) -> None:
    """Do several things side by side; the first failure is raised when all have ended."""

    def alone(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(alone, work) for work in works]
    for future in futures:
        future.result()


@pytest.mark.timeout(2400)
def test_two_tenants_from_install_to_destroy(cloud, worker, clock, probe):
    life = Life(cloud, worker, clock, probe)
    before = inventory(cloud)
    images = dict.fromkeys(("rtpengine_ami_id", "astsbc_ami_id"), IMAGE)
    trunks = {"pstn_trunks": ["192.0.2.0/28"]}
    life.do("shared1", "install", auto_apply=True, inputs=images | trunks)
    sees_shared(life)
    looked(life, "shared1", [])
    inputs = {f"{component}_ami_id": IMAGE for component in COMPONENTS} | ENDS_CLEANLY
    dialing = inputs | {"dialer": True, "oml_app_version": "release-1.24.2"}
    with Agent(cloud, life.back_up):
        at_once(lambda: of_acme(life, inputs), lambda: of_globex(life, dialing))
    life.do("shared1", "destroy")
    assert left(life, before) == set()


def of_acme(life: Life, inputs: dict[str, Any]) -> None:
    """The life of a tenant without dialer."""
    life.do("acme", "install", auto_apply=True, inputs=inputs)
    sees_tenant(life, "acme", dialer=False)
    looked(life, "acme", [])
    changed_outside(life, "acme")
    resized(life, "acme")
    replaced(life, "acme")
    ended(life, "acme")


def of_globex(life: Life, inputs: dict[str, Any]) -> None:
    """The life of a tenant with dialer."""
    life.do("globex", "install", auto_apply=True, inputs=inputs)
    sees_tenant(life, "globex", dialer=True)
    upgraded(life, "globex")
    rolled_back(life, "globex")
    ended(life, "globex")


def left(life: Life, before: Found) -> Found:
    """Return what is there now and was not before; the bucket of states stays on purpose."""
    return inventory(life.cloud) - before - {("buckets", BUCKET)}


def sees_shared(life: Life) -> None:
    """The API tells of the shared environment what Terraform tells."""
    found, known = inventory(life.cloud), records(life.cloud)
    for what, output in (
        ("vpcs", "vpc_id"),
        ("certificates", "certificate_arn"),
        ("security_groups", "sbc_security_group_id"),
        ("security_groups", "rtpengine_security_group_id"),
        ("buckets", "sbc_bucket"),
        ("buckets", "access_logs_bucket"),
    ):
        assert (what, life.output("shared1", output)) in found, output
    for subnet in life.output("shared1", "private_subnet_ids"):
        assert ("subnets", subnet) in found
    address = known[life.output("shared1", "sbc_fqdn")]["ResourceRecords"][0]["Value"]
    assert address == life.output("shared1", "sbc_public_ip")
    assert set(life.machines("shared1")) == {"rtpengine", "sbc"}
    assert len(life.group(life.output("shared1", "sbc_asg_name"))) == 1


def sees_tenant(life: Life, name: str, *, dialer: bool) -> None:
    """The API tells of a tenant what Terraform tells; from now on its bucket takes backups."""
    found, machines = inventory(life.cloud), life.machines(name)
    assert set(machines) == set(COMPONENTS if dialer else COMPONENTS[:-1])
    for component, instance_id in life.output(name, "instance_ids").items():
        assert machines[component]["InstanceId"] == instance_id
        address = life.output(name, "addresses")[component]
        assert machines[component]["PrivateIpAddress"] == address
    assert life.group(life.output(name, "app_asg_name")) == [machines["app"]["InstanceId"]]
    life.buckets[name] = life.output(name, "data_bucket")
    assert ("buckets", life.buckets[name]) in found
    assert life.output(name, "url") == f"https://{name}.{DOMAIN}"
    known = records(life.cloud)
    assert "AliasTarget" in known[f"{name}.{DOMAIN}"]
    databases = life.cloud.client("rds").describe_db_instances()["DBInstances"]
    endpoints = {f"{d['Endpoint']['Address']}:{d['Endpoint']['Port']}" for d in databases}
    assert life.output(name, "database_endpoint") in endpoints
    if dialer:
        assert life.output(name, "dialer_database_endpoint") in endpoints
        assert life.group(life.output(name, "dialer_asg_name")) == [
            machines["dialer"]["InstanceId"]
        ]
    prefix = life.output(name, "parameter_prefix")
    standing = [found_id for what, found_id in found if what == "parameters"]
    assert [one for one in standing if one.startswith(f"{prefix}/")]
    own = f"/{name}/boot/"
    assert not [one for one in standing if own in one], "orders are taken away"


def looked(life: Life, name: str, drifted: list[str]) -> None:
    """A plan-only run tells what was changed outside, and the stack's condition follows."""
    with life.clock(f"{name}: plan"):
        run = do(life.worker, queue(life.stack(name), "plan"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run)[-4000:])
    assert sorted(one["address"] for one in run.plan.view["drift"]) == drifted
    assert (run.drift_count, run.has_changes) == (len(drifted), bool(drifted))
    stack = life.stack(name)
    assert stack.has_drift == bool(drifted)
    assert stack.condition == (Condition.DRIFT if drifted else Condition.IN_SERVICE)


def changed_outside(life: Life, name: str) -> None:
    """Somebody makes a machine larger and opens the bucket: that is found, and put back."""
    ec2, machine = life.cloud.client("ec2"), life.machines(name)["redis"]["InstanceId"]
    ec2.stop_instances(InstanceIds=[machine])
    ec2.modify_instance_attribute(InstanceId=machine, InstanceType={"Value": "t3.2xlarge"})
    ec2.start_instances(InstanceIds=[machine])
    life.cloud.client("s3").delete_public_access_block(Bucket=life.buckets[name])
    block = "module.data_bucket.aws_s3_bucket_public_access_block.this"
    looked(life, name, [block, 'module.machine["redis"].aws_instance.this'])
    run = life.do(name, "change")
    assert (run.to_create, run.to_update, run.to_replace, run.to_destroy) == (1, 1, 0, 0)
    assert life.machines(name)["redis"]["InstanceType"] != "t3.2xlarge"
    assert life.stack(name).condition == Condition.IN_SERVICE


def resized(life: Life, name: str) -> None:
    """Other sizes: the machines stay, the application's next one has its size.

    Asterisk, the application's launch template and its group are all that is touched.
    """
    old = life.machines(name)
    sizes = {"ec2_asterisk_size": "t3.medium", "ec2_oml_size": "t3.large"}
    run = life.do(name, "resize", inputs=sizes)
    assert (run.to_create, run.to_update, run.to_replace, run.to_destroy) == (0, 3, 0, 0)
    new = life.machines(name)
    assert {c: m["InstanceId"] for c, m in new.items()} == {
        c: m["InstanceId"] for c, m in old.items()
    }
    assert new["asterisk"]["InstanceType"] == "t3.medium"
    assert new["app"]["InstanceType"] == "t3.medium", "until it is replaced"


def upgraded(life: Life, name: str) -> None:
    """Other versions: a backup is made, the machines are new, a restore point is kept."""
    old = life.machines(name)
    versions = {"oml_app_version": "release-1.25.0", "oml_redis_version": "221001.01"}
    run = life.do(name, "upgrade", inputs=versions)
    new = life.machines(name)
    changed = {c for c in new if new[c]["InstanceId"] != old[c]["InstanceId"]}
    assert changed == {"app", "dialer", "redis"}
    assert life.output(name, "versions")["app"] == "release-1.25.0"
    point = RestorePoint.objects.get(run=run)
    assert set(point.backups) == {"app", "asterisk"}
    assert point.versions == {"app": "release-1.24.2"}
    assert f"restore = {point.backups['app'].rsplit('/')[-1]}" in log_of(run)


def rolled_back(life: Life, name: str) -> None:
    """The versions before the upgrade are in service again, with the backups of that moment."""
    old, point = life.machines(name), RestorePoint.objects.get(stack__name=name)
    run = life.do(name, "rollback", params={"point": point.public_id})
    new = life.machines(name)
    changed = {c for c in new if new[c]["InstanceId"] != old[c]["InstanceId"]}
    assert changed == {"app", "dialer", "redis"}
    assert life.output(name, "versions")["app"] == "release-1.24.2"
    assert f"restore = {point.backups['asterisk'].rsplit('/')[-1]}" in log_of(run)


def replaced(life: Life, name: str) -> None:
    """A backup, the list of backups, and a new machine for the application."""
    life.do(name, "backup")
    made = Backup.objects.filter(stack__name=name)
    assert {one.component for one in made} == {"app", "asterisk"}
    made.delete()
    life.do(name, "backups")
    backup = Backup.objects.filter(stack__name=name, component="app").first()
    old = life.machines(name)
    run = life.do(name, "replace_app", params={"backup": backup.name})
    new = life.machines(name)
    assert {c for c in new if new[c]["InstanceId"] != old[c]["InstanceId"]} == {"app"}
    assert new["app"]["InstanceType"] == "t3.large"
    assert f"restore = {backup.file}" in log_of(run)


def ended(life: Life, name: str) -> None:
    """Destroy refuses while the bucket holds something; emptied, everything goes."""
    refused = do(life.worker, queue(life.stack(name), "destroy"))
    assert (refused.status, refused.error["code"]) == (S.ERRORED, "BucketNotEmpty")
    life.do(name, "empty")
    life.do(name, "destroy")
    assert life.stack(name).resource_count == 0
    assert life.machines(name) == {}
