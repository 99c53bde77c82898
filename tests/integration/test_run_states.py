"""The state machine: its table, its single writer, its races."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from deployments.errors import IllegalTransition
from deployments.models import Run, RunEvent
from deployments.runstatus import HOLDS_STACK, OPEN, TERMINAL, TRANSITIONS, RunStatus
from deployments.services import advance
from tenants import actors
from tests.factories import make_run, make_tenant

ACTOR = actors.system("test")
PAIRS = [(old, new) for old in RunStatus for new in RunStatus]


@pytest.mark.django_db
@pytest.mark.parametrize(("has_begun", "expected"), [(True, "errored"), (False, "in_service")])
def test_a_stack_whose_apply_was_canceled_needs_somebody(has_begun, expected):
    stack = make_tenant().stack
    stack.resource_count = 3
    stack.save()
    begun = {"apply_started_at": timezone.now()} if has_begun else {}
    run = make_run(stack, RunStatus.APPLYING if has_begun else RunStatus.PLANNING, **begun)
    advance(run, RunStatus.CANCELED, actor=ACTOR)
    stack.refresh_from_db()
    assert stack.condition == expected


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_every_pair_of_statuses_follows_the_table(old, new):
    run = make_run(status=old)
    if new in TRANSITIONS[old]:
        advance(run, new, actor=ACTOR)
        assert Run.objects.get(pk=run.pk).status == new
        assert RunEvent.objects.filter(run=run, from_status=old, to_status=new).exists()
    else:
        with pytest.raises(IllegalTransition):
            advance(run, new, actor=ACTOR)
        assert Run.objects.get(pk=run.pk).status == old
        assert not RunEvent.objects.filter(run=run).exists()


def test_ends_have_no_way_out_and_everything_else_can_be_canceled():
    assert set(TERMINAL) | set(OPEN) == set(RunStatus)
    for status in OPEN:
        assert RunStatus.CANCELED in TRANSITIONS[status]


@pytest.mark.django_db
def test_the_database_lets_one_run_hold_a_stack():
    tenant = make_tenant()
    make_run(tenant, RunStatus.PLANNED)
    for status in HOLDS_STACK:
        with pytest.raises(IntegrityError, match="run_holds_stack"), transaction.atomic():
            make_run(tenant, status)
    make_run(tenant, RunStatus.PENDING)


@pytest.mark.django_db
def test_the_database_knows_the_statuses():
    run = make_run()
    with pytest.raises(IntegrityError, match="check constraint"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(status="almost")


@pytest.mark.django_db(transaction=True)
def test_of_two_racing_callers_one_wins():
    run = make_run(status=RunStatus.PLANNED)
    barrier, outcomes = threading.Barrier(2), []

    def decide(to):
        mine = Run.objects.get(pk=run.pk)
        barrier.wait()
        try:
            with transaction.atomic():
                advance(mine, to, actor=ACTOR)
            outcomes.append(to)
        except IllegalTransition:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=decide, args=(to,))
        for to in (RunStatus.APPLY_QUEUED, RunStatus.DISCARDED)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.refresh_from_db()
    assert sorted(map(str, outcomes)) == sorted(["None", run.status])
    assert RunEvent.objects.filter(run=run).count() == 1
