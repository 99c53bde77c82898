"""Which backups stand for what a stack holds, and which versions stand in a restore's way."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from deployments.models import Backup
from deployments.runstatus import RunStatus
from deployments.services.backups import guarding_backups
from deployments.services.points import keep_point
from deployments.steps.errors import VersionRefused
from deployments.steps.kinds import KINDS
from deployments.steps.probe_http import _target
from deployments.work import Work
from tenants import blueprints
from tests.factories import make_run, make_step, make_tenant

pytestmark = pytest.mark.django_db
S = RunStatus
INSTALLS = [{"kind": "ansible.playbook", "params": {"leaves": "installed"}}]


@pytest.fixture
def acme(throw_away):
    """Return the stack of an installed tenant on hosts."""
    stack = make_tenant("acme", blueprint="hosted").stack
    stack.resource_count, stack.applied_inputs = 2, {"app_version": "1.0"}
    stack.save()
    return stack


def backup(stack, name: str, hours: float, run=None) -> Backup:
    """Return a backup that was taken so many hours ago."""
    now = timezone.now()
    return Backup.objects.create(
        stack=stack, component="tenant", name=name, key=f"backup/acme/{name}/", size=1,
        taken_at=now - timedelta(hours=hours), seen_at=now, run=run,
    )  # fmt: skip


def restored(stack, hours: float):
    """Return a restore that ended so many hours ago."""
    ended = timezone.now() - timedelta(hours=hours)
    run = make_run(stack, S.APPLIED, action_kind="restore", ended_at=ended)
    make_step(run, phase="configure", ended_at=ended)
    return run


def guarding(stack, run=None) -> list[str]:
    return [row.name for row in guarding_backups(stack, run)]


def test_what_a_restore_put_aside_and_what_is_older_than_it_guard_nothing(acme):
    backup(acme, "before", 5)
    assert guarding(acme) == ["before"]
    # -- refused before it touched anything
    make_run(acme, S.ERRORED, action_kind="restore")
    assert guarding(acme) == ["before"]
    run = restored(acme, 3)
    backup(acme, "aside", 3.5, run)
    backup(acme, "late", 1, run)
    assert guarding(acme) == []
    # -- while it is done, its own is one
    assert guarding(acme, run) == ["late", "aside", "before"]
    backup(acme, "nightly", 2)
    backup(acme, "asked", 1, make_run(acme, S.APPLIED, action_kind="backup"))
    assert guarding(acme) == ["asked", "nightly"]


def test_a_point_names_nothing_that_a_restore_put_aside(acme):
    backup(acme, "chosen", 5)
    run = restored(acme, 3)
    backup(acme, "aside", 3.5, run)
    upgrade = make_run(acme, S.CONFIGURING, action_kind="upgrade")
    assert keep_point(upgrade).backups == {"tenant": "backup/acme/chosen/"}
    # -- but a restore's own point does
    assert keep_point(run).backups == {"tenant": "backup/acme/aside/"}


def refuse(stack, run) -> None:
    """Do the step that looks for 2.2.1."""
    kind = blueprints.load("hosted").kinds["tenant"]
    stack.refresh_from_db()
    work = SimpleNamespace(stack=stack, run=run, kind=kind, say=lambda text: None)
    KINDS["versions.refuse"].pieces[0].call(work, {"versions": ["2.2.1"], "why": "It loses data."})


def test_a_version_is_refused_wherever_it_may_be(acme):
    restore = make_run(acme, S.PLANNING, action_kind="restore", inputs={"app_version": "1.0"})
    refuse(acme, restore)
    # -- wanted, though another one was applied
    for wanted in ({"inputs": {"app_version": "2.2.1"}}, {"release_name": "r 2.2.1"}):
        with pytest.raises(VersionRefused):
            refuse(acme, make_run(acme, S.PENDING, action_kind="restore", **wanted))
    # -- a run that only looked, or never came to the hosts, changed nothing there
    looked = make_run(acme, S.APPLIED, inputs={"app_version": "2.2.1"})
    make_step(looked, phase="configure")
    make_run(acme, S.ERRORED, inputs={"app_version": "2.2.1"}, steps_wanted=INSTALLS)
    refuse(acme, restore)
    # -- an upgrade that failed half-way, and is wanted no more
    upgrade = make_run(acme, S.ERRORED, inputs={"app_version": "2.2.1"}, steps_wanted=INSTALLS)
    make_step(upgrade, phase="configure")
    with pytest.raises(VersionRefused) as refused:
        refuse(acme, restore)
    assert "app 2.2.1" in str(refused.value)
    # -- until another one was applied after it
    acme.applied_at = timezone.now()
    acme.save()
    refuse(acme, restore)


def test_what_was_restored_is_asked_where_it_runs(acme):
    acme.applied_inputs = {"app_version": "1.0", "greeting": "runs.example.test"}
    acme.save()
    run = make_run(acme, S.VERIFYING, inputs={"greeting": "", "app_version": "2.0"})
    work = Work(run, "w")
    params = {"url": "https://{{ inputs.greeting }}/", "or_url": "https://other.example.test/",
              "verify_tls": {"app_version": ["1.0"]}}  # fmt: skip
    assert _target(work, params) == ("https://other.example.test/", False)
    assert _target(work, {**params, "inputs": "applied"}) == ("https://runs.example.test/", True)
    # -- what was applied without a value has its default, not what is wanted since
    acme.applied_inputs = {"app_version": "1.5"}
    acme.save()
    assert work.applied_inputs()["greeting"] == "hello {{ nobody }}"
