"""What people decide about a run: confirm, discard, cancel, force-cancel, hold."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from deployments import doorbell, facts, notify
from deployments.errors import (
    CanceledBy,
    DeploymentError,
    ForceTooEarly,
    IllegalTransition,
    NothingToCancel,
    PlanDigestDiffers,
    PlanExpired,
    PlanUnread,
    TypedNameWrong,
)
from deployments.models import Approval, Plan, Run
from deployments.runstatus import AT_WORK, RunStatus
from deployments.services.approvalerrors import ApproverConfirms
from deployments.services.foureyes import approver_of, still_missing, told
from deployments.services.lifecycle import advance, end_run
from deployments.services.queueing import refuse_suspect
from tenants import access, audit
from tenants.actors import Actor

S = RunStatus


def confirm_run(
    actor: Actor,
    run: Run,
    *,
    comment: str = "",
    plan_digest: str = "",
    has_read: bool = False,
    typed_name: str | None = "",
) -> Run:
    """Say yes to a plan: exactly that plan is applied.

    `plan_digest` is what the page showed; a door that showed none passes "". A plan that
    destroys or replaces needs `has_read`; a destroy the stack's name as `typed_name` (None: a
    command whose user named the stack on its line). A plan that no longer fits is discarded,
    with the fact that changed as the reason, and PlanStale rises. One that needs a second person
    waits for one: NeedsSecondPerson rises, and somebody is asked.
    """
    access.require(actor, run.action_kind, run.stack)
    with transaction.atomic():
        run = _locked(run)
        if run.status != S.PLANNED or run.cancel_requested_at is not None:
            label = RunStatus(run.status).label
            raise IllegalTransition(run=run, status=label, wanted=S.APPLY_QUEUED.label)
        refuse_suspect(run.stack)
        digest = Plan.objects.values_list("digest", flat=True).get(run=run)
        if plan_digest and plan_digest != digest:
            raise PlanDigestDiffers()
        _check_meant(run, has_read, typed_name)
        refusal = _expired(run) or facts.stale(run)
        if refusal is not None:
            _discard(actor, run, refusal)
        else:
            refusal, held = still_missing(actor, run)
            if held is not None and held.decided_by_id in actor.persons:
                raise ApproverConfirms(by=run.actor_name)
        if refusal is None:
            _accept(actor, run, comment, digest, held)
    if refusal is not None:
        raise refusal
    return run


def _accept(actor: Actor, run: Run, comment: str, digest: str, held: Approval | None) -> None:
    advance(run, S.APPLY_QUEUED, actor=actor, comment=comment, confirmed_by=actor.name)
    Run.objects.filter(pk=run.pk).update(comment=comment)
    after = {"plan_digest": digest, **told(run, held)}
    more = {"approver": approver_of(run, held), "plan_digest": digest}
    audit.record(actor.because(comment), "run.confirm", run, after=after, **more)
    transaction.on_commit(partial(doorbell.ring_run, run))


def _check_meant(run: Run, has_read: bool, typed_name: str | None) -> None:
    """Refuse a yes that may be a slip: to what ends something, to a destroy."""
    asks = run.is_destroy or run.asks_name
    if asks and typed_name is not None and typed_name != run.stack.name:
        raise TypedNameWrong(name=run.stack.name)
    if (run.to_replace or run.to_destroy) and not has_read:
        raise PlanUnread(replace=run.to_replace, destroy=run.to_destroy)


def _expired(run: Run) -> PlanExpired | None:
    if run.plan_expires_at is None or run.plan_expires_at > timezone.now():
        return None
    return PlanExpired(planned=f"{run.planned_at:%Y-%m-%d %H:%M} UTC")


def _discard(actor: Actor, run: Run, reason: DeploymentError | None, comment: str = "") -> None:
    stored = reason.to_json() if reason else None
    advance(run, S.DISCARDED, actor=actor, detail=reason, comment=comment, error=stored)
    after = {"because": stored} if stored else None
    digest = Plan.objects.filter(run=run).values_list("digest", flat=True).first() or ""
    said = actor.because(comment)
    audit.record(said, "run.discard", run, after=after, plan_digest=digest)


def discard_run(
    actor: Actor, run: Run, *, comment: str = "", because: DeploymentError | None = None
) -> Run:
    """Say no to a plan; the stack is free again."""
    access.require(actor, run.action_kind, run.stack)
    with transaction.atomic():
        run = _locked(run)
        if run.status not in (S.PLANNED, S.APPLY_QUEUED):
            label = RunStatus(run.status).label
            raise IllegalTransition(run=run, status=label, wanted=S.DISCARDED.label)
        _discard(actor, run, because, comment)
    return run


def cancel_run(
    actor: Actor, run: Run, *, comment: str = "", because: DeploymentError | None = None
) -> Run:
    """Ask a run to stop, wherever it stands.

    What has no process ends at once. Work in progress gets one interrupt; its end is seen when
    the process has really gone. Asking twice changes nothing.
    """
    access.require(actor, run.action_kind, run.stack)
    with transaction.atomic():
        run = _locked(run)
        if run.is_ended:
            raise NothingToCancel(run=run, status=run.get_status_display())
        if run.cancel_requested_at is not None:
            return run
        why = because or CanceledBy(by=actor.name)
        run.cancel_requested_at, run.cancel_mode = timezone.now(), "graceful"
        run.cancel_by, run.cancel_because = actor.name, {**why.to_json(), "comment": comment}
        run.save(
            update_fields=["cancel_requested_at", "cancel_mode", "cancel_by", "cancel_because"]
        )
        audit.record(actor.because(comment), "run.cancel", run, after={"status": run.status})
        if run.status in AT_WORK:
            notify.run_changed(run)
            transaction.on_commit(partial(doorbell.ring_cancel, run))
        else:
            end_run(run, S.CANCELED, actor=actor, error=why)
    return run


def force_allowed_at(run: Run):
    """Return when force-cancel opens for a run that was asked to stop."""
    return run.cancel_requested_at + timedelta(seconds=settings.FORCE_CANCEL_AFTER_S)


def force_cancel_run(actor: Actor, run: Run, *, comment: str = "") -> Run:
    """Kill what is left of a run that was asked to stop and did not.

    For admins, after the cool-off. The stack is suspect afterwards.
    """
    access.require(actor, "force_unlock", run.stack)
    with transaction.atomic():
        run = _locked(run)
        if run.is_ended:
            raise NothingToCancel(run=run, status=run.get_status_display())
        if run.cancel_requested_at is None or timezone.now() < force_allowed_at(run):
            raise ForceTooEarly(seconds=settings.FORCE_CANCEL_AFTER_S)
        run.cancel_mode = "kill"
        run.save(update_fields=["cancel_mode"])
        audit.record(actor.because(comment), "run.force_cancel", run)
        notify.run_changed(run)
        transaction.on_commit(partial(doorbell.ring_cancel, run))
    return run


def hold_run(actor: Actor, run: Run, on: bool, reason: str) -> Run:
    """Keep a run's log and states from retention, or let it go again."""
    access.require(actor, "admin", run.stack)
    with transaction.atomic():
        run = _locked(run)
        before = {"legal_hold": run.has_legal_hold}
        Run.objects.filter(pk=run.pk).update(has_legal_hold=on)
        run.has_legal_hold = on
        audit.record(
            actor.because(reason), "run.hold", run, before=before, after={"legal_hold": on}
        )
    return run


def _locked(run: Run) -> Run:
    """Return the run as it stands now, locked against other deciders."""
    return Run.objects.with_stack().select_for_update(of=("self",), no_key=True).get(pk=run.pk)
