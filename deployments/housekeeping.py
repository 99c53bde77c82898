"""What is global and periodic: silent hosts, plans that expire, retention."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from deployments import logstore
from deployments.errors import HostGone, HostSilent, IllegalTransition, PlanExpired
from deployments.models import Run, StateVersion, WorkerHost
from deployments.models.runs import LogState
from deployments.runstatus import AT_WORK, TERMINAL, RunStatus
from deployments.services.admission import admit_waiting
from deployments.services.decisions import discard_run
from deployments.services.fleet import lose_runs_of
from tenants import actors, audit
from tenants.actors import Actor
from tenants.models import Region

REAPER = actors.system("reaper")
LOGS_AT_ONCE = 500


def reap(actor: Actor = REAPER) -> dict[str, int]:
    """Judge silent hosts and expired plans, and let waiting runs in; return what was done."""
    return {
        "silent_hosts": _mark_silent(),
        "lost_runs": _lose_of_silent(actor),
        "expired_plans": _expire_plans(actor),
        "admitted": sum(admit_waiting(pk) for pk in _regions_with_waiting()),
    }


def _regions_with_waiting() -> list[int]:
    waiting = Run.objects.filter(status=RunStatus.PENDING).order_by()
    return list(
        Region.objects.filter(pk__in=waiting.values("region_id")).values_list("pk", flat=True)
    )


def _mark_silent() -> int:
    """Tell on the runs of a silent host that it is silent; its runs keep status and stack."""
    limit = timezone.now() - timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    silent = WorkerHost.objects.filter(heartbeat_at__lt=limit, gone_at__isnull=True)
    for host in silent:
        since = f"{date_format(host.heartbeat_at, 'Y-m-d H:i')} UTC"
        notice = HostSilent(host=host.name, since=since).to_json()
        Run.objects.filter(host_id=host.host_id, status__in=AT_WORK).update(notice=notice)
    heard = WorkerHost.objects.filter(heartbeat_at__gte=limit).values_list("host_id", flat=True)
    Run.objects.filter(
        host_id__in=list(heard), status__in=AT_WORK, notice__code="HostSilent"
    ).update(notice=None)
    return len(silent)


def _lose_of_silent(actor: Actor) -> int:
    """After HOST_LOST_AFTER the runs of a silent host are lost. Not after an outage of ours."""
    limit = timezone.now() - timedelta(seconds=settings.HOST_LOST_AFTER_S)
    lost = 0
    for host in WorkerHost.objects.filter(heartbeat_at__lt=limit, gone_at__isnull=True):
        since = f"{date_format(host.heartbeat_at, 'Y-m-d H:i')} UTC"
        lost += lose_runs_of(actor, host, HostGone(host=host.name, why=f"silent since {since}."))
    return lost


def _expire_plans(actor: Actor) -> int:
    expired = Run.objects.with_stack().filter(
        status=RunStatus.PLANNED, plan_expires_at__lt=timezone.now()
    )
    done = 0
    for run in expired[:200]:
        planned = f"{run.planned_at:%Y-%m-%d %H:%M} UTC"
        try:
            discard_run(actor, run, because=PlanExpired(planned=planned))
            done += 1
        except IllegalTransition:
            continue  # Somebody decided in this moment.
    return done


def prunable_logs() -> Any:
    """Return the runs whose log retention lets go: old, and not among the last of their stack.

    Open runs, runs under legal hold and runs whose state may still be rolled back to stay.
    """
    before = timezone.now() - timedelta(days=settings.KEEP_LOGS_DAYS)
    return (
        Run.objects.filter(status__in=TERMINAL, ended_at__lt=before, has_legal_hold=False)
        .exclude(log_state=LogState.PRUNED)
        .extra(
            where=[
                "deployments_run.number <= (SELECT s.run_count FROM tenants_stack s"
                " WHERE s.id = deployments_run.stack_id) - %s"
            ],
            params=[settings.KEEP_LOGS_RUNS],
        )
        .order_by("id")
    )


def prune(actor: Actor = REAPER, *, dry_run: bool = False, limit: int = LOGS_AT_ONCE) -> dict:
    """Remove old logs and surplus states by the retention settings; return the counts."""
    runs = list(prunable_logs().only("pk", "log_bytes")[:limit])
    freed = sum(run.log_bytes for run in runs)
    states = _surplus_states()
    if not dry_run:
        for run in runs:
            logstore.delete_log(run)
        StateVersion.objects.filter(pk__in=states).delete()
        if runs or states:
            with transaction.atomic():
                after = {"logs": len(runs), "states": len(states), "bytes": freed}
                audit.record(actor, "logs.prune", _portal(), after=after)
    return {"logs": len(runs), "bytes": freed, "states": len(states), "more": len(runs) == limit}


def _surplus_states() -> list[int]:
    """Return state versions beyond the newest KEEP_STATES of their stack, without holds."""
    sql = (
        "SELECT id FROM (SELECT v.id, v.run_id, row_number() OVER"
        " (PARTITION BY v.stack_id ORDER BY v.id DESC) AS place"
        " FROM deployments_stateversion v) ranked"
        " LEFT JOIN deployments_run r ON r.id = ranked.run_id"
        " WHERE place > %s AND coalesce(r.has_legal_hold, false) = false LIMIT 1000"
    )
    sql = sql.replace("SELECT id FROM", "SELECT ranked.id FROM", 1)
    return [row.pk for row in StateVersion.objects.raw(sql, [settings.KEEP_STATES])]


class _Portal:
    """The portal itself as the target of an audit entry."""

    pk = 0
    public_id = "portal"

    class _meta:
        model_name = "portal"

    def __str__(self) -> str:
        return "portal"


def _portal() -> Any:
    return _Portal()
