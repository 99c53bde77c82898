"""Queueing and admission: what is refused, what waits, and what it says."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from deployments.errors import (
    DependentsStand,
    NotInstalled,
    RequestReused,
    RunLost,
    SharedNotInstalled,
    StackSuspect,
    TypedNameWrong,
    UnknownAction,
)
from deployments.models import Maintenance, Run, StateVersion
from deployments.runstatus import HOLDS_STACK, RunStatus
from deployments.services import (
    admit_waiting,
    archive,
    cancel_run,
    discard_run,
    mark_suspect,
    queue_run,
    rollback_state,
)
from tenants import actors
from tenants.errors import ArchivedAlready, InputsRefused, NotAllowed
from tenants.models import AuditEntry, Secret, Stack
from tests.factories import make_environment, make_run, make_tenant, make_user
from tests.lab import install_on_paper

pytestmark = pytest.mark.django_db


def test_a_run_on_a_free_stack_is_queued_with_its_audit_entry(lab):
    run = lab.queue(reason="CHG-1")
    assert run.status == RunStatus.PLAN_QUEUED
    assert run.number == 1
    entry = AuditEntry.objects.get(action="run.queue")
    assert (entry.run_id, entry.reason, entry.tenant_name) == (run.public_id, "CHG-1", "acme")


def test_a_second_run_waits_and_names_the_holder_and_the_way_out(lab):
    holder = lab.queue()
    Run.objects.filter(pk=holder.pk).update(
        status=RunStatus.PLANNED, planned_at=timezone.now() - timedelta(minutes=3)
    )
    second = lab.queue("plan")
    assert second.status == RunStatus.PENDING
    assert "held by run 1" in second.waiting_text
    assert "3" in second.waiting_text
    assert "Confirm or discard it first." in second.waiting_text


def test_the_waiting_run_starts_when_the_holder_ends(lab):
    holder = lab.queue()
    second = lab.queue("plan")
    Run.objects.filter(pk=holder.pk).update(status=RunStatus.PLANNED)
    discard_run(lab.actor, holder)
    assert admit_waiting(lab.region.pk) == 1
    second.refresh_from_db()
    assert second.status == RunStatus.PLAN_QUEUED


def test_waiting_runs_of_one_stack_keep_their_order(lab):
    holder, second, third = lab.queue(), lab.queue("plan"), lab.queue("plan")
    cancel_run(lab.actor, holder)
    admit_waiting(lab.region.pk)
    second.refresh_from_db()
    third.refresh_from_db()
    assert (second.status, third.status) == (RunStatus.PLAN_QUEUED, RunStatus.PENDING)
    assert "held by run 2" in third.waiting_text


def test_a_region_runs_no_more_than_its_cap_and_says_so(lab):
    lab.region.max_runs = 1
    lab.region.save()
    lab.queue(name="acme")
    second = lab.queue(name="globex")
    assert second.status == RunStatus.PENDING
    assert "1 of 1 runs at once" in second.waiting_text


def test_a_plan_that_waits_for_a_person_uses_no_slot(lab):
    lab.region.max_runs = 1
    lab.region.save()
    first = lab.queue(name="acme")
    Run.objects.filter(pk=first.pk).update(status=RunStatus.PLANNED)
    assert lab.queue(name="globex").status == RunStatus.PLAN_QUEUED


def test_people_go_before_schedules(lab):
    lab.region.max_runs = 1
    lab.region.save()
    holder = make_run(lab.environment, RunStatus.PLANNING, is_plan_only=True)
    scheduled = lab.queue(name="acme", is_scheduled=True)
    asked = lab.queue(name="globex")
    Run.objects.filter(pk=holder.pk).update(status="canceled", ended_at=timezone.now())
    admit_waiting(lab.region.pk)
    scheduled.refresh_from_db()
    asked.refresh_from_db()
    assert (asked.status, scheduled.status) == (RunStatus.PLAN_QUEUED, RunStatus.PENDING)


def test_many_held_runs_do_not_hide_one_that_can_start(lab):
    """What waits for its own stack waits long; behind it stands one that waits for the region."""
    held = [make_tenant(environment=lab.environment).stack for _ in range(3)]
    for stack in held:
        make_run(stack, RunStatus.PLANNED, planned_at=timezone.now())
        make_run(stack)
    free = make_run(lab.acme)
    assert admit_waiting(lab.region.pk, limit=2) == 1
    free.refresh_from_db()
    assert free.status == RunStatus.PLAN_QUEUED


def test_tenants_of_a_busy_environment_do_not_hide_those_of_another(lab):
    make_run(lab.environment, RunStatus.APPLYING)
    for _ in range(3):
        make_run(make_tenant(environment=lab.environment))
    free = make_run(make_tenant(environment=make_environment(region=lab.region)))
    assert admit_waiting(lab.region.pk, limit=2) == 1
    free.refresh_from_db()
    assert free.status == RunStatus.PLAN_QUEUED


def test_maintenance_lets_nothing_new_start(lab):
    Maintenance.objects.create(reason="moving house", by="Alice")
    run = lab.queue()
    assert run.status == RunStatus.PENDING
    assert "moving house" in run.waiting_text


def test_a_tenant_waits_while_its_shared_environment_is_changed(lab):
    holder = make_run(lab.environment, RunStatus.APPLYING)
    run = lab.queue()
    assert run.status == RunStatus.PENDING
    assert f"sharedlab is being changed by run {holder.number}" in run.waiting_text


def test_a_shared_environment_waits_for_its_tenants_changes(lab):
    make_run(lab.acme, RunStatus.APPLYING)
    run = lab.queue("change", name="sharedlab")
    assert run.status == RunStatus.PENDING
    assert "acme is being changed" in run.waiting_text


def test_a_waiting_shared_change_does_not_starve(lab):
    make_run(lab.acme, RunStatus.APPLYING)
    lab.queue("change", name="sharedlab")
    assert lab.queue(name="globex").status == RunStatus.PENDING


def test_the_same_request_gives_the_same_run(lab):
    first = lab.queue(request_key="abc")
    assert lab.queue(request_key="abc").pk == first.pk
    assert Run.objects.count() == 1


def test_the_same_key_with_other_content_is_refused(lab):
    lab.queue(request_key="abc")
    with pytest.raises(RequestReused):
        lab.queue("plan", request_key="abc")


def test_the_same_key_with_another_secret_is_refused(lab):
    lab.queue(request_key="abc", new_secrets={"admin_password": "first-long-word"})
    assert lab.queue(request_key="abc", new_secrets={"admin_password": "first-long-word"})
    with pytest.raises(RequestReused):
        lab.queue(request_key="abc", new_secrets={"admin_password": "other-long-word"})
    assert "long-word" not in Run.objects.get().request_digest


def test_a_request_key_counts_per_actor(lab):
    lab.queue(request_key="abc")
    other = actors.system("other")
    run = queue_run(other, lab.stack("globex"), "install", request_key="abc")
    assert run.stack.name == "globex"


def kept_version(stack: Stack, serial: int) -> StateVersion:
    """Return a kept version of the stack's state, without content."""
    return StateVersion.objects.create(
        stack=stack, run=make_run(stack, "applied"), moment="after_apply", serial=serial,
        lineage="one", digest=str(serial) * 64, ciphertext=b"x", key_id="k1",
    )  # fmt: skip


def test_a_repeated_roll_back_with_other_content_is_refused(lab):
    stack = lab.stack()
    older, newer = kept_version(stack, 1), kept_version(stack, 2)
    asked = {"reason": "back", "seen_serial": 2, "request_key": "abc"}
    first = rollback_state(lab.actor, older, **asked)
    assert rollback_state(lab.actor, older, **asked) == first
    with pytest.raises(RequestReused):
        rollback_state(lab.actor, newer, **asked)


def test_the_state_of_an_archived_tenant_is_not_rolled_back(lab):
    version = kept_version(lab.stack(), 1)
    archive(lab.actor, lab.acme, "closed")
    with pytest.raises(ArchivedAlready):
        rollback_state(lab.actor, version, reason="back", seen_serial=1)


def test_destroy_asks_for_the_name(lab):
    install_on_paper(lab.acme, {})
    with pytest.raises(TypedNameWrong):
        queue_run(lab.actor, lab.stack(), "destroy", typed_name="acm")
    assert not Run.objects.exists()


def test_destroy_of_nothing_is_refused(lab):
    with pytest.raises(NotInstalled):
        lab.queue("destroy")


def test_a_shared_environment_with_tenants_is_not_destroyed(lab):
    install_on_paper(lab.acme, {})
    with pytest.raises(DependentsStand) as refused:
        lab.queue("destroy", name="sharedlab")
    assert "acme" in str(refused.value)


def test_a_tenant_needs_its_shared_environment(lab):
    Stack.objects.filter(name="sharedlab").update(resource_count=0)
    with pytest.raises(SharedNotInstalled):
        lab.queue()


def test_an_unknown_action_names_the_known_ones(lab):
    with pytest.raises(UnknownAction) as refused:
        lab.queue("explode")
    assert "install" in str(refused.value)


def test_a_suspect_stack_refuses_changes_and_allows_plans(lab):
    install_on_paper(lab.acme, {})
    mark_suspect(lab.actor, lab.stack(), RunLost(run=1))
    with pytest.raises(StackSuspect) as refused:
        lab.queue("change")
    assert "Run 1 was lost" in str(refused.value)
    assert lab.queue("plan").status == RunStatus.PLAN_QUEUED


def test_a_missing_secret_is_named_before_anything_is_queued(lab):
    Secret.objects.filter(stack=lab.stack()).delete()
    with pytest.raises(InputsRefused) as refused:
        lab.queue()
    assert "admin_password" in refused.value.problems


def test_an_archived_tenant_is_history(lab):
    type(lab.acme).objects.filter(pk=lab.acme.pk).update(archived_at=timezone.now())
    with pytest.raises(ArchivedAlready):
        lab.queue()


@pytest.mark.parametrize("role", ["", "viewer"])
def test_without_the_permission_nothing_is_queued(lab, role):
    actor = actors.from_user(make_user(role=role), origin="test")
    with pytest.raises(NotAllowed):
        queue_run(actor, lab.stack(), "install")
    assert not Run.objects.exists()


def test_an_operator_of_another_tenant_may_not(lab):
    charlie = make_user("charlie", role="operator", over=lab.globex)
    with pytest.raises(NotAllowed):
        queue_run(actors.from_user(charlie, origin="test"), lab.stack("acme"), "install")


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_give_one_holder_and_ordered_numbers(lab):
    barrier = threading.Barrier(10)

    def queue():
        barrier.wait()
        try:
            lab.queue("plan")
        finally:
            connection.close()

    threads = [threading.Thread(target=queue) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = Run.objects.filter(stack__name="acme")
    assert sorted(runs.values_list("number", flat=True)) == list(range(1, 11))
    assert runs.filter(status__in=HOLDS_STACK).count() == 1
