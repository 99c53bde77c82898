"""Worker hosts and the switch that pauses the fleet."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from deployments import outbox
from deployments.errors import ClosedByHand, DeploymentError, HostGone, ReasonMissing, RunLost
from deployments.models import Maintenance, Run, WorkerHost
from deployments.runstatus import AT_WORK, RunStatus
from deployments.services.lifecycle import end_run
from deployments.services.stacks import mark_suspect
from tenants import access, audit
from tenants.actors import Actor


def lose_run(actor: Actor, run: Run, why: DeploymentError) -> bool:
    """End a run as lost: its outcome is unknown, and its stack is suspect until reviewed.

    Return False when the run had ended or moved meanwhile.
    """
    with transaction.atomic():
        run = Run.objects.with_stack().select_for_update(of=("self",), no_key=True).get(pk=run.pk)
        if run.status not in AT_WORK:
            return False
        # The next epoch fences out a worker that comes back and believes it still has the run.
        for step in run.steps.filter(ended_at__isnull=True):
            outbox.put_step(step, has_failed=True)
        run.steps.filter(ended_at__isnull=True).update(
            ended_at=timezone.now(), lease_until=None, epoch=F("epoch") + 1
        )
        last = run.steps.order_by("-number").first()
        length = {"log_bytes": last.log_end, "log_lines": last.log_lines} if last else {}
        end_run(run, RunStatus.LOST, actor=actor, error=why, error_kind="system", **length)
        mark_suspect(actor, run.stack, RunLost(run=run.number, run_id=run.public_id))
    return True


def declare_host_gone(actor: Actor, host: WorkerHost, reason: str) -> int:
    """Declare a silent host gone; return how many of its runs are lost by that."""
    access.require(actor, "admin")
    if not reason.strip():
        raise ReasonMissing()
    with transaction.atomic():
        host.gone_at, host.gone_by, host.gone_reason = timezone.now(), actor.name, reason
        host.save(update_fields=["gone_at", "gone_by", "gone_reason"])
        audit.record(actor.because(reason), "host.gone", host)
    why = HostGone(host=host.name, why=ClosedByHand(by=actor.name, reason=reason))
    return lose_runs_of(actor, host, why)


def lose_runs_of(actor: Actor, host: WorkerHost, why: DeploymentError) -> int:
    """Lose every run that was at work on a host; return how many."""
    runs = Run.objects.with_stack().filter(host_id=host.host_id, status__in=AT_WORK)
    return sum(lose_run(actor, run, why) for run in runs)


def set_draining(actor: Actor, host: WorkerHost, on: bool) -> None:
    """Let a host finish what it has and take nothing new, or take it back."""
    access.require(actor, "admin")
    with transaction.atomic():
        before = {"draining": host.is_draining}
        host.is_draining = on
        host.save(update_fields=["is_draining"])
        audit.record(actor, "host.drain", host, before=before, after={"draining": on})


def set_maintenance(actor: Actor, *, reason: str, expires_at=None, on: bool = True) -> None:
    """Pause the fleet with a reason, or let it go on. Work in progress is not touched."""
    access.require(actor, "admin")
    if on and not reason.strip():
        raise ReasonMissing()
    with transaction.atomic():
        if on:
            row = Maintenance.objects.create(reason=reason, by=actor.name, expires_at=expires_at)
            audit.record(actor.because(reason), "maintenance.change", row, after={"on": True})
            return
        for row in Maintenance.objects.filter(ended_at__isnull=True):
            row.ended_at = timezone.now()
            row.save(update_fields=["ended_at"])
            audit.record(actor.because(reason), "maintenance.change", row, after={"on": False})
