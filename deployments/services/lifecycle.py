"""The one function that writes a run's status, and what must be true with each status."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from deployments import doorbell, notify, outbox
from deployments.errors import IllegalTransition
from deployments.models import Plan, Run, RunEvent
from deployments.models.runs import LogState
from deployments.runstatus import OPEN, TERMINAL, TRANSITIONS, RunStatus
from deployments.services.foureyes import void_of, yes_to
from omlsaas.lib.refusals import Refusal
from tenants import audit
from tenants.actors import Actor
from tenants.models import Stack
from tenants.models.stacks import Condition, HostsState

S = RunStatus
# When a status is reached, this column takes the time.
STAMPS = {
    S.PLAN_QUEUED: "admitted_at",
    S.PLANNING: "started_at",
    S.PLANNED: "planned_at",
    S.APPLY_QUEUED: "confirmed_at",
    S.APPLYING: "apply_started_at",
}


def advance(
    run: Run,
    to: RunStatus,
    *,
    actor: Actor,
    detail: Refusal | None = None,
    comment: str = "",
    **fields: Any,
) -> None:
    """Move a run along one edge of TRANSITIONS: the only code that writes `status`.

    Compare-and-set: the UPDATE names the status that we read, so of two racing callers one wins
    and the other gets IllegalTransition. Call inside a transaction.
    """
    old = RunStatus(run.status)
    if to not in TRANSITIONS[old]:
        raise IllegalTransition(run=run, status=old.label, wanted=to.label)
    fields = _with_times(to, fields)
    if not Run.objects.filter(pk=run.pk, status=old).update(status=to, **fields):
        run.refresh_from_db(fields=["status"])
        raise IllegalTransition(run=run, status=RunStatus(run.status).label, wanted=to.label)
    run.status = to
    for name, value in fields.items():
        setattr(run, name, value)
    RunEvent.objects.create(
        run=run,
        from_status=old,
        to_status=to,
        actor_name=actor.name,
        actor_id=actor.id,
        detail=detail.to_json() if detail else None,
        comment=comment,
    )
    outbox.put_status(run, old, actor, detail)
    refresh_condition(run.stack)
    notify.run_changed(run)
    if to in TERMINAL:
        _after_end(run)


def _with_times(to: RunStatus, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that go with a status, its times among them."""
    now = timezone.now()
    if to in STAMPS:
        fields.setdefault(STAMPS[to], now)
    if to in TERMINAL:
        # By now every line is stored: a process is settled only after its last one is.
        fields.update(ended_at=now, waiting=None, notice=None, log_state=LogState.COMPLETE)
    return fields


def _after_end(run: Run) -> None:
    """Forget what only a living plan needs, and let the next run in once this is committed."""
    Plan.objects.filter(run=run).update(bundle=None)
    void_of(run)
    transaction.on_commit(partial(doorbell.ring_admission, run.region_id))


def end_run(
    run: Run,
    to: RunStatus,
    *,
    actor: Actor,
    error: Refusal | None = None,
    error_kind: str = "",
    **fields: Any,
) -> None:
    """End a run with its reason, in one transaction with its audit entry."""
    with transaction.atomic():
        stored = error.to_json() if error else None
        advance(run, to, actor=actor, detail=error, error=stored, error_kind=error_kind, **fields)
        after = {"status": str(to), **({"error": stored} if stored else {})}
        action = "run.lost" if to == S.LOST else "run.end"
        audit.record(actor, action, run, after=after, **yes_to(run))


def refresh_condition(stack: Stack) -> None:
    """Write the most urgent condition of a stack, from its mark, its runs and its state."""
    row = Stack.objects.values_list(
        "state_suspect", "has_drift", "resource_count", "hosts_state", "condition"
    ).get(pk=stack.pk)
    suspect, drift, resources, made, before = row
    statuses = set(
        Run.objects.filter(stack=stack, status__in=OPEN).values_list("status", flat=True)
    )
    if suspect:
        now = Condition.LOST
    elif S.PLANNED in statuses:
        now = Condition.TO_CONFIRM
    elif statuses:
        now = Condition.RUNNING
    elif _last_change_failed(stack) or made in (HostsState.MADE, HostsState.BEHIND):
        now = Condition.ERRORED
    elif drift:
        now = Condition.DRIFT
    else:
        now = Condition.IN_SERVICE if resources else Condition.NOT_INSTALLED
    stack.condition = now
    if now != before:
        Stack.objects.filter(pk=stack.pk).update(condition=now)


def _last_change_failed(stack: Stack) -> bool:
    """Tell whether the last run that says something errored, or was canceled half-way.

    One that was discarded, or canceled before its apply, says nothing.
    """
    told = Q(status__in=(S.APPLIED, S.ERRORED, S.PLANNED_AND_FINISHED))
    half_way = Q(status=S.CANCELED, apply_started_at__isnull=False)
    runs = Run.objects.filter(told | half_way, stack=stack).order_by("-id")
    return runs.values_list("status", flat=True).first() in (S.ERRORED, S.CANCELED)


def next_number(stack: Stack) -> int:
    """Return the next run number of a stack. Call with the stack's row locked."""
    Stack.objects.filter(pk=stack.pk).update(run_count=F("run_count") + 1)
    return Stack.objects.values_list("run_count", flat=True).get(pk=stack.pk)
