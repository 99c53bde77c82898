"""What a worker takes up, what it leaves, and what it says about that."""

import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from deployments import execution, identity
from deployments.models import Maintenance, Run
from deployments.runstatus import RunStatus
from deployments.work import Work
from tests.factories import make_run, make_step, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)
S = RunStatus


def queued(stack=None, status: RunStatus = S.PLAN_QUEUED, **fields) -> Run:
    """Return a run that no worker has heard of for a while."""
    early = timezone.now() - timedelta(minutes=1)
    times = {"admitted_at": early, "confirmed_at": early}
    return make_run(stack, status, **(times | fields))


def taken_up(worker) -> set[str]:
    """Let the reconciler look once; return the runs that this host has ended for want of terraform.

    Whoever takes a run up without a terraform ends it at once.
    """
    worker._take_unheard()
    for thread in threading.enumerate():
        if thread.name.startswith("unheard"):
            thread.join(10)
    return set(Run.objects.filter(status=S.ERRORED).values_list("public_id", flat=True))


def test_a_worker_takes_no_more_than_its_slots_and_says_so(lab, worker, settings):
    settings.WORKER_CAPACITY = 1
    worker.hands["run_of_somebody"] = threading.current_thread()
    run = lab.queue()
    worker.work(run.public_id)
    run.refresh_from_db()
    assert run.status == S.PLAN_QUEUED
    assert "1 slots" in run.waiting_text
    worker.hands.clear()


def test_a_worker_for_some_regions_leaves_the_others_alone(lab, worker, settings):
    settings.TERRAFORM_BIN = "not-there"
    ours, theirs = queued(lab.acme), queued(make_tenant())
    settings.WORKER_REGIONS = [lab.region.slug]
    assert taken_up(worker) == {ours.public_id}
    settings.WORKER_REGIONS = []
    assert theirs.public_id in taken_up(worker)


def test_a_state_on_this_hosts_disk_is_minded_here_whatever_the_regions(lab, worker, settings):
    settings.TERRAFORM_BIN = "not-there"
    settings.WORKER_REGIONS = ["elsewhere"]
    stack = lab.stack()
    stack.state_host_id = identity.host_id()
    stack.save()
    run = queued(stack)
    assert taken_up(worker) == {run.public_id}


def test_a_confirmed_plan_waits_for_a_slot_of_its_region(lab, worker):
    lab.region.max_runs = 1
    lab.region.save()
    make_run(lab.globex, S.APPLYING)
    run = queued(lab.acme, S.APPLY_QUEUED)
    assert execution.claim(run.public_id, worker.identity.id) is None
    run.refresh_from_db()
    assert run.status == S.APPLY_QUEUED
    assert "1 of 1 runs at once" in run.waiting_text


@pytest.mark.parametrize("status", [S.PLAN_QUEUED, S.APPLY_QUEUED])
def test_nothing_is_taken_up_in_maintenance(lab, worker, status):
    run = queued(lab.acme, status)
    Maintenance.objects.create(reason="moving house", by="Alice")
    assert execution.claim(run.public_id, worker.identity.id) is None
    run.refresh_from_db()
    assert run.status == status
    assert "moving house" in run.waiting_text


def test_a_run_that_is_held_back_does_not_hide_one_that_may_begin(lab, worker, settings):
    settings.TERRAFORM_BIN, settings.WORKER_CAPACITY = "not-there", 1
    lab.region.max_runs = 1
    lab.region.save()
    make_run(lab.globex, S.APPLYING)
    held, other = queued(lab.acme, S.APPLY_QUEUED), queued(make_tenant())
    assert taken_up(worker) == set()
    held.refresh_from_db()
    assert "runs at once" in held.waiting_text
    assert taken_up(worker) == {other.public_id}


def test_a_blueprint_that_broke_since_ends_the_run_with_the_reason(lab, worker, settings, tmp_path):
    run = lab.queue()
    broken = tmp_path / "blueprints" / "lab"
    broken.mkdir(parents=True)
    (broken / "blueprint.yaml").write_text("title: [\n")
    settings.BLUEPRINT_ROOT = broken.parent
    worker.work(run.public_id)
    run.refresh_from_db()
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "cannot be used" in run.error_text


def test_a_database_that_is_away_is_no_fault_of_the_run(lab, worker):
    """Three outages in a long run must not end it as lost."""
    run = make_run(lab.acme, S.PLANNING)
    step = make_step(
        run, phase="plan", kind="terraform.init", host_id=identity.host_id(),
        worker_id=worker.identity.id,
    )  # fmt: skip

    def away(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    for _outage in range(3):
        work = Work(Run.objects.with_stack().get(pk=run.pk), worker.identity.id, step=step)
        with connection.execute_wrapper(away):
            worker._drive(work)
    run.refresh_from_db()
    assert run.status == S.PLANNING
    assert not worker.crashes


def test_a_host_id_that_was_never_written_is_made(places: Path):
    """A machine that went down between making the file and writing it must not be nobody."""
    (places / "host_id").touch()
    identity.host_id.cache_clear()
    made = identity.host_id()
    assert uuid.UUID(made)
    identity.host_id.cache_clear()
    assert identity.host_id() == made


def test_one_id_comes_of_many_starts_at_once(places: Path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(identity.host_id.__wrapped__()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
