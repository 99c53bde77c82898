"""Operations around Terraform: orders for the machines, restore points, upgrade, rollback."""

import json
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from deployments.models import Backup, RestorePoint, Run
from deployments.runstatus import RunStatus
from deployments.services import confirm_run
from tenants import services
from tenants.models import ComponentPin, Release, Stack
from tests.acceptance.test_operations import (
    BLUEPRINTS,
    NAME,
    Agent,
    commands_sent,
    do,
    log_of,
    seen,
    statuses,
)
from tests.operated import make_group, make_operated, members

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus
ORDER = "/omlsaas/acme/boot/app"


@pytest.fixture
def operated(aws, places, settings):
    """Return tenants that are really installed, with machines and buckets at the local API."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    made = make_operated(aws)
    Stack.objects.update(resource_count=0, outputs={}, applied_inputs={})
    return made


def install(operated, worker, **more) -> Run:
    """Install acme."""
    run = do(worker, operated.queue("install", auto_apply=True, **more))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    return run


def confirmed(operated, worker, run: Run) -> Run:
    """Let the worker plan, say yes, let it go on."""
    run = do(worker, run)
    assert run.status == S.PLANNED, (run.error_text, log_of(run))
    confirm_run(
        operated.actor, run, has_read=True, plan_digest=run.plan.digest, typed_name=run.stack.name
    )
    return do(worker, run)


def test_an_order_is_lent_for_the_length_of_the_run(operated, worker):
    run = install(operated, worker, params={"demo_data": "true"})
    assert f"{ORDER} says for this run: init_environment = true" in log_of(run)
    assert operated.parameters() == []
    kinds = list(run.steps.order_by("number").values_list("kind", flat=True))
    assert kinds.index("parameter.lend") < kinds.index("terraform.apply")
    assert kinds[-1] == "parameter.take"


def test_a_failed_apply_takes_its_order_away(operated, worker):
    run = do(worker, operated.queue("install", auto_apply=True, inputs={"fails": True}))
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "says for this run" in log_of(run)
    assert operated.parameters() == []


def test_an_order_says_until_when_it_holds(operated, worker):
    install(operated, worker)
    seen(operated)
    told: list[dict] = []
    make_group(operated)

    def look() -> None:
        ssm = operated.aws.client("ssm")
        while not told and not stop.wait(0.02):
            if ORDER in operated.parameters():
                told.append(json.loads(ssm.get_parameter(Name=ORDER)["Parameter"]["Value"]))

    stop = threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    operated.put(f"backups/app/{NAME}.tar.gz")
    run = confirmed(operated, worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    stop.set()
    thread.join()
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert told[0]["restore"] == f"{NAME}.tar.gz"
    assert told[0]["run"] == run.public_id
    assert told[0]["until"] > f"{timezone.now() + timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"


def test_an_upgrade_makes_a_backup_that_is_missing(operated, worker):
    install(operated, worker)
    old = make_group(operated)
    key = f"backups/app/{NAME}.tar.gz"
    with Agent(operated.aws, lambda _command: operated.put(key)):
        run = confirmed(operated, worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert statuses(run)[-3:] == ["applying", "configuring", "applied"]
    assert len(commands_sent(operated)) == 1
    assert not set(members(operated)) & set(old)
    point = RestorePoint.objects.get(run=run)
    assert point.versions == {}
    assert point.backups == {"app": key}
    assert point.state_version is not None
    assert operated.parameters() == []


def test_an_upgrade_with_a_fresh_backup_makes_none(operated, worker):
    install(operated, worker)
    make_group(operated)
    operated.put(f"backups/app/{NAME}.tar.gz")
    run = confirmed(operated, worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert commands_sent(operated) == []
    assert "is younger than 26 hours" in log_of(run)


def test_an_upgrade_without_a_backup_does_not_even_plan(operated, worker):
    install(operated, worker)
    run = do(worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    assert (run.status, run.error["code"]) == (S.ERRORED, "NoBackupSeen")
    assert not run.steps.filter(kind="terraform.plan").exists()


def test_an_upgrade_without_infrastructure_change_still_replaces(operated, worker):
    install(operated, worker)
    old = make_group(operated)
    operated.put(f"backups/app/{NAME}.tar.gz")
    run = confirmed(operated, worker, operated.queue("upgrade"))
    assert (run.status, run.has_changes) == (S.APPLIED, False), (run.error_text, log_of(run))
    assert not set(members(operated)) & set(old)


def test_a_failure_after_the_apply_takes_the_order_away(operated, worker):
    install(operated, worker)
    operated.put(f"backups/app/{NAME}.tar.gz")
    run = confirmed(operated, worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    assert (run.status, run.error["code"]) == (S.ERRORED, "GroupMissing")
    assert operated.parameters() == []
    assert run.steps.filter(kind="parameter.take").count() == 1


def test_going_back_to_a_restore_point(operated, worker):
    first = Release.objects.create(blueprint="operated", name="one", components={"app": "1.0"})
    second = Release.objects.create(blueprint="operated", name="two", components={"app": "2.0"})
    tenant = operated.stack().tenant
    services.change_tenant(operated.actor, tenant, release=first)
    install(operated, worker, inputs={"size": "small"})
    make_group(operated)
    operated.put(f"backups/app/{NAME}.tar.gz")
    services.change_tenant(operated.actor, tenant, release=second)
    run = confirmed(operated, worker, operated.queue("upgrade", inputs={"size": "large"}))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    point = RestorePoint.objects.get()
    assert (point.versions, point.inputs["size"]) == ({"app": "1.0"}, "small")
    back = operated.queue("rollback", params={"point": point.public_id})
    run = confirmed(operated, worker, back)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert (run.inputs["app_version"], run.inputs["size"]) == ("1.0", "small")
    assert f"restore = {NAME}.tar.gz" in log_of(run)
    stack = operated.stack()
    assert (stack.tenant.release, stack.desired_inputs["size"]) == (first, "small")
    assert not ComponentPin.objects.exists()


def test_going_back_pins_what_no_release_says_any_more(operated, worker):
    release = Release.objects.create(blueprint="operated", name="one", components={"app": "1.0"})
    tenant = operated.stack().tenant
    services.change_tenant(operated.actor, tenant, release=release)
    install(operated, worker)
    make_group(operated)
    operated.put(f"backups/app/{NAME}.tar.gz")
    Release.objects.filter(pk=release.pk).update(components={"app": "2.0"})
    run = confirmed(operated, worker, operated.queue("upgrade"))
    point = RestorePoint.objects.get(run=run)
    run = do(worker, operated.queue("rollback", params={"point": point.public_id}))
    assert run.inputs["app_version"] == "1.0"
    assert ComponentPin.objects.get().version == "1.0"


def test_a_point_whose_backup_is_gone_is_refused(operated, worker):
    from deployments.errors import PointGone

    install(operated, worker)
    make_group(operated)
    operated.put(f"backups/app/{NAME}.tar.gz")
    confirmed(operated, worker, operated.queue("upgrade", inputs={"app_version": "2.0"}))
    Backup.objects.all().delete()
    point = RestorePoint.objects.get()
    with pytest.raises(PointGone, match=NAME):
        operated.queue("rollback", params={"point": point.public_id})


def test_destroy_refuses_while_the_bucket_holds_something(operated, worker):
    install(operated, worker)
    operated.put("recordings/a.wav")
    run = do(worker, operated.queue("destroy"))
    assert (run.status, run.error["code"], run.error_kind) == (
        S.ERRORED, "BucketNotEmpty", "refused",
    )  # fmt: skip
    assert "1 versions" in run.error_text
    operated.aws.client("s3").delete_bucket(Bucket="data-globex")
    s3 = operated.aws.client("s3")
    for one in s3.list_object_versions(Bucket="data-acme")["Versions"]:
        s3.delete_object(Bucket="data-acme", Key=one["Key"], VersionId=one["VersionId"])
    run = confirmed(operated, worker, operated.queue("destroy"))
    assert run.status == S.APPLIED, run.error_text
    assert operated.stack().resource_count == 0


def test_destroy_refuses_while_an_applied_input_stands_in_the_way(operated, worker):
    install(operated, worker)
    Stack.objects.update(applied_inputs={"fails": True})
    run = do(worker, operated.queue("destroy"))
    assert (run.status, run.error["code"], run.error_kind) == (
        S.ERRORED, "InputInTheWay", "refused",
    )  # fmt: skip
    assert "“fails” (fails) of acme is on and has to be off first" in run.error_text
    assert not run.steps.filter(kind="terraform.plan").exists()


def test_an_action_without_terraform_needs_none(operated, worker, settings):
    install(operated, worker)
    settings.TERRAFORM_BIN = "/nowhere/terraform"
    operated.put(f"backups/app/{NAME}.tar.gz")
    run = do(worker, operated.queue("list_backups"))
    assert (run.status, run.terraform_version) == (S.APPLIED, "")
