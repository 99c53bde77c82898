"""Doing a run: claim it, do its pieces one after the other, write down how it goes.

Between two pieces stands one transaction that closes a step and opens the next, or ends the
phase: a run at work has exactly one open step, whoever dies when.
"""

import logging
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import doorbell, facts, identity, outbox
from deployments.cloud.errors import CloudRefusal
from deployments.errors import (
    CanceledBy,
    DeploymentError,
    DiskFull,
    IllegalTransition,
    LogTooLong,
    PlanStale,
    PortalFailed,
    TerraformMissing,
    TerraformTooOld,
    TimedOut,
    WasSilent,
)
from deployments.evidence import remove_folder
from deployments.minding import LostProcess, run_process
from deployments.models import Run, RunStep, WorkerHost
from deployments.outcome import Verdict, end_phase
from deployments.runner import process, terraform, workdir
from deployments.runner.process import Exit
from deployments.runstatus import CLAIMABLE, PHASE_STATUS, RunStatus
from deployments.services.admission import hold_back
from deployments.services.fleet import lose_run
from deployments.services.foureyes import lapsed
from deployments.services.lifecycle import advance, end_run
from deployments.steps import Planned, bundles, engine, first_phase, pieces_of, states
from deployments.steps.kinds import KINDS  # noqa: F401  (every kind is known from here on)
from deployments.work import WORKER, CancelAsked, Stopping, Work
from omlsaas.lib.refusals import Refusal
from tenants import secrets
from tenants.effective import canonical_digest, effective_inputs, shared_outputs

log = logging.getLogger(__name__)
S = RunStatus


# -- claiming -------------------------------------------------------------------------------


def claim(public_id: str, worker_id: str) -> Work | None:
    """Take a queued run up: the compare-and-set that makes a second delivery a no-op.

    Return None when there is nothing to do, or not here.
    """
    try:
        with transaction.atomic():
            run = (
                Run.objects.with_stack()
                .select_for_update(of=("self",), no_key=True, skip_locked=True)
                .filter(public_id=public_id, status__in=CLAIMABLE)
                .first()
            )
            if run is None or not _may_work_here(run) or hold_back(run):
                return None
            refusal = lapsed(run) or host_refusal(run.uses_engine)
            if refusal is not None:
                end_run(run, S.ERRORED, actor=WORKER, error=refusal, error_kind="refused")
                return None
            work = Work(run, worker_id)
            if run.status == S.PLAN_QUEUED:
                _begin(work)
            elif not _begin_apply(work):
                return None
            return work
    except IllegalTransition:
        return None
    except Refusal as refusal:
        # Such as a blueprint that broke since it was queued.
        _refuse(public_id, refusal)
        return None


def _refuse(public_id: str, refusal: Refusal) -> None:
    """End a queued run that cannot begin, or it would hold its stack for ever."""
    with transaction.atomic():
        rows = Run.objects.with_stack().select_for_update(of=("self",), no_key=True)
        run = rows.filter(public_id=public_id, status__in=CLAIMABLE).first()
        if run is not None:
            end_run(run, S.ERRORED, actor=WORKER, error=refusal, error_kind="refused")


def _may_work_here(run: Run) -> bool:
    host = identity.host_id()
    if WorkerHost.objects.filter(host_id=host, is_draining=True).exists():
        return False
    stack = run.stack
    if stack.backend == "local" and stack.state_host_id not in ("", host):
        doorbell.ring_run(run)
        return False
    return True


def host_refusal(uses_engine: bool = True) -> DeploymentError | None:
    """Return why this host cannot do a run now: no terraform, too old a one, no room."""
    host = identity.host_name()
    try:
        if uses_engine:
            terraform.require(settings.TERRAFORM_BIN)
    except terraform.TerraformTooOld as problem:
        found, wanted = problem.params["found"], problem.params["needed"]
        return TerraformTooOld(host=host, found=found, wanted=wanted)
    except terraform.TerraformUnusable:
        return TerraformMissing(host=host, path=settings.TERRAFORM_BIN)
    for path in (settings.WORKDIR_ROOT, settings.STATE_ROOT, settings.VAR_ROOT):
        free = workdir.free_bytes(path)
        if free < settings.MIN_FREE_BYTES:
            return DiskFull(
                free=f"{free >> 20} MiB",
                path=path.name,
                host=host,
                wanted=f"{settings.MIN_FREE_BYTES >> 20} MiB",
            )
    return None


def _begin(work: Work) -> None:
    """Take the stack's inputs as they are now, and open the first step of the first phase."""
    run, stack = work.run, work.stack
    run.inputs = effective_inputs(stack)
    run.inputs_digest = canonical_digest(run.inputs)
    run.secret_versions = secrets.versions(stack)
    run.blueprint_digest = facts.portal_facts(stack)["blueprint_digest"]
    work.notes["shared_outputs_digest"] = canonical_digest(shared_outputs(stack))
    if run.uses_engine and stack.backend == "local" and not stack.state_host_id:
        stack.state_host_id = identity.host_id()
        stack.save(update_fields=["state_host_id"])
    version = terraform.version(settings.TERRAFORM_BIN) if run.uses_engine else ""
    begin_phase(
        work,
        first_phase(pieces_of(run.steps_wanted)),
        started_at=timezone.now(),
        terraform_version=version,
        inputs=run.inputs,
        inputs_digest=run.inputs_digest,
        secret_versions=run.secret_versions,
        blueprint_digest=run.blueprint_digest,
    )


def _begin_apply(work: Work) -> bool:
    """Open the apply's first step, unless a fact of the plan no longer holds: then discard."""
    run = work.run
    difference = fact_that_differs(work)
    if difference is not None:
        stored = difference.to_json()
        advance(run, S.DISCARDED, actor=WORKER, detail=difference, error=stored)
        return False
    begin_phase(work, first_phase(pieces_of(run.steps_wanted), after="plan"))
    return True


def fact_that_differs(work: Work) -> DeploymentError | None:
    """Compare the facts that the plan was made on with those of this host and this moment."""
    now = facts.portal_facts(work.stack)
    if not work.run.uses_engine:
        return facts.first_difference(work.run.plan.facts, now)
    now |= bundles.host_facts()
    if work.stack.backend == "local":
        now |= states.serial_facts(states.read_or_none(work))
    return facts.first_difference(work.run.plan.facts, now)


def begin_phase(work: Work, phase: str, **fields: Any) -> None:
    """Advance the run to a phase and open its first step. Call inside a transaction."""
    fields |= {"waiting": None, "host_id": identity.host_id()}
    advance(work.run, PHASE_STATUS[phase], actor=WORKER, **fields)
    pieces = pieces_of(work.run.steps_wanted)[phase]
    # The first piece of a phase is never a clean-up: that stands behind what it cleans up.
    open_step(work, pieces[0], 0)


def open_step(work: Work, planned: Planned, position: int) -> RunStep:
    """Open the step row of a piece."""
    return work.new_step(planned.phase, position, planned.piece.kind, dict(planned.params))


# -- doing ----------------------------------------------------------------------------------


def drive(work: Work) -> None:
    """Do the run's pieces until it waits, ends, or is no longer ours."""
    pieces = pieces_of(work.run.steps_wanted)
    while work.step is not None:
        step = work.step
        do_piece(work, pieces, pieces[step.phase][step.position])
    if work.run.is_ended or work.run.status == S.PLANNED:
        # What it holds in clear is sealed, or no longer needed.
        retry_database(work, lambda: remove_folder(work.run.public_id))


def do_piece(work: Work, pieces: dict[str, list[Planned]], planned: Planned) -> None:
    """Do one piece and settle what comes next."""
    outcome, verdict = None, None
    work.notes["failed"] = verdict_of_phase(work) is not None
    try:
        if is_left_out(work, planned):
            work.say(_("Left out: there is no “%s”.") % planned.if_output)
        elif planned.piece.call is not None:
            if not planned.piece.always:
                work.check_cancel()
            planned.piece.call(work, planned.params)
        else:
            outcome = run_process(work, planned)
            verdict = judge(work, planned, outcome)
    except CancelAsked:
        verdict = Verdict(S.CANCELED, _why_canceled(work))
    except LostProcess as lost:
        connection.close()
        work.step = None
        lose_run(WORKER, work.run, lost.why)
        work.run.refresh_from_db()
        return
    except (Refusal, OSError) as problem:
        if planned.piece.launch and is_living(work):
            # Nothing that goes wrong beside an engine ends it: whoever adopts the step minds on.
            raise
        verdict = _failure(planned, problem, outcome)
        if planned.piece.call is not None:
            work.say(str(verdict.why))
    retry_database(work, work.flush)
    retry_database(work, lambda: settle(work, pieces, planned, outcome, verdict))


def is_left_out(work: Work, planned: Planned) -> bool:
    """Tell whether the piece's step belongs to something that this stack does not have."""
    return bool(planned.if_output) and not work.outputs().get(planned.if_output)


def is_living(work: Work) -> bool:
    """Tell whether a process of the step may still be at work."""
    state = process.judge(work.step_dir(work.step), work.run.public_id)
    return state.kind in ("running", "orphaned")


def _failure(planned: Planned, problem: Refusal | OSError, outcome: Exit | None) -> Verdict:
    if isinstance(problem, OSError):
        return Verdict(S.ERRORED, engine.fail_for(problem), "system")
    # Whoever killed it, what it had in hand may stand there without being in the state.
    killed = planned.piece.changes and outcome is not None and outcome.signal is not None
    return Verdict(S.ERRORED, problem, _error_kind(planned, problem), forced=killed)


def _error_kind(planned: Planned, refusal: Refusal) -> str:
    if planned.piece.error_kind == "step":
        return "step"
    if isinstance(refusal, PlanStale | CloudRefusal):
        return "refused"
    return "engine" if planned.piece.launch else planned.piece.error_kind


def judge(work: Work, planned: Planned, outcome: Exit | None) -> Verdict | None:
    """Return the verdict of an exit, None for success. Raises DeploymentError for a failure."""
    if outcome is None:
        return None
    forced = outcome.was_forced and planned.piece.changes
    phase = planned.phase
    if outcome.because and outcome.exit_code == 0 and planned.piece.changes:
        # What had already finished when it was asked to stop is what it is.
        return None
    if outcome.because == "log_limit":
        limit = f"{settings.RUN_LOG_LIMIT >> 20} MiB"
        return Verdict(S.CANCELED, LogTooLong(limit=limit), forced=forced)
    if outcome.because in ("timeout", "silence"):
        default = settings.PLAN_TIMEOUT_S if phase == "plan" else settings.APPLY_TIMEOUT_S
        name = "plan_s" if phase == "plan" else "apply_s"
        if outcome.because == "silence":
            name, default = "silence_s", settings.SILENCE_TIMEOUT_S
        error = TimedOut if outcome.because == "timeout" else WasSilent
        limit = f"{engine.limit(work, name, default)} s"
        return Verdict(S.ERRORED, error(phase=phase, limit=limit), "engine", forced=forced)
    if outcome.because == "cancel":
        return Verdict(S.CANCELED, _why_canceled(work), forced=forced)
    if planned.piece.judge is not None:
        planned.piece.judge(work, outcome)
    return None


def _is_asked_to_stop(run: Run) -> bool:
    """Tell whether somebody asked; nobody can from here on to the end of the transaction."""
    row = Run.objects.select_for_update(of=("self",), no_key=True).only("cancel_requested_at")
    return row.get(pk=run.pk).cancel_requested_at is not None


def _why_canceled(work: Work) -> Refusal:
    row = Run.objects.values("cancel_by", "cancel_because").get(pk=work.run.pk)
    stored = row["cancel_because"] or {}
    known = Refusal.codes.get(stored.get("code", ""), CanceledBy)
    return known(**(stored.get("params") or {"by": row["cancel_by"] or "the host"}))


def verdict_of_phase(work: Work) -> Verdict | None:
    """Return the first bad verdict of the phase at work, also one by a worker that died."""
    steps = work.run.steps.filter(phase=work.step.phase, number__lt=work.step.number)
    for outcome in steps.order_by("number").values_list("outcome", flat=True):
        if outcome and outcome.get("verdict"):
            return Verdict.from_json(outcome["verdict"])
    return None


def settle(
    work: Work,
    pieces: dict[str, list[Planned]],
    planned: Planned,
    outcome: Exit | None,
    verdict: Verdict | None,
) -> None:
    """Close the step and open the next one, or end the phase: one fenced transaction."""
    step = work.step
    told: dict[str, Any] = asdict(outcome) if outcome else {}
    if verdict is not None:
        told["verdict"] = verdict.to_json()
    with transaction.atomic():
        earlier = verdict_of_phase(work)
        code = outcome.exit_code if outcome else None
        work.fence(ended_at=timezone.now(), exit_code=code, outcome=told or None)
        outbox.put_step(step, has_failed=verdict is not None)
        so_far = earlier or verdict
        following = pieces[step.phase][step.position + 1 :]
        for ahead, candidate in enumerate(following, start=1):
            is_due = not candidate.after_failure if so_far is None else candidate.piece.always
            if is_due:
                open_step(work, candidate, step.position + ahead)
                break
        else:
            _end_phase(work, pieces, step, so_far)
    connection.close()


def _end_phase(
    work: Work, pieces: dict[str, list[Planned]], step: RunStep, verdict: Verdict | None
) -> None:
    Run.objects.filter(pk=work.run.pk).update(log_bytes=step.log_end, log_lines=step.log_lines)
    later = first_phase(pieces, after=step.phase)
    if verdict is None and step.phase == "plan" and _is_asked_to_stop(work.run):
        # Asked while the plan was being kept: nobody may be left with one that only waits.
        verdict = Verdict(S.CANCELED, _why_canceled(work))
    following = end_phase(work, step.phase, later, verdict)
    if following is not None and step.phase == "plan" and work.run.status == S.APPLY_QUEUED:
        difference = fact_that_differs(work)
        if difference is not None:
            work.step = None
            advance(
                work.run, S.DISCARDED, actor=WORKER, detail=difference, error=difference.to_json()
            )
            return
        work.notes["folder_stands"] = True
    if following is None:
        work.step = None
    else:
        begin_phase(work, following)


def retry_database(work: Work, write: Any) -> None:
    """Write to the database, however long it is away; Stopping when this worker has to go."""
    while True:
        try:
            write()
            return
        except OperationalError as problem:
            log.warning("%s: the database is not there: %s", work.run, problem)
            connection.close()
            if work.stop.wait(1.0):
                raise Stopping from problem


def fail_run(work: Work) -> None:
    """End a run on which the portal itself failed repeatedly. Its process is stopped first."""
    run = Run.objects.with_stack().get(pk=work.run.pk)
    if run.is_ended:
        return
    why = PortalFailed(run=run.public_id)
    if run.is_at_work:
        lose_run(WORKER, run, why)
    else:
        with transaction.atomic():
            end_run(run, S.ERRORED, actor=WORKER, error=why, error_kind="system")
