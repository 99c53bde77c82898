"""What is global and periodic: silent hosts, plans that expire, retention.

Each part may be done by several processes at once and repeated at will: what was done already is
not done again.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format

from deployments import logstore, notify
from deployments.errors import HostGone, HostSilent, IllegalTransition, PlanExpired
from deployments.models import (
    Approval,
    Plan,
    Run,
    RunEvent,
    RunStep,
    StateVersion,
    WorkerHost,
)
from deployments.models.runs import LogState
from deployments.runstatus import AT_WORK, TERMINAL, RunStatus
from deployments.services.admission import admit_waiting, keep_waiting, no_worker
from deployments.services.decisions import discard_run
from deployments.services.ephemeral import end_expired
from deployments.services.fleet import lose_runs_of
from tenants import actors, audit
from tenants.actors import Actor
from tenants.models import Region

REAPER = actors.system("reaper")
LOGS_AT_ONCE = 500
ROWS_AT_ONCE = 1_000
PLANS_AT_ONCE = 200


def reap(actor: Actor = REAPER) -> dict[str, int]:
    """Judge silent hosts and expired plans, and let waiting runs in; return what was done."""
    return {
        "silent_hosts": _mark_silent(),
        "lost_runs": _lose_of_silent(actor),
        "expired_plans": _expire_plans(actor),
        "unheard": _tell_unheard(),
        "ended_stacks": end_expired(),
        "admitted": sum(admit_waiting(pk) for pk in _regions_with_waiting()),
    }


def _regions_with_waiting() -> list[int]:
    waiting = Run.objects.filter(status=RunStatus.PENDING).order_by()
    return list(
        Region.objects.filter(pk__in=waiting.values("region_id")).values_list("pk", flat=True)
    )


# --- silent hosts ------------------------------------------------------------------------------
def _mark_silent() -> int:
    """Tell on the runs of a silent host that it is silent; its runs keep status and stack."""
    limit = timezone.now() - timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    silent = WorkerHost.objects.filter(heartbeat_at__lt=limit, gone_at__isnull=True)
    for host in silent.filter(host_id__in=_working_hosts()):
        since = f"{date_format(host.heartbeat_at, 'Y-m-d H:i')} UTC"
        notice = HostSilent(host=host.name, since=since).to_json()
        runs = Run.objects.filter(host_id=host.host_id, status__in=AT_WORK)
        _tell(runs.exclude(notice=notice) | runs.filter(notice__isnull=True), notice)
    heard = WorkerHost.objects.filter(heartbeat_at__gte=limit).values("host_id")
    runs = Run.objects.filter(host_id__in=heard, status__in=AT_WORK)
    _tell(runs.filter(notice__code=HostSilent.__name__), None)
    return silent.count()


def _working_hosts() -> QuerySet:
    """Return the ids of hosts with runs at work: machines that came and went cost nothing."""
    return Run.objects.filter(status__in=AT_WORK).order_by().values("host_id")


def _tell(runs: QuerySet, notice: dict[str, Any] | None) -> None:
    """Put a notice on runs, or take it off, and let open pages know."""
    for run in runs:
        with transaction.atomic():
            if Run.objects.filter(pk=run.pk, status__in=AT_WORK).update(notice=notice):
                notify.run_changed(run)


def _lose_of_silent(actor: Actor) -> int:
    """Lose the runs of hosts that were silent for HOST_LOST_AFTER_S.

    Not after an outage of ours: a host that could not write its heartbeat while the database was
    away gets time to do it. So its silence must have been watched, by looks not far apart.
    """
    now = timezone.now()
    limit = now - timedelta(seconds=settings.HOST_LOST_AFTER_S)
    silent_for = timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    lost = 0
    silent = WorkerHost.objects.filter(heartbeat_at__lt=limit, gone_at__isnull=True)
    for host in silent.filter(host_id__in=_working_hosts()):
        if now - _watched_since(host, now) < silent_for:
            continue
        since = f"{date_format(host.heartbeat_at, 'Y-m-d H:i')} UTC"
        lost += lose_runs_of(actor, host, HostGone(host=host.name, why=f"silent since {since}."))
    return lost


def _watched_since(host: WorkerHost, now: datetime) -> datetime:
    """Return since when this silence has been looked at, and note that it is again.

    The note stands among the host's own checks: its next heartbeat replaces them.
    """
    seen = host.checks.get("silence") or {}
    since, looked = (parse_datetime(seen.get(key, "")) for key in ("since", "looked"))
    gap = timedelta(seconds=settings.HOST_LOST_AFTER_S / 2)
    if since is None or looked is None or now - looked > gap:
        since = now
    note = {"since": since.isoformat(), "looked": now.isoformat()}
    mine = WorkerHost.objects.filter(pk=host.pk, heartbeat_at=host.heartbeat_at)
    mine.update(checks={**host.checks, "silence": note})
    return since


def _tell_unheard() -> int:
    """Say on queued runs that no worker is alive for them: it may have gone since they came."""
    late = timezone.now() - timedelta(seconds=settings.LEASE_S)
    queued = Q(status=RunStatus.PLAN_QUEUED, admitted_at__lt=late)
    queued |= Q(status=RunStatus.APPLY_QUEUED, confirmed_at__lt=late)
    told = 0
    for run in Run.objects.with_stack().filter(queued, waiting__isnull=True)[:PLANS_AT_ONCE]:
        if (why := no_worker(run)) is not None:
            keep_waiting(run, why)
            told += 1
    return told


def _expire_plans(actor: Actor) -> int:
    expired = Run.objects.with_stack().filter(
        status=RunStatus.PLANNED, plan_expires_at__lt=timezone.now()
    )
    done = 0
    for run in expired.order_by("plan_expires_at")[:PLANS_AT_ONCE]:
        planned = f"{run.planned_at:%Y-%m-%d %H:%M} UTC"
        try:
            discard_run(actor, run, because=PlanExpired(planned=planned))
            done += 1
        except IllegalTransition:
            continue  # Somebody decided in this moment.
    return done


# --- retention ---------------------------------------------------------------------------------
def _ended_before(days: int) -> QuerySet:
    """Return the runs that retention may look at: old, not held, not among their stack's last."""
    before = timezone.now() - timedelta(days=days)
    old = Run.objects.filter(status__in=TERMINAL, ended_at__lt=before, has_legal_hold=False)
    return old.filter(number__lte=F("stack__run_count") - settings.KEEP_LOGS_RUNS)


def prunable_logs() -> QuerySet:
    """Return the runs whose log retention lets go."""
    return _ended_before(settings.KEEP_LOGS_DAYS).exclude(log_state=LogState.PRUNED).order_by("id")


def prunable_runs() -> QuerySet:
    """Return the runs whose whole history retention lets go: none unless KEEP_RUNS_DAYS is set.

    A run stays while its log, a kept state, a restore point or a later run refers to it.
    """
    if not settings.KEEP_RUNS_DAYS:
        return Run.objects.none()
    referred = Run.objects.filter(retry_of__isnull=False).values("retry_of_id")
    old = _ended_before(settings.KEEP_RUNS_DAYS).filter(log_state=LogState.PRUNED)
    free = old.filter(state_versions__isnull=True, restore_points__isnull=True)
    return free.exclude(pk__in=referred).order_by("id")


def surplus_states() -> QuerySet:
    """Return the state versions beyond the newest KEEP_STATES of their stack; held ones stay."""
    free = StateVersion.objects.exclude(run__has_legal_hold=True)
    place = Window(RowNumber(), partition_by="stack_id", order_by=F("id").desc())
    return free.annotate(place=place).filter(place__gt=settings.KEEP_STATES).order_by("id")


def prune(actor: Actor = REAPER, *, dry_run: bool = False, limit: int = LOGS_AT_ONCE) -> dict:
    """Remove old logs, surplus states, old history and dead sessions; return the counts.

    One call does a bounded part; `more` tells whether another would find something.
    """
    logs = list(prunable_logs().only("pk", "log_bytes")[:limit])
    states = list(surplus_states().values_list("pk", flat=True)[:ROWS_AT_ONCE])
    runs = list(prunable_runs().values_list("pk", flat=True)[:ROWS_AT_ONCE])
    dead = Session.objects.filter(expire_date__lt=timezone.now())
    sessions = list(dead.values_list("pk", flat=True)[:ROWS_AT_ONCE])
    more = len(logs) == limit or ROWS_AT_ONCE in (len(states), len(runs), len(sessions))
    if dry_run:
        freed = sum(run.log_bytes for run in logs)
        return {"logs": len(logs), "bytes": freed, "states": len(states), "runs": len(runs),
                "sessions": len(sessions), "more": more}  # fmt: skip
    gone = [run for run in logs if _delete_log(run)]
    with transaction.atomic():
        done = {
            "logs": len(gone),
            "bytes": sum(run.log_bytes for run in gone),
            # Without their contents, which deleting would read.
            "states": StateVersion.objects.filter(pk__in=states).only("pk").delete()[0],
            "runs": _delete_runs(runs),
            "sessions": Session.objects.filter(pk__in=sessions).delete()[0],
        }
        if done["logs"] or done["states"] or done["runs"]:
            audit.record(actor, "logs.prune", audit.PORTAL, after=done)
    return {**done, "more": more}


def _delete_log(run: Run) -> bool:
    with transaction.atomic():
        return logstore.delete_log(run)


def _delete_runs(pks: list[int]) -> int:
    """Delete runs with what only they have. What people did stays in the audit trail."""
    for model in (RunEvent, RunStep, Plan, Approval):
        model.objects.filter(run_id__in=pks).delete()
    return Run.objects.filter(pk__in=pks).delete()[1].get("deployments.Run", 0)
