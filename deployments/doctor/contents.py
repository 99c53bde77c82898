"""Looks at what is stored: keys, blueprints, logs, and what is stuck."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import identity
from deployments.doctor.findings import Finding, bad, good, warn
from deployments.errors import InMaintenance, RegionFull
from deployments.models import Plan, Run, RunStep, StateVersion
from deployments.models.runs import LogState
from deployments.runstatus import AT_WORK, CLAIMABLE, TERMINAL, RunStatus
from deployments.steps import bundles
from deployments.steps.kinds import KINDS
from tenants import blueprints, secrets
from tenants.models import CloudAccount, Region, Secret, Stack

LAG_BYTES = 8 << 20
OVERDUE_S = 60
WAITS_LONG = timedelta(hours=1)


def _open_secret(row: Secret) -> Any:
    return secrets.reveal(row, row.stack)


def _open_plan(row: Plan) -> Any:
    return secrets.decrypt(row.key_id, row.bundle, bundles.bound_to(row.run))


def _open_state(row: StateVersion) -> Any:
    bound = f"state:{row.stack.public_id}:{row.public_id}"
    return secrets.decrypt(row.key_id, row.ciphertext, bound)


def look_at_keys() -> Iterator[Finding]:
    """Open the oldest and the newest row of each kind under each key."""
    try:
        have = list(secrets.keys())
    except ImproperlyConfigured as error:
        yield bad("none", error, _("Set it from your copy: without it nothing encrypted opens."))
        return
    sources: tuple[tuple[str, QuerySet, Callable[[Any], Any]], ...] = (
        ("secret", Secret.objects.select_related("stack"), _open_secret),
        ("plan", Plan.objects.filter(bundle__isnull=False).select_related("run"), _open_plan),
        ("state", StateVersion.objects.select_related("stack"), _open_state),
        ("account", CloudAccount.objects.exclude(key_id=""), secrets.own),
        ("region", Region.objects.exclude(key_id=""), secrets.own),
    )
    needed: dict[str, int] = {}
    for name, rows, opened in sources:
        counts = rows.order_by().values("key_id").annotate(n=Count("pk"), a=Min("pk"), z=Max("pk"))
        for count in counts:
            needed[count["key_id"]] = needed.get(count["key_id"], 0) + count["n"]
            if count["key_id"] in have:
                for pk in {count["a"], count["z"]}:
                    yield from _try(name, rows.get(pk=pk), opened)
    for key in sorted(set(needed) - set(have)):
        words = {"key": key, "count": needed[key]}
        text = _("Key “%(key)s” is missing: %(count)s stored values do not open.") % words
        yield bad("missing", text, _("Add that key to ENCRYPTION_KEYS again."), **words)
    words = {"needed": ", ".join(sorted(needed)) or _("none yet"), "first": have[0]}
    text = _("Keys in use: %(needed)s; new values are written with “%(first)s”.") % words
    unused = sorted(set(have[1:]) - set(needed))
    yield good("used", text, needed=needed, unused=unused)


def _try(name: str, row: Any, opened: Callable[[Any], Any]) -> Iterator[Finding]:
    try:
        opened(row)
    except ValueError:
        text = _("A stored %(kind)s (%(id)s) does not open with its key: it was changed.")
        words = {"kind": name, "id": row.pk}
        way_out = _("Restore that row from a backup, or the key that wrote it under this name.")
        yield bad("broken", text % words, way_out, **words)


def look_at_blueprints() -> Iterator[Finding]:
    """Read every blueprint; a broken one is named with file and line."""
    names = blueprints.names()
    if not names:
        yield bad("none", _("There is no blueprint."), _("Look at BLUEPRINT_ROOT."))
    for name in names:
        flaws = list(blueprints.flaws(name))
        if not any(not flaw.is_warning for flaw in flaws):
            flaws += blueprints.unknown_steps(blueprints.load(name), KINDS)
        for flaw in flaws:
            kind = warn if flaw.is_warning else bad
            yield kind("flaw", flaw, _("Correct it; `manage.py check` reads it again."))
        if not flaws:
            yield good("sound", _("Blueprint %(name)s is sound.") % {"name": name})


def look_at_stuck() -> Iterator[Finding]:
    """Look for runs that nobody minds, plans and requests that are overdue, suspect stacks."""
    now = timezone.now()
    found = [*_unminded(now), *_unheard(now), *_waiting(now), *_overdue(now), *_suspect()]
    yield from found or [good("nothing", _("Nothing is stuck."))]


def _names(runs: QuerySet) -> str:
    return ", ".join(str(run) for run in runs.select_related("stack").order_by("id")[:5])


def _unminded(now: Any) -> Iterator[Finding]:
    late = now - timedelta(seconds=OVERDUE_S)
    steps = RunStep.objects.filter(ended_at__isnull=True, lease_until__lt=late)
    runs = Run.objects.filter(status__in=AT_WORK, pk__in=steps.values("run_id"))
    if count := runs.count():
        words = {"count": count, "names": _names(runs)}
        text = _("Runs at work that no worker minds: %(names)s (%(count)s).") % words
        way_out = _("Start the worker of their host: it takes them up. They may still be working.")
        yield bad("unminded", text, way_out, **words)


def _unheard(now: Any) -> Iterator[Finding]:
    late = now - timedelta(minutes=2)
    queued = Q(status=RunStatus.PLAN_QUEUED, admitted_at__lt=late)
    queued |= Q(status=RunStatus.APPLY_QUEUED, confirmed_at__lt=late)
    runs = Run.objects.filter(queued, status__in=CLAIMABLE)
    # These wait for what their own words say, not for a worker.
    held = Q(waiting__code__in=(RegionFull.__name__, InMaintenance.__name__))
    runs = runs.filter(Q(waiting__isnull=True) | ~held)
    if count := runs.count():
        words = {"count": count, "names": _names(runs)}
        text = _("Queued runs that no worker takes up: %(names)s (%(count)s).") % words
        yield warn(
            "unheard", text, _("Look at the worker check: none, full, or draining."), **words
        )


def _waiting(now: Any) -> Iterator[Finding]:
    oldest = Run.objects.with_stack().filter(status=RunStatus.PENDING).order_by("id").first()
    if oldest is not None and oldest.created_at < now - WAITS_LONG:
        hours = int((now - oldest.created_at).total_seconds() // 3600)
        words = {"run": str(oldest), "hours": hours, "why": oldest.waiting_text}
        text = _("%(run)s waits for %(hours)s h: %(why)s") % words
        yield warn("waiting", text, _("Free what holds it, or cancel it."), **words)


def _overdue(now: Any) -> Iterator[Finding]:
    late = now - timedelta(minutes=2)
    plans = Run.objects.filter(status=RunStatus.PLANNED, plan_expires_at__lt=late)
    if count := plans.count():
        words = {"count": count, "names": _names(plans)}
        text = _("Expired plans are still held: %(names)s (%(count)s).") % words
        yield warn("expired", text, _("Start beat, or let cron call reap_runs."), **words)
    grace = timedelta(seconds=settings.CANCEL_GRACE_S) + timedelta(minutes=2)
    asked = Run.objects.filter(status__in=AT_WORK, cancel_requested_at__lt=now - grace)
    if count := asked.count():
        words = {"count": count, "names": _names(asked)}
        text = _("Asked to stop and still at work: %(names)s (%(count)s).") % words
        yield warn("unstopped", text, _("An admin may force-cancel them on their pages."), **words)


def _suspect() -> Iterator[Finding]:
    stacks = Stack.objects.filter(state_suspect=True)
    if count := stacks.count():
        names = ", ".join(stacks.order_by("name").values_list("name", flat=True)[:5])
        words = {"count": count, "names": names}
        text = _("Suspect stacks refuse changes: %(names)s (%(count)s).") % words
        way_out = _("Queue a plan-only run of each, look at it, and mark it as reviewed.")
        yield warn("suspect", text, way_out, **words)


def look_at_logs() -> Iterator[Finding]:
    """Compare what engines of this host have printed with what is stored, and look at the rest."""
    mine = RunStep.objects.filter(host_id=identity.host_id(), ended_at__isnull=True)
    lag = 0
    for step in mine.only("step_dir", "raw_offset"):
        raw = Path(step.step_dir, "raw.log")
        if raw.is_file():
            lag = max(lag, raw.stat().st_size - step.raw_offset)
    text = _("The slowest log is %(kb)s kB behind its engine.") % {"kb": lag // 1000}
    if lag > LAG_BYTES:
        way_out = _("The database takes lines slower than they come; look at its load and disk.")
        yield warn("lag", text, way_out, bytes=lag)
    else:
        yield good("lag", text, bytes=lag)
    before = timezone.now() - timedelta(hours=1)
    waiting = Run.objects.filter(status__in=TERMINAL, ended_at__lt=before, log_bytes__gt=0)
    count = waiting.filter(log_state__in=(LogState.OPEN, LogState.COMPLETE)).count()
    if count:
        text = _("Logs of ended runs that are not compressed yet: %(count)s.") % {"count": count}
        yield warn(
            "uncompacted",
            text,
            _("A worker does it behind its other work: start one."),
            count=count,
        )
