"""Whole runs with the real terraform: what is planned is what is applied, whatever happens."""

import json
import threading
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from deployments import logstore
from deployments.errors import PlanDigestDiffers, PlanStale, PlanUnread, TypedNameWrong
from deployments.models import Plan, Run, RunStep, StateVersion
from deployments.models.runs import LogState
from deployments.runner import process
from deployments.runstatus import RunStatus
from deployments.services import (
    cancel_run,
    confirm_run,
    discard_run,
    force_cancel_run,
    retry_run,
    review_stack,
    rollback_state,
)
from deployments.services.states import current_version, state_difference
from tenants import secrets
from tenants.models import AuditEntry, Stack
from tests.lab import SECRET, save_plain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus


@pytest.fixture
def ledger(lab, tmp_path) -> Path:
    """Return the ledger file of acme: a line per resource that was really applied."""
    path = tmp_path / "ledger"
    path.touch()
    save_plain(lab.stack(), {"ledger_path": str(path)})
    return path


def do(worker, run: Run) -> Run:
    """Let the worker take the run up and do all that it can."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def install(lab, worker) -> Run:
    """Install acme."""
    run = do(worker, lab.queue(auto_apply=True))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    return run


def in_thread(worker, run: Run) -> threading.Thread:
    """Let the worker do the run in a thread, as Celery does."""
    thread = threading.Thread(target=worker.work, args=(run.public_id,))
    thread.start()
    return thread


def log_of(run: Run) -> str:
    """Return the stored log."""
    return logstore.read(run.pk, 0, 10_000_000).decode()


def engine_step(run: Run) -> RunStep | None:
    """Return the apply's step once its process exists."""
    step = run.steps.filter(kind="terraform.apply").first()
    return step if step and process.read_child(Path(step.step_dir)) else None


def test_install_plan_confirm_apply(lab, worker, ledger):
    run = do(worker, lab.queue(reason="first"))
    assert (run.status, run.to_create) == (S.PLANNED, 20)
    assert not ledger.read_text()
    assert not (lab_folder(run)).exists(), "the folder with values in clear stays not"
    confirm_run(lab.actor, run, comment="agreed", plan_digest=run.plan.digest)
    run = do(worker, run)
    assert run.status == S.APPLIED
    assert len(ledger.read_text().splitlines()) == 20
    stack = lab.stack()
    assert (stack.condition, stack.resource_count) == ("in_service", 20)
    assert stack.outputs["url"]["value"]
    assert run.log_state == LogState.COMPLETE
    assert worker.compactor.compact_ended() == 1
    run.refresh_from_db()
    assert run.log_state == LogState.COMPACTED
    assert "Apply complete! Resources: 20 added" in log_of(run)
    assert [s.moment for s in StateVersion.objects.filter(stack=stack)] == ["after_apply"]
    assert Plan.objects.get(run=run).bundle is None, "an ended run needs no bundle"


def lab_folder(run: Run) -> Path:
    from django.conf import settings

    return Path(settings.WORKDIR_ROOT) / run.public_id


def test_auto_apply_goes_to_the_end_in_one_go(lab, worker, ledger):
    install(lab, worker)
    assert len(ledger.read_text().splitlines()) == 20


def test_auto_apply_stops_before_data_is_replaced(lab, worker):
    install(lab, worker)
    Stack.objects.filter(name="acme").update(is_auto_destroy=True)
    save_plain(lab.stack(), {"force_replace": "now"})
    run = do(worker, lab.queue("change", auto_apply=True))
    assert (run.status, run.to_replace > 0) == (S.PLANNED, True)
    assert "module.database" in run.events.get(to_status=S.PLANNED).detail_text


def test_nothing_to_do_is_an_end_of_its_own(lab, worker):
    install(lab, worker)
    run = do(worker, lab.queue("change"))
    assert (run.status, run.has_changes) == (S.PLANNED_AND_FINISHED, False)


def test_confirm_refuses_an_unread_replacement_and_another_digest(lab, worker):
    install(lab, worker)
    assert not Run.objects.get(stack=lab.stack()).asks_name, "an install ends nothing"
    save_plain(lab.stack(), {"force_replace": "now"})
    run = do(worker, lab.queue("change"))
    with pytest.raises(TypedNameWrong):  # its database goes, with its data
        confirm_run(lab.actor, run, has_read=True, typed_name="")
    with pytest.raises(PlanUnread):
        confirm_run(lab.actor, run, plan_digest=run.plan.digest, typed_name="acme")
    with pytest.raises(PlanDigestDiffers):
        confirm_run(lab.actor, run, plan_digest="0" * 64, has_read=True)
    run.refresh_from_db()
    assert run.status == S.PLANNED


def test_an_input_changed_since_the_plan_discards_it_at_confirm(lab, worker):
    run = do(worker, lab.queue())
    save_plain(lab.stack(), {"channels": 61})
    with pytest.raises(PlanStale) as refused:
        confirm_run(lab.actor, run)
    assert "the stack's inputs" in str(refused.value)
    run.refresh_from_db()
    assert run.status == S.DISCARDED
    assert "inputs" in run.error_text


def test_a_state_that_moved_discards_the_plan_at_the_apply(lab, worker, settings):
    install(lab, worker)
    save_plain(lab.stack(), {"force_replace": "x"})
    run = do(worker, lab.queue("change"))
    confirm_run(lab.actor, run, has_read=True, typed_name="acme")
    path = Path(settings.STATE_ROOT) / lab.stack().public_id / "terraform.tfstate"
    state = json.loads(path.read_text())
    state["serial"] += 5
    path.write_text(json.dumps(state))
    run = do(worker, run)
    assert run.status == S.DISCARDED
    assert "serial" in run.error_text


def test_another_terraform_discards_the_plan(lab, worker):
    run = do(worker, lab.queue())
    confirm_run(lab.actor, run)
    plan = Plan.objects.get(run=run)
    plan.facts["terraform_version"] = "1.11.0"
    plan.save()
    run = do(worker, run)
    assert run.status == S.DISCARDED
    assert "Terraform was 1.11.0 at plan time" in run.error_text


def test_a_bundle_of_another_run_does_not_open(lab, worker):
    first, second = do(worker, lab.queue()), do(worker, lab.queue(name="globex"))
    theirs = Plan.objects.get(run=second)
    Plan.objects.filter(run=first).update(bundle=theirs.bundle)
    confirm_run(lab.actor, first)
    with pytest.raises(ValueError, match="belongs elsewhere"):
        from deployments.steps import bundles

        plan = Plan.objects.get(run=first)
        secrets.decrypt(plan.key_id, plan.bundle, bundles.bound_to(first))


def test_a_failed_resource_errors_the_run_and_keeps_the_state(lab, worker):
    save_plain(lab.stack(), {"fail_resource": "app"})
    run = do(worker, lab.queue(auto_apply=True))
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    stack = lab.stack()
    assert 0 < stack.resource_count < 20
    assert stack.condition == "errored"
    assert not stack.state_suspect
    assert StateVersion.objects.filter(stack=stack, moment="after_apply").exists()
    save_plain(stack, {"fail_resource": ""})
    again = do(worker, retry_run(lab.actor, run))
    assert again.status == S.PLANNED


def test_cancel_while_applying_is_one_interrupt_with_the_state_kept(lab, worker, wait_until):
    save_plain(lab.stack(), {"delay_ms": 3000})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    wait_until(lambda: engine_step(run))
    cancel_run(lab.actor, run, comment="wrong window")
    from deployments.tasks import cancel

    cancel(run.public_id)
    thread.join(30)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert (run.status, run.was_forced) == (S.CANCELED, False)
    assert not run.stack.state_suspect
    assert not process.marked_pids(run.public_id)
    assert "Canceled by" in run.error_text


def test_force_cancel_leaves_a_suspect_stack_that_refuses(lab, worker, wait_until, settings):
    settings.FORCE_CANCEL_AFTER_S = 0
    save_plain(lab.stack(), {"delay_ms": 60000})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    wait_until(lambda: engine_step(run))
    cancel_run(lab.actor, run)
    force_cancel_run(lab.actor, run)
    from deployments.tasks import cancel

    cancel(run.public_id)
    thread.join(30)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert (run.status, run.was_forced) == (S.CANCELED, True)
    assert run.stack.state_suspect
    assert not process.marked_pids(run.public_id)


def test_cancel_in_a_status_without_a_process_ends_at_once(lab, worker):
    queued, waiting = lab.queue(), lab.queue("plan")
    cancel_run(lab.actor, waiting)
    cancel_run(lab.actor, queued)
    planned = do(worker, lab.queue())
    cancel_run(lab.actor, planned)
    statuses = set(Run.objects.values_list("status", flat=True))
    assert statuses == {S.CANCELED}


def test_a_second_delivery_is_a_no_op(lab, worker, ledger):
    run = lab.queue(auto_apply=True)
    threads = [in_thread(worker, run) for _ in range(4)]
    for thread in threads:
        thread.join(60)
    do(worker, run)
    assert len(ledger.read_text().splitlines()) == 20
    assert run.events.filter(to_status=S.APPLYING).count() == 1


def test_a_dead_workers_run_is_adopted_and_ends_applied(lab, worker, ledger, wait_until, settings):
    save_plain(lab.stack(), {"delay_ms": 700, "flood_lines": 200, "flood_line_ms": 5})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    # The worker goes as at a shutdown: it lets go at once.
    worker.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert Run.objects.get(pk=run.pk).status == S.APPLYING
    from deployments.worker import Worker

    second = Worker()
    second._adopt(RunStep.objects.get(pk=step.pk))
    wait_until(lambda: Run.objects.get(pk=run.pk).is_ended, 60)
    second.shut_down()
    run.refresh_from_db()
    assert run.status == S.APPLIED
    assert len(ledger.read_text().splitlines()) == 20
    text = log_of(run)
    numbers = [n for n in range(1, 201) if text.count(f"line {n} of 200") == 1]
    assert len(numbers) == 200
    assert RunStep.objects.get(pk=step.pk).epoch == 2


def test_a_worker_that_wakes_up_late_writes_nothing(lab, worker, ledger, wait_until, settings):
    """As after SIGSTOP past the lease and SIGCONT: the second epoch has fenced the first out."""
    save_plain(lab.stack(), {"delay_ms": 500, "flood_lines": 400, "flood_line_ms": 5})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    from deployments.worker import Worker

    second = Worker()
    # Both mind the same step at once; only the second one's epoch counts.
    second._adopt(RunStep.objects.get(pk=step.pk))
    wait_until(lambda: Run.objects.get(pk=run.pk).is_ended, 60)
    thread.join(20)
    second.shut_down()
    run.refresh_from_db()
    assert run.status == S.APPLIED
    text = log_of(run)
    assert all(text.count(f"line {n} of 400") == 1 for n in range(1, 401))
    assert len(ledger.read_text().splitlines()) == 20


def test_a_killed_supervisor_makes_the_run_lost_and_the_stack_suspect(lab, worker, wait_until):
    save_plain(lab.stack(), {"delay_ms": 2000})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    child = process.read_child(Path(step.step_dir))
    import os
    import signal

    os.kill(child["shim_pid"], signal.SIGKILL)
    thread.join(60)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.LOST
    assert run.stack.state_suspect
    assert not process.marked_pids(run.public_id)
    from deployments.errors import StackSuspect

    with pytest.raises(StackSuspect):
        lab.queue()
    # The way out: a plan-only run, and a person who says reviewed.
    look = do(worker, lab.queue("plan"))
    assert look.status == S.PLANNED_AND_FINISHED, look.error_text
    review_stack(lab.actor, lab.stack(), comment="looked, fits")
    assert not lab.stack().state_suspect
    assert AuditEntry.objects.filter(action="stack.reviewed", reason="looked, fits").exists()


def test_rolling_the_state_back_pushes_it_with_a_higher_serial_and_plans(lab, worker):
    install(lab, worker)
    first = current_version(lab.stack())
    save_plain(lab.stack(), {"replicas": 2})
    run = do(worker, lab.queue("change", auto_apply=True))
    assert run.status == S.APPLIED, run.error_text
    newest = current_version(lab.stack())
    told = state_difference(newest, first)
    assert len(told["forgets"]) == 2
    rolled = rollback_state(
        lab.actor, first, reason="believe the old one", seen_serial=newest.serial
    )
    rolled = do(worker, rolled)
    assert rolled.status == S.PLANNED_AND_FINISHED, (rolled.error_text, log_of(rolled))
    assert lab.stack().state_serial > newest.serial
    assert rolled.to_create == 2, "Terraform believes that the two are missing"


def test_destroy_empties_the_stack(lab, worker, ledger):
    install(lab, worker)
    run = do(worker, lab.queue("destroy"))
    assert (run.status, run.to_destroy) == (S.PLANNED, 20)
    with pytest.raises(TypedNameWrong):
        confirm_run(lab.actor, run, has_read=True, typed_name="globex")
    confirm_run(lab.actor, run, has_read=True, typed_name="acme")
    run = do(worker, run)
    assert run.status == S.APPLIED
    stack = lab.stack()
    assert (stack.resource_count, stack.condition) == (0, "not_installed")
    assert stack.applied_inputs == {}


def test_discard_frees_the_stack(lab, worker):
    run = do(worker, lab.queue())
    discard_run(lab.actor, run, comment="not today")
    run.refresh_from_db()
    assert run.status == S.DISCARDED
    assert lab.stack().condition == "not_installed"


def test_a_secret_reaches_no_log_row_or_view(lab, worker):
    run = install(lab, worker)
    assert SECRET not in log_of(run)
    assert SECRET not in json.dumps(Plan.objects.get(run=run).view)
    assert SECRET not in json.dumps(list(run.steps.values_list("progress", flat=True)))
    assert SECRET not in json.dumps(lab.stack().outputs)
    assert SECRET in secrets.known_values(lab.stack())


def test_a_region_of_another_host_is_left_to_it(lab, worker):
    run = lab.queue()
    Stack.objects.filter(name="acme").update(state_host_id="another-host")
    assert do(worker, run).status == S.PLAN_QUEUED


def test_without_terraform_the_run_says_how_to_get_it(lab, worker, settings):
    settings.TERRAFORM_BIN = "terraform-that-is-not-there"
    run = do(worker, lab.queue())
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "developer.hashicorp.com" in run.error_text


def test_a_full_disk_refuses_with_the_room_that_is_needed(lab, worker, settings):
    settings.MIN_FREE_BYTES = 1 << 60
    run = do(worker, lab.queue())
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "Make room" in run.error_text


def test_a_host_that_is_declared_gone_loses_its_runs(lab, worker, wait_until):
    from deployments.models import WorkerHost
    from deployments.services import declare_host_gone
    from deployments.worker import beat

    save_plain(lab.stack(), {"delay_ms": 1500})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    wait_until(lambda: engine_step(run))
    beat()
    declare_host_gone(lab.actor, WorkerHost.objects.get(), "burnt down")
    assert Run.objects.get(pk=run.pk).status == S.LOST
    thread.join(60)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.LOST, "what comes back later does not change the status"
    assert run.ended_at <= timezone.now()
    connection.close()
