"""Runs that are disturbed between any two statements: nothing is lost, nothing is done twice."""

import os
import signal
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction

from deployments import evidence, execution, logstore
from deployments.errors import StateForced
from deployments.models import Run, RunStep, StateVersion
from deployments.runner import process, workdir
from deployments.runner.workdir import local_state_path
from deployments.runstatus import RunStatus
from deployments.services import cancel_run, confirm_run, mark_suspect, rollback_state
from deployments.services.states import current_version
from deployments.steps import pieces_of, terraform_apply
from deployments.work import Work
from tests.conftest import BINS
from tests.lab import save_plain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus


def do(worker, run: Run) -> Run:
    """Let the worker take the run up and do all that it can."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def installed(lab, worker) -> Run:
    """Install acme."""
    run = do(worker, lab.queue(auto_apply=True))
    assert run.status == S.APPLIED, run.error_text
    return run


def in_thread(worker, run: Run) -> threading.Thread:
    """Let the worker do the run in a thread, as Celery does."""
    thread = threading.Thread(target=worker.work, args=(run.public_id,))
    thread.start()
    return thread


def engine_step(run: Run) -> RunStep | None:
    """Return the apply's step once its process exists."""
    step = run.steps.filter(kind="terraform.apply").first()
    return step if step and process.read_child(Path(step.step_dir)) else None


def folder_of(settings, run: Run) -> Path:
    """Return a run's folder."""
    return settings.WORKDIR_ROOT / run.public_id


# -- an engine that lives ------------------------------------------------------------------


def test_a_cancel_that_cannot_be_written_does_not_end_a_run_whose_engine_lives(
    lab, worker, wait_until, settings
):
    settings.LEASE_RENEW_S = 1
    save_plain(lab.stack(), {"delay_ms": 400})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    # As on a full disk: the request finds no place.
    in_the_way = Path(step.step_dir, "cancel")
    in_the_way.mkdir()
    cancel_run(lab.actor, run)
    wait_until(lambda: not thread.is_alive() or engine_is_over(step), 60)
    assert engine_is_over(step), "it was given up while its engine was at work"
    thread.join(60)
    assert Run.objects.get(pk=run.pk).status == S.APPLIED


def engine_is_over(step: RunStep) -> bool:
    """Tell whether a step's process has ended."""
    return process.read_exit(Path(step.step_dir)) is not None


def test_a_cancel_is_written_once_there_is_room_again(lab, worker, wait_until, settings):
    settings.LEASE_RENEW_S = 1
    save_plain(lab.stack(), {"delay_ms": 20_000})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    in_the_way = Path(step.step_dir, "cancel")
    in_the_way.mkdir()
    cancel_run(lab.actor, run)
    thread.join(3)
    assert thread.is_alive()
    in_the_way.rmdir()
    thread.join(60)
    assert Run.objects.get(pk=run.pk).status == S.CANCELED


def test_a_key_that_is_missing_at_a_take_over_does_not_end_a_living_run(
    lab, worker, wait_until, settings
):
    save_plain(lab.stack(), {"delay_ms": 400})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    worker.stop.set()
    thread.join(10)
    kept, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, f"other:{'A' * 43}="
    from deployments.worker import Worker

    second = Worker()
    try:
        second._adopt(RunStep.objects.get(pk=step.pk))
        wait_until(lambda: not second.hands, 30)
        assert Run.objects.get(pk=run.pk).status == S.APPLYING
        settings.ENCRYPTION_KEYS = kept
        second._adopt(RunStep.objects.get(pk=step.pk))
        wait_until(lambda: Run.objects.get(pk=run.pk).is_ended, 60)
    finally:
        second.shut_down()
    assert Run.objects.get(pk=run.pk).status == S.APPLIED


def test_an_engine_that_somebody_killed_leaves_a_suspect_stack(lab, worker, wait_until):
    save_plain(lab.stack(), {"delay_ms": 3000})
    run = lab.queue(auto_apply=True)
    thread = in_thread(worker, run)
    step = wait_until(lambda: engine_step(run))
    # As the kernel does when memory runs out.
    os.kill(process.read_child(Path(step.step_dir))["pid"], signal.SIGKILL)
    thread.join(60)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.ERRORED
    assert "SIGKILL" in run.error_text
    assert run.stack.state_suspect


def test_a_supervisor_that_cannot_begin_is_an_error_and_not_a_lost_run(lab, worker, settings):
    run = lab.queue()
    # Its first file cannot be made, as on a disk without a free block.
    blocked = folder_of(settings, run) / "steps" / "1" / "exit.json.tmp"
    blocked.mkdir(parents=True)
    run = do(worker, run)
    assert (run.status, run.error["code"]) == (S.ERRORED, "EngineNotStarted")
    assert "directory" in run.error_text.lower()
    assert not run.stack.state_suspect


# -- folders -------------------------------------------------------------------------------


def test_a_folder_that_was_left_half_removed_is_not_applied_from(lab, worker, settings):
    run = do(worker, lab.queue())
    # The worker died while it removed it: of what was planned in, only this is left.
    module = folder_of(settings, run) / "tf" / "lab" / "tenant"
    (module / ".terraform").mkdir(parents=True)
    confirm_run(lab.actor, run)
    run = do(worker, run)
    assert run.status == S.APPLIED, run.error_text


def locked_elsewhere(run: Run, act) -> None:
    """Do something while another worker holds the run's row, as one that takes it up does."""
    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        thread = threading.Thread(target=lambda: (act(), connection.close()))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()


def test_the_sweep_leaves_the_folder_of_a_plan_that_is_being_taken_up(lab, worker, settings):
    run = do(worker, lab.queue())
    folder = workdir.Workdir(settings.WORKDIR_ROOT, run.public_id).make()
    locked_elsewhere(run, evidence.sweep_folders)
    assert folder.tf.is_dir()
    assert evidence.sweep_folders() == 1
    assert not folder.path.exists()


def test_a_worker_that_is_late_does_not_remove_the_folder_of_the_apply(lab, worker, settings):
    run = do(worker, lab.queue())
    confirm_run(lab.actor, run)
    folder = workdir.Workdir(settings.WORKDIR_ROOT, run.public_id).make()
    assert not evidence.remove_folder(run.public_id)
    assert folder.tf.is_dir()


# -- cancel --------------------------------------------------------------------------------


def test_a_cancel_while_the_plan_is_kept_ends_the_run(lab, worker, settings, wait_until):
    """Otherwise it waits for a confirmation that nobody can give, and holds the stack."""
    settings.TERRAFORM_BIN = str(BINS / "terraform-shows-slowly")
    run = lab.queue()
    thread = in_thread(worker, run)
    shown = folder_of(settings, run) / "plan.json"
    wait_until(shown.exists)
    cancel_run(lab.actor, run)
    thread.join(30)
    run = Run.objects.get(pk=run.pk)
    assert run.status == S.CANCELED
    assert "Canceled by" in run.error_text


# -- states --------------------------------------------------------------------------------


def test_a_first_install_that_was_killed_can_be_planned_and_applied_again(lab, worker):
    """A kill in an apply leaves a state of 0 bytes, which Terraform takes for none."""
    stack = lab.stack()
    local_state_path(Path(worker.identity.path).parents[1] / "state", stack.public_id).touch()
    mark_suspect(lab.actor, stack, StateForced(run=1, run_id="run_x"))
    look = do(worker, lab.queue("plan"))
    assert look.status == S.PLANNED_AND_FINISHED, look.error_text
    assert lab.stack().suspect_checked_at is not None
    type(stack).objects.filter(pk=stack.pk).update(state_suspect=False)
    assert do(worker, lab.queue(auto_apply=True)).status == S.APPLIED


def test_an_apply_that_finds_no_state_forgets_nothing(lab, worker, settings):
    """Or the next plan would build everything a second time."""
    installed(lab, worker)
    before = lab.stack()
    local_state_path(settings.STATE_ROOT, before.public_id).unlink()
    run = Run.objects.with_stack().get(stack=before)
    step = run.steps.get(kind="state.after")
    RunStep.objects.filter(pk=step.pk).update(ended_at=None)
    step.refresh_from_db()
    work = Work(run, step.worker_id, step=step, notes={"failed": True})
    terraform_apply._after(work, {})
    after = lab.stack()
    assert (after.resource_count, after.state_lineage) == (
        before.resource_count,
        before.state_lineage,
    )
    assert after.outputs == before.outputs


def test_a_roll_back_that_pushed_nothing_forgets_nothing(lab, worker, settings):
    installed(lab, worker)
    before = lab.stack()
    local_state_path(settings.STATE_ROOT, before.public_id).unlink()
    version = StateVersion.objects.filter(stack=before).first()
    run = rollback_state(
        lab.actor, version, reason="test", seen_serial=current_version(before).serial
    )
    work = execution.claim(run.public_id, worker.identity.id)
    work.run.inputs = {**work.run.inputs, "cidr": []}
    (piece,) = [p for p in pieces_of(run.steps_wanted)["plan"] if p.piece.kind == "state.keep"]
    piece.piece.call(work, piece.params)
    assert lab.stack().resource_count == before.resource_count > 0
    assert lab.stack().state_serial == before.state_serial


# -- what an engine may say ----------------------------------------------------------------


def test_a_nul_in_an_engines_error_is_shown_and_does_not_lose_the_run(lab, worker, settings):
    settings.TERRAFORM_BIN = str(BINS / "terraform-says-nul")
    run = do(worker, lab.queue())
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "local-exec ␀ failed" in run.error_text
    assert "␀".encode() in logstore.read(run.pk, 0, 1 << 20)
    assert "\x00" not in str(run.steps.last().progress)


# -- limits --------------------------------------------------------------------------------


def test_an_apply_that_finishes_at_its_time_out_is_applied(lab, worker, settings):
    settings.TERRAFORM_BIN = str(BINS / "terraform-finishes-late")
    settings.APPLY_TIMEOUT_S = 1
    run = do(worker, lab.queue(auto_apply=True))
    assert run.steps.get(kind="terraform.apply").outcome["because"] == "timeout"
    assert run.status == S.APPLIED, run.error_text
    assert lab.stack().applied_at is not None


def test_the_log_limit_counts_what_earlier_steps_wrote(lab, worker, settings):
    save_plain(lab.stack(), {"flood_lines": 300, "flood_line_ms": 10})
    settings.RUN_LOG_LIMIT = 1_000_000
    run = do(worker, lab.queue())
    RunStep.objects.filter(run=run).update(log_end=999_000)
    confirm_run(lab.actor, run)
    run = do(worker, run)
    assert (run.status, run.error["code"]) == (S.CANCELED, "LogTooLong")
