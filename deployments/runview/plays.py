"""The picture of a playbook: a line for each host, with its counters and what took its time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments.models import Run, RunStep
from deployments.runview.timeline import WIDTH, grid_lines, scale, tick_label
from deployments.runview.words import lasted, moment
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.models import Stack

HOSTS_SHOWN = 60
TONES = {
    "ok": ("ok", "circle-check"),
    "changed": ("ok", "circle-check"),
    "failed": ("bad", "circle-x"),
    "unreachable": ("bad", "plug-connected-x"),
}
BAR_TONES = {"ok": "idle", "changed": "wait", "failed": "bad", "unreachable": "bad"}
_RANK = {"failed": 0, "unreachable": 0}


@dataclass(frozen=True)
class Plays:
    """One playbook as the page shows it."""

    title: Any
    subtitle: str
    rows: SafeString
    ticks: list[str]
    counts: list[tuple[str, int, str]]
    hosts: list[dict[str, Any]]
    more: int
    notes: list[dict[str, Any]]


def plays_of(run: Run, steps: Sequence[RunStep], titles: Mapping[str, Any]) -> list[Plays]:
    """Return the pictures of the run's playbooks, as far as they have begun."""
    found = []
    for step in steps:
        if step.kind in PLAYBOOKS and step.progress.get("hosts"):
            found.append(_plays(run, step, titles.get(step.kind, step.kind)))
    return found


def last_notes(stack: Stack) -> list[dict[str, Any]]:
    """Return what playbooks told last of the stack's hosts."""
    told = RunStep.objects.filter(
        run__stack=stack, kind__in=PLAYBOOKS, progress__notes__0__isnull=False
    )
    latest = told.order_by("-pk").values_list("progress__notes", flat=True).first()
    return latest or []


def _plays(run: Run, step: RunStep, title: Any) -> Plays:
    told = step.progress
    is_running = step.ended_at is None and not run.is_ended
    end = step.ended_at or run.ended_at or timezone.now()
    now = max((end - step.started_at).total_seconds(), 0.05)
    span, tick = scale(now)
    unit = WIDTH / span
    hosts = sorted(told["hosts"], key=lambda row: (_RANK.get(row["status"], 1), row["place"]))
    bars = _bars_by_host(told.get("bars", ()), step.started_at, unit)
    tasks = {task["number"]: task["name"] for task in told.get("tasks", ())}
    lines = grid_lines(span, tick, unit)
    drawn = "\n".join(
        _drawn(row, lines, bars.get(row["place"], ()), tasks) for row in hosts[:HOSTS_SHOWN]
    )
    return Plays(
        title=title,
        subtitle=_subtitle(told, now, is_running),
        rows=mark_safe(drawn),  # noqa: S308 made of numbers and escaped text
        ticks=[tick_label(n * tick, tick < 1) for n in range(round(span / tick))],
        counts=_counts(told["totals"]),
        hosts=hosts,
        notes=list(told.get("notes", ())),
        more=max(0, len(hosts) - HOSTS_SHOWN) + int(told.get("more_hosts", 0)),
    )


def _subtitle(told: Mapping[str, Any], now: float, is_running: bool) -> str:
    time = {"time": lasted(now)}
    if is_running:
        facts = {"number": told.get("task_count", 0), "task": told.get("task", "")}
        return f"{_('%(time)s so far') % time}, {_('task %(number)s: %(task)s') % facts}"
    count = int(told.get("task_count", 0))
    tasks = ngettext("%(n)s task", "%(n)s tasks", count) % {"n": count}
    return f"{_('took %(time)s') % time}, {tasks}"


def _counts(totals: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Return (tone, number, word) of what there is to count."""
    words = {
        "ok": ("ok", _("ok")),
        "changed": ("wait", _("changed")),
        "failed": ("bad", _("failed")),
        "unreachable": ("bad", _("unreachable")),
        "ignored": ("idle", _("failed as expected")),
        "skipped": ("idle", _("skipped")),
    }
    return [(tone, totals[name], word) for name, (tone, word) in words.items() if totals.get(name)]


def _bars_by_host(
    bars: Iterable[Sequence[Any]], began: datetime, unit: float
) -> dict[int, list[tuple[float, float, str, int]]]:
    """Return (x, width, status, task's number) of each bar by its host's place."""
    found: dict[int, list[tuple[float, float, str, int]]] = {}
    for place, number, start, end, status in bars:
        first, last = moment(start), moment(end)
        if first is None or last is None:
            continue
        x = max(0.0, (first - began).total_seconds()) * unit
        # Thinner than this nobody sees it.
        width = max((last - first).total_seconds() * unit, 3.0)
        found.setdefault(place, []).append((x, width, status, number))
    return found


def _drawn(
    row: Mapping[str, Any],
    lines: str,
    bars: Iterable[tuple[float, float, str, int]],
    tasks: Mapping[int, str],
) -> str:
    tone, icon = TONES.get(row["status"], TONES["ok"])
    rects = "".join(
        f'<rect data-tone="{BAR_TONES.get(status, "idle")}" x="{x:.1f}" y="8" '
        f'width="{width:.1f}" height="10"><title>{escape(tasks.get(number, ""))}</title></rect>'
        for x, width, status, number in bars
    )
    name, label = escape(row["host"]), escape(_label(row))
    return (
        f'<div class="o-lbl" data-tone="{tone}"><i class="ti ti-{icon}" aria-hidden="true"></i>'
        f'<span class="o-mono" title="{label}">{name}</span></div>'
        f'<div class="o-track" data-tone="{tone}"><svg viewBox="0 0 {WIDTH} 26" '
        f'preserveAspectRatio="none" role="img" aria-label="{name}: {label}">{lines}{rects}</svg>'
        f'</div><div class="o-dur o-num" title="{label}">{_short(row)}</div>'
    )


def _label(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{number} {word}" for _tone, number, word in _counts(row)) or _("nothing")


def _short(row: Mapping[str, Any]) -> str:
    """Return the counters that matter most, in few signs: done tasks, of them changed."""
    bad = row["failed"] + row["unreachable"]
    done = row["ok"] + row["changed"]
    return f"{bad} ✗" if bad else f"{done}, {row['changed']} ~" if row["changed"] else f"{done}"
