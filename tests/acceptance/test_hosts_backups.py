"""Backups that playbooks tell: rows like those of any stack, over real sshd."""

import pytest

from deployments.models import Backup, RestorePoint, Run
from deployments.runstatus import RunStatus
from deployments.services import cancel_run
from deployments.services.stacks import mark_suspect
from deployments.steps.hosterrors import HostsUnknown
from tenants import services
from tenants.models import ComponentPin, Release, Stack
from tests import sshhosts
from tests.acceptance.test_hosts import hosted, known, machines, working  # noqa: F401  fixtures
from tests.factories import make_run
from tests.hosted import do, log_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus
GREETING = "hello {{ nobody }}"


def rows() -> list[tuple]:
    return list(Backup.objects.order_by("key").values_list("component", "key", "size"))


def test_a_backup_that_was_told_is_a_row_and_one_that_was_not_is_an_error(known, worker):  # noqa: F811
    run = do(worker, known.queue("backup"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    row = Backup.objects.get()
    assert (row.component, row.size, row.run_id, row.is_fresh()) == ("tenant", 1234, run.pk, True)
    assert row.key == f"backup/acme/{row.name}/" and row.file == row.name
    untold = do(worker, known.queue("backup", params={"how": "untold"}))
    assert (untold.status, untold.error["code"]) == (S.ERRORED, "NoBackupTold")
    assert "ansible/backup.yml" in untold.error_text
    # -- what was told was read back: it is there whatever failed after it
    broken = do(worker, known.queue("backup", params={"how": "broken"}))
    assert (broken.status, broken.error["code"]) == (S.ERRORED, "PlaybookFailed")
    assert Backup.objects.filter(run=broken).count() == 1
    # -- a fresh one is enough, and nobody has to want one
    assert do(worker, known.queue("nightly")).status == S.APPLIED
    run = do(worker, known.queue("backup", params={"wanted": False}))
    assert run.status == S.APPLIED and "nobody wants a backup" in log_of(run)
    assert Backup.objects.count() == 2
    # -- a playbook that brings one back may make one on its way
    params = {"backup": row.name}
    run = do(worker, known.queue("restore", params=params))
    assert run.error["code"] == "PlaybookFailed" and Backup.objects.filter(run=run).exists()
    Stack.objects.filter(name="acme").update(applied_release="r 2.2.1")
    run = do(worker, known.queue("restore", params=params))
    assert (run.error["code"], run.error_kind) == ("VersionRefused", "refused")
    assert "release r 2.2.1" in run.error_text and "It loses data." in run.error_text
    assert not run.steps.filter(phase="configure").exists()


def greeting_of(run: Run) -> str:
    """Return the input that the run's playbook was given."""
    told = [note for step in run.steps.all() for note in step.progress.get("notes", ())]
    return next(note["text"] for note in told if note["about"] == "Greeting")


def test_what_runs_is_backed_up_not_what_is_wanted_of_it(known, worker):  # noqa: F811
    # -- nothing was applied yet: there is nothing but what is wanted
    assert greeting_of(do(worker, known.queue("backup"))) == GREETING
    do(worker, known.queue("install"))
    services.save_inputs(known.actor, known.stack(), {"greeting": "wanted"})
    runs = [do(worker, known.queue("backup")), do(worker, known.queue("backups"))]
    params = {"backup": Backup.objects.first().name}
    runs.append(do(worker, known.queue("restore", params=params)))
    assert [greeting_of(run) for run in runs] == [GREETING] * 3
    do(worker, known.queue("change"))
    services.save_inputs(known.actor, known.stack(), {"greeting": None})
    assert greeting_of(do(worker, known.queue("backup"))) == "wanted"


def test_a_list_forgets_what_the_bucket_no_longer_has(known, worker):  # noqa: F811
    do(worker, known.queue("backup"))
    # -- it only looks, so that one may choose while it is in doubt how far the hosts are
    stack = known.stack()
    mark_suspect(known.actor, stack, HostsUnknown(run=1, run_id="", check="Check"))
    run = do(worker, known.queue("backups"))
    assert run.status == S.PLANNED_AND_FINISHED, log_of(run)
    # -- and settles no doubt
    stack.refresh_from_db()
    assert stack.state_suspect and stack.suspect_checked_at is None
    assert rows() == [
        ("tenant", "backup/acme/20260101T030000Z/", 10),
        ("tenant", "backup/acme/20260102T030000Z/", 20),
    ]
    taken = Backup.objects.first().taken_at
    assert f"{taken:%Y-%m-%d %H:%M %Z}" == "2026-01-02 03:00 UTC"


def test_a_backup_that_is_stopped_makes_nobody_doubt_the_stack(known, worker, wait_until, settings):  # noqa: F811
    settings.LEASE_RENEW_S = 1
    run = known.queue("backup", params={"how": "slow"})
    with working(worker, run):
        wait_until(lambda: "Task: Wait" in log_of(run), 60)
        cancel_run(known.actor, Run.objects.with_stack().get(pk=run.pk))
    run.refresh_from_db()
    assert run.status == S.CANCELED and not known.stack().state_suspect
    assert not Backup.objects.exists()


def test_one_component_goes_back_alone(known, worker):  # noqa: F811
    stack = known.stack()
    tenant = stack.tenant
    Stack.objects.filter(pk=stack.pk).update(resource_count=2, applied_inputs={})
    point = RestorePoint.objects.create(
        stack=stack, run=make_run(stack, S.APPLIED), versions={"app": "0.9"},
        inputs={"place": str(known.place), "app_version": "0.9", "greeting": "old"},
        backups={"tenant": "backup/acme/gone/"},
    )  # fmt: skip
    params = {"point": point.public_id, "component": "app"}
    # -- a version that is an input
    run = do(worker, known.queue("rollback", params=params))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert run.inputs["app_version"] == "0.9" and "greeting" not in run.inputs
    assert not ComponentPin.objects.exists()
    # -- a version that the release decides
    tenant.release = Release.objects.create(
        blueprint="hosted", name="r2", components={"app": "2.0"}
    )
    tenant.save()
    run = do(worker, known.queue("rollback", params=params))
    pin = ComponentPin.objects.get(tenant=tenant)
    assert (pin.component, pin.version, run.inputs["app_version"]) == ("app", "0.9", "0.9")
    # -- all of it, with the inputs of that time
    run = do(worker, known.queue("rollback", params={"point": point.public_id}))
    assert run.status == S.APPLIED and run.inputs["greeting"] == "old"
