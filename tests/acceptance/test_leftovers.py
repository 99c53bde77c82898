"""What a destroy leaves: removed where it is the stack's own, named where it is somebody else's."""

from pathlib import Path

import pytest

from deployments.models import StateVersion
from deployments.runner.workdir import local_state_path
from deployments.runstatus import RunStatus
from deployments.services import confirm_run
from tenants.models import Stack
from tests.awsapi import AwsApi, make_cloud_region
from tests.cloudruns import BUCKET, TEST, do, install, log_of, make_s3_region, make_stack, queue

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.usefixtures("throw_away"),
]
S = RunStatus
DOMAIN = "cc.example.net"


@pytest.fixture
def zone(aws) -> str:
    """Return the hosted zone of the domain, with a record that another tool made for acme."""
    route53 = aws.client("route53")
    made = route53.create_hosted_zone(Name=DOMAIN, CallerReference="d")["HostedZone"]["Id"]
    for label in ("acme", "globex"):
        record = {"Name": f"{label}.{DOMAIN}", "Type": "A", "TTL": 60,
                  "ResourceRecords": [{"Value": "192.0.2.1"}]}  # fmt: skip
        change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch=change)
    return made.rpartition("/")[2]


def records(aws: AwsApi, zone: str) -> set[str]:
    found = aws.client("route53").list_resource_record_sets(HostedZoneId=zone)
    return {one["Name"] for one in found["ResourceRecordSets"] if one["Type"] == "A"}


def versions(aws: AwsApi, stack: Stack) -> int:
    """Return how many versions and delete markers the bucket of states has of a stack."""
    found = aws.client("s3").list_object_versions(Bucket=BUCKET, Prefix=f"{stack.public_id}/")
    return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


def lend(aws: AwsApi, *names: str) -> None:
    for name in names:
        aws.client("ssm").put_parameter(Name=name, Value="x", Type="String")


def destroy(worker, stack: Stack):
    run = do(worker, queue(stack, "destroy", auto_apply=True))
    if run.status == S.PLANNED:
        confirm_run(TEST, run, has_read=True, typed_name=stack.name)
        run = do(worker, run)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    return run


def test_state_and_parameters_go_and_records_of_others_are_named(worker, aws, zone):
    region = make_s3_region(aws, domain_name=DOMAIN)
    acme, globex = make_stack(region, "acme"), make_stack(region, "globex")
    for stack in (acme, globex):
        install(worker, stack)
    # What a lost run left, and what belongs to others, one of them with the same beginning.
    kept = {"/omlsaas/globex/boot/app", "/omlsaas/acme2/boot/app"}
    lend(aws, "/omlsaas/acme/boot/app", "/omlsaas/acme/handover/admin", *kept)
    assert versions(aws, acme)
    others = versions(aws, globex)

    run = destroy(worker, acme)

    assert versions(aws, acme) == 0
    assert versions(aws, globex) == others
    left = aws.client("ssm").describe_parameters()["Parameters"]
    assert {one["Name"] for one in left} == kept
    assert records(aws, zone) == {f"acme.{DOMAIN}.", f"globex.{DOMAIN}."}
    log = log_of(run)
    assert f"Records stay that no stack made; remove them by hand: acme.{DOMAIN} (A)." in log
    assert "/omlsaas/acme/boot/app, /omlsaas/acme/handover/admin" in log
    assert StateVersion.objects.filter(stack=acme, resource_count=1).exists()
    after = Stack.objects.get(pk=acme.pk)
    assert (after.state_serial, after.state_lineage, after.resource_count) == (None, "", 0)
    assert install(worker, acme).status == S.APPLIED, "and it can be built again"


def test_what_cannot_be_cleared_is_said_and_the_destroy_is_done(worker, aws):
    stack = make_stack(make_s3_region(aws, domain_name=DOMAIN, hosted_zone="Z0GONE0000000"))
    install(worker, stack)
    run = destroy(worker, stack)
    assert "Not cleared: Looking for left records of cc.example.net failed" in log_of(run)
    assert versions(aws, stack) == 0


def test_a_state_on_the_hosts_disk_goes_too(worker, aws, settings):
    stack = make_stack(make_cloud_region(aws))
    install(worker, stack)
    folder: Path = local_state_path(settings.STATE_ROOT, stack.public_id).parent
    assert (folder / "terraform.tfstate").exists()
    destroy(worker, stack)
    assert not folder.exists()
