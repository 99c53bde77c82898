"""Who may start: one function decides, and says why not.

Locks are taken in one order everywhere (region, shared environment's stack, own stack), so that
two of them never wait for each other. NO KEY UPDATE lets rows that refer to them be inserted.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from deployments import doorbell, notify
from deployments.errors import (
    DeploymentError,
    InMaintenance,
    NoWorker,
    RegionFull,
    SharedBusy,
    StackBusy,
)
from deployments.models import Approval, Maintenance, Run, WorkerHost
from deployments.runstatus import HOLDS_STACK, RunStatus
from deployments.services.foureyes import missing_before
from deployments.services.lifecycle import advance
from tenants import actors
from tenants.models import Region, Stack

S = RunStatus
# A plan that waits for a person uses no slot.
USES_SLOT = tuple(s for s in HOLDS_STACK if s is not S.PLANNED)
# What a worker does or may take up at any moment; a confirmed plan waits for one of these to end.
IN_SLOT = tuple(s for s in USES_SLOT if s is not S.APPLY_QUEUED)
SYSTEM = actors.system("admission")
# Who waits for a second person keeps nobody else waiting.
ASKED = Exists(Approval.objects.filter(run=OuterRef("pk"), state="asked"))


def lock_place(stack: Stack) -> None:
    """Lock region, shared environment's stack and the stack itself, in this order."""
    lock = {"of": ("self",), "no_key": True}
    list(Region.objects.select_for_update(**lock).filter(pk=stack.region_id).values_list("pk"))
    if stack.tenant_id and stack.parent_environment_id:
        shared = Stack.objects.filter(shared_environment_id=stack.parent_environment_id)
        list(shared.select_for_update(**lock).values_list("pk"))
    list(Stack.objects.select_for_update(**lock).filter(pk=stack.pk).values_list("pk"))


def try_admit(run: Run) -> bool:
    """Move a pending run to `plan_queued`, or store why it waits. Call with its place locked."""
    reason = _reason_to_wait(run)
    if reason is None:
        try:
            with transaction.atomic():
                lonely = no_worker(run)
                waiting = lonely.to_json() if lonely else None
                advance(run, S.PLAN_QUEUED, actor=SYSTEM, waiting=waiting)
        except IntegrityError as error:
            if "run_holds_stack" not in str(error):
                raise
            run.status = S.PENDING
            reason = _held(run) or DeploymentError()
        else:
            transaction.on_commit(partial(doorbell.ring_run, run))
            return True
    keep_waiting(run, reason)
    return False


def keep_waiting(run: Run, reason: DeploymentError) -> None:
    """Store why a run waits, unless it has moved or says so already."""
    stored = reason.to_json()
    if stored == run.waiting:
        return
    run.waiting = stored
    with transaction.atomic():
        if Run.objects.filter(pk=run.pk, status=run.status).update(waiting=stored):
            notify.run_changed(run)


def hold_back(run: Run) -> bool:
    """Tell whether a queued run may not be taken up now, and store why.

    Maintenance holds everything that has not begun. A confirmed plan gave its slot away while it
    waited for a person, so it needs one again. Call inside the transaction that takes it up.
    """
    reason = _maintenance()
    if reason is None and run.status == S.APPLY_QUEUED:
        lock = {"of": ("self",), "no_key": True}
        list(Region.objects.select_for_update(**lock).filter(pk=run.region_id).values_list("pk"))
        reason = _region_full(run, IN_SLOT)
    if reason is not None:
        keep_waiting(run, reason)
    return reason is not None


def _reason_to_wait(run: Run) -> DeploymentError | None:
    return (
        _maintenance()
        or missing_before(run)
        or _held(run)
        or _shared_held(run)
        or _region_full(run)
    )


def _maintenance() -> DeploymentError | None:
    now = timezone.now()
    in_force = Maintenance.objects.filter(ended_at__isnull=True).filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    )
    row = in_force.order_by("id").first()
    if row is None:
        return None
    since = date_format(row.created_at, "Y-m-d H:i")
    return InMaintenance(since=f"{since} UTC", by=row.by, reason=row.reason)


def _held(run: Run) -> DeploymentError | None:
    """Return the refusal that names the holder of the stack, or an older run in the queue."""
    others = Run.objects.filter(stack_id=run.stack_id).exclude(pk=run.pk)
    holder = others.filter(status__in=HOLDS_STACK).first()
    if holder is None and run.pk:
        older = others.filter(status=S.PENDING, id__lt=run.pk).exclude(ASKED)
        holder = older.order_by("id").first()
    return None if holder is None else busy_with(holder)


def busy_with(holder: Run) -> StackBusy:
    """Return the refusal that names who holds a stack and what would free it."""
    if holder.status == S.PLANNED:
        way_out = _("Confirm or discard it first.")
        age = timesince(holder.planned_at or holder.created_at)
        status = _("planned %s ago") % age
    else:
        way_out = _("Wait for its end, or cancel it.")
        status = RunStatus(holder.status).label.lower()
    return StackBusy(
        stack=holder.stack,
        run=holder.number,
        run_id=holder.public_id,
        status=status,
        by=holder.actor_name,
        way_out=way_out,
    )


def _shared_held(run: Run) -> DeploymentError | None:
    """Return why the shared environment's work and its tenants' work must not meet."""
    environment = run.stack.parent_environment_id
    if environment is None:
        return None
    near = Run.objects.filter(stack__parent_environment_id=environment, is_plan_only=False)
    near = near.exclude(stack_id=run.stack_id).select_related("stack")
    if run.stack.tenant_id:
        # An older run that waits for the shared environment goes first, or it would starve.
        near = near.filter(stack__kind="shared")
        ahead = Q(status__in=HOLDS_STACK) | Q(status=S.PENDING, id__lt=run.pk or 0) & ~Q(ASKED)
        holder = near.filter(ahead).first()
    elif run.is_plan_only:
        return None
    else:
        holder = near.filter(status__in=HOLDS_STACK).first()
    if holder is None:
        return None
    return SharedBusy(holder=holder.stack, run=holder.number, run_id=holder.public_id)


def _region_full(run: Run, statuses: Sequence[RunStatus] = USES_SLOT) -> DeploymentError | None:
    limit = run.region.max_runs
    count = Run.objects.filter(region_id=run.region_id, status__in=statuses).count()
    return RegionFull(region=run.region, count=count, limit=limit) if count >= limit else None


def no_worker(run: Run) -> NoWorker | None:
    """Return the reason to show while no live worker can take the run up."""
    hosts = WorkerHost.objects.filter(gone_at__isnull=True)
    if run.stack.backend == "local" and run.stack.state_host_id:
        hosts = hosts.filter(host_id=run.stack.state_host_id)
    last = hosts.order_by("-heartbeat_at").values_list("heartbeat_at", flat=True).first()
    silent = timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    if last is not None and timezone.now() - last < silent:
        return None
    since = f"{date_format(last, 'Y-m-d H:i')} UTC" if last else _("ever")
    return NoWorker(queue=doorbell.queue_for(run), since=since)


def admit_waiting(region_id: int, limit: int = 50) -> int:
    """Look again at the runs that wait in a region, people's first, oldest first.

    Those whose stack is held come last: many of them must not keep one from being seen that could
    start. Return how many were admitted. Cost depends on `limit`, not on how many wait.
    """
    holders = Run.objects.filter(status__in=HOLDS_STACK)
    own = holders.filter(stack_id=OuterRef("stack_id"))
    above = holders.filter(
        stack__kind="shared",
        stack__parent_environment_id=OuterRef("stack__parent_environment_id"),
        is_plan_only=False,
    )
    waiting = Run.objects.filter(region_id=region_id, status=S.PENDING)
    waiting = waiting.annotate(is_held=Exists(own) | Exists(above) | ASKED)
    admitted = 0
    order = waiting.order_by("is_held", "is_scheduled", "id").values_list("pk", flat=True)
    for pk in list(order[:limit]):
        with transaction.atomic():
            seen = Stack.objects.get(runs=pk)
            lock_place(seen)
            # Somebody who decides on this run holds its row and may want the stack's: never wait
            # for a run while holding a stack.
            lock = {"of": ("self",), "no_key": True, "skip_locked": True}
            run = Run.objects.with_stack().select_for_update(**lock)
            run = run.filter(pk=pk, status=S.PENDING).first()
            if run is None:
                continue
            if try_admit(run):
                admitted += 1
            elif (run.waiting or {}).get("code") in ("RegionFull", "InMaintenance"):
                break
    return admitted
