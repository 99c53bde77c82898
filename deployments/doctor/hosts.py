"""Looks at the worker hosts: do they live, what do they see of themselves, do they agree."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import identity
from deployments.doctor.findings import Finding, bad, good, warn
from deployments.models import Run, WorkerHost
from deployments.runner import terraform, workdir
from deployments.runstatus import AT_WORK

ROOM = 3


def live_hosts() -> list[WorkerHost]:
    """Return the hosts that were heard lately."""
    since = timezone.now() - timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    hosts = WorkerHost.objects.filter(gone_at__isnull=True, heartbeat_at__gte=since)
    return list(hosts.order_by("name"))


def look() -> Iterator[Finding]:
    """Look at the workers' heartbeats."""
    now, live = timezone.now(), live_hosts()
    if not live:
        last = WorkerHost.objects.order_by("-heartbeat_at").first()
        heard = (
            f"{last.heartbeat_at:%Y-%m-%d %H:%M} UTC" if last and last.heartbeat_at else _("never")
        )
        yield bad(
            "none",
            _("No worker is alive; last heard: %(when)s.") % {"when": heard},
            _("Start one: make run, or celery -A omlsaas worker -P threads on a worker host."),
        )
    elif all(host.is_draining for host in live):
        yield warn(
            "all_draining",
            _("Every live worker host is draining: queued runs wait."),
            _("Stop draining one of them in the administration, or start another."),
        )
    for host in live:
        age = max(0, int((now - host.heartbeat_at).total_seconds()))
        words = {"host": host.name, "age": age, "busy": host.checks.get("busy", 0),
                 "capacity": host.capacity}  # fmt: skip
        text = _("%(host)s was heard %(age)s s ago; %(busy)s of %(capacity)s slots are taken.")
        if host.is_draining:
            text = _("%(host)s is draining: it takes nothing new. %(busy)s runs are left.")
        yield good("alive", text % words, **words, draining=host.is_draining)
    yield from _silent(live)


def _silent(live: list[WorkerHost]) -> Iterator[Finding]:
    heard = [host.pk for host in live]
    for host in WorkerHost.objects.filter(gone_at__isnull=True).exclude(pk__in=heard):
        runs = Run.objects.filter(host_id=host.host_id, status__in=AT_WORK).count()
        since = f"{host.heartbeat_at:%Y-%m-%d %H:%M} UTC" if host.heartbeat_at else _("ever")
        words = {"host": host.name, "since": since, "runs": runs}
        text = _("%(host)s is silent since %(since)s; runs at work there: %(runs)s.") % words
        way_out = _(
            "Start its worker again: it takes its runs up. If the host will not come back, declare "
            "it gone in the administration."
        )
        yield (bad if runs else warn)("silent", text, way_out, **words)


def look_at_terraform() -> Iterator[Finding]:
    """Look at the terraform of this host, and at what each live worker host says of its own."""
    yield from terraform_here()
    here = identity.host_id()
    for host in live_hosts():
        if host.host_id != here:
            yield _terraform_of(host)


def terraform_here() -> Iterator[Finding]:
    """Look at the terraform of this host: it judges what people type."""
    try:
        found = terraform.require(settings.TERRAFORM_BIN)
        yield good("here", _("Terraform %(version)s here.") % {"version": found}, version=found)
    except terraform.TerraformUnusable as problem:
        yield bad("here", problem, _("Install it, or set TERRAFORM_BIN; docs/starting.md."))


def _terraform_of(host: WorkerHost) -> Finding:
    found = host.checks.get("terraform", "")
    words = {
        "host": host.name,
        "version": found or "?",
        "wanted": terraform.words(terraform.MINIMUM),
    }
    if not found:
        text = _("%(host)s has no terraform that works.") % words
        return bad("host", text, _("Install it there, or set TERRAFORM_BIN for its worker."))
    numbers = tuple(int(part) for part in found.partition("-")[0].split(".") if part.isdecimal())
    text = _("Terraform %(version)s on %(host)s.") % words
    if numbers < terraform.MINIMUM:
        way_out = _("Install %(wanted)s or newer there.") % words
        return bad("host", text, way_out, **words)
    return good("host", text, **words)


def look_at_workdirs() -> Iterator[Finding]:
    """Look whether all hosts unpack plans at the same place: a plan fits no other."""
    roots = {host.checks.get("workdir_root"): host.name for host in live_hosts()}
    roots.pop(None, None)
    mine = str(settings.WORKDIR_ROOT)
    if len(roots) > 1:
        names = ", ".join(f"{name}: {root}" for root, name in sorted(roots.items()))
        yield bad(
            "differs",
            _("WORKDIR_ROOT is not the same on all hosts: %(names)s.") % {"names": names},
            _("Give all workers the same path: a plan made on one is not applied on another."),
        )
    elif roots and mine not in roots:
        words = {"here": mine, "there": next(iter(roots))}
        yield warn(
            "here_differs",
            _("WORKDIR_ROOT is %(here)s here and %(there)s on the workers.") % words,
            _("Give the doctor the workers' environment, or this host theirs."),
        )
    else:
        yield good("same", _("WORKDIR_ROOT is the same everywhere."), path=mine)


def look_at_disks(has_database: bool = True) -> Iterator[Finding]:
    """Look at the free room in the folders of this host, and of the other worker hosts."""
    folders = {"WORKDIR_ROOT": settings.WORKDIR_ROOT, "STATE_ROOT": settings.STATE_ROOT,
               "VAR_ROOT": settings.VAR_ROOT}  # fmt: skip
    for name, path in folders.items():
        yield _room(name, str(path), workdir.free_bytes(Path(path)))
    if not has_database:
        return
    here = identity.host_id()
    for host in live_hosts():
        free = host.checks.get("free_bytes")
        if host.host_id != here and free is not None:
            yield _room("WORKDIR_ROOT", f"{host.name}:{host.checks.get('workdir_root')}", free)


def _room(name: str, place: str, free: int) -> Finding:
    words = {"free": f"{free / 1e9:.1f} GB", "name": name, "place": place}
    text = _("%(free)s free in %(name)s (%(place)s).") % words
    way_out = _("Make room: runs refuse to start below %(least)s.") % {
        "least": f"{settings.MIN_FREE_BYTES / 1e9:.1f} GB"
    }
    if free < settings.MIN_FREE_BYTES:
        return bad("full", text, way_out, place=place, free_bytes=free)
    if free < ROOM * settings.MIN_FREE_BYTES:
        return warn("low", text, way_out, place=place, free_bytes=free)
    return good("room", text, place=place, free_bytes=free)
