"""Forcing a state's lock open, and who holds it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import outbox
from deployments.cloud.errors import LockNotTyped, NotLocked
from deployments.errors import ReasonMissing
from deployments.models import Run, RunEvent, RunStep, WorkerHost
from deployments.runstatus import HOLDS_STACK
from deployments.services.admission import busy_with, lock_place, try_admit
from deployments.services.lifecycle import next_number
from deployments.services.preparing import repeated, with_providers
from tenants import access, audit, blueprints, secrets
from tenants.actors import Actor
from tenants.effective import canonical_digest, effective_inputs
from tenants.models import Stack

ACTION = "unlock_state"
LABEL = gettext_lazy("Force the state's lock open")
# The lock is taken a moment after its process was started.
SLACK = timedelta(seconds=5)
CREATED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, and whether they live: `run` is ours, `text` says the rest."""

    text: str
    is_dead: bool
    run: Run | None = None


def holder_of(stack: Stack) -> Holder | None:
    """Return who holds the lock that an engine met on this stack; None when none is known."""
    lock = stack.state_lock
    if not lock:
        return None
    host = str(lock.get("who", "")).rpartition("@")[2]
    run = _our_run(stack, lock, host)
    if run is not None:
        words = {"run": run.number, "status": run.get_status_display().lower(), "host": host}
        if run.is_at_work:
            text = _("That is our own run %(run)s on host %(host)s, which is at work.")
        else:
            text = _("That was our own run %(run)s on host %(host)s, which is over (%(status)s).")
        return Holder(text % words, not run.is_at_work, run)
    if WorkerHost.objects.filter(name=host).exists():
        text = _("That is one of our worker hosts, %(host)s, but no run of this stack was at work "
                 "then: somebody worked there by hand, or another installation.")  # fmt: skip
        return Holder(text % {"host": host}, False)
    text = _("%(who)s is no host of this portal. Ask them whether they are still at work.")
    return Holder(text % {"who": lock.get("who") or "?"}, False)


def _our_run(stack: Stack, lock: dict[str, Any], host: str) -> Run | None:
    """Return the run of this stack that was at work on that host when the lock was taken."""
    taken = _moment(lock.get("created", ""))
    if taken is None:
        return None
    hosts = WorkerHost.objects.filter(name=host).values("host_id")
    steps = RunStep.objects.filter(run__stack=stack, host_id__in=hosts, started_at__lte=taken)
    steps = steps.exclude(ended_at__lt=taken - SLACK).select_related("run__stack")
    step = steps.order_by("-started_at").first()
    return step.run if step is not None else None


def _moment(text: str) -> datetime | None:
    """Return the time that Go prints (`2026-03-05 14:02:11.123456789 +0000 UTC`)."""
    found = CREATED.match(text)
    if found is None:
        return None
    whole = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return whole + timedelta(microseconds=int((found[2] or "0")[:6].ljust(6, "0")))


def unlock_state(
    actor: Actor, stack: Stack, *, reason: str, typed: str, request_key: str | None = None
) -> Run:
    """Queue a run that forces the known lock open.

    `typed` is the lock's id or the stack's name. Raises NotLocked, LockNotTyped, ReasonMissing,
    and StackBusy while one of our own runs holds the stack.
    """
    access.require(actor, "force_unlock", stack)
    if not reason.strip():
        raise ReasonMissing()
    digest = canonical_digest([stack.public_id, ACTION, typed, reason])
    with transaction.atomic():
        lock_place(stack)
        stack.refresh_from_db()
        if first := repeated(actor, request_key, digest):
            return first
        lock = stack.state_lock
        if not lock:
            raise NotLocked(stack=stack)
        if typed.strip() not in (stack.name, lock["id"]):
            raise LockNotTyped(name=stack.name)
        held = Run.objects.filter(stack=stack, status__in=HOLDS_STACK).first()
        if held is not None:
            raise busy_with(held)
        request = {"request_key": request_key or None, "request_digest": digest}
        run = _create(actor.because(reason), stack, lock["id"], request)
        audit.record(actor.because(reason), "state.unlock", run, before=lock)
        try_admit(run)
    return run


def _create(actor: Actor, stack: Stack, lock_id: str, request: dict[str, Any]) -> Run:
    inputs = effective_inputs(stack)
    run = Run.objects.create(
        stack=stack,
        region=stack.region,
        number=next_number(stack),
        action=ACTION,
        action_label=str(LABEL),
        action_kind="force_unlock",
        steps_wanted=with_providers(
            stack, [{"kind": "state.unlock", "params": {"lock_id": lock_id}}]
        ),
        is_plan_only=True,
        inputs=inputs,
        inputs_digest=canonical_digest(inputs),
        secret_versions=secrets.versions(stack),
        blueprint=stack.blueprint,
        blueprint_digest=blueprints.load(stack.blueprint).digest,
        reason=actor.reason,
        actor=actor.to_json(),
        actor_id=actor.id,
        actor_name=actor.name,
        **request,
    )
    RunEvent.objects.create(
        run=run,
        to_status=run.status,
        actor_name=actor.name,
        actor_id=actor.id,
        comment=actor.reason,
    )
    outbox.put_status(run, "", actor)
    return run
