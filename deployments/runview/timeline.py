"""The picture of an apply: a bar for each resource, beside what the last run of its kind took."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from deployments.models import Run, RunStep
from deployments.runstatus import RunStatus
from deployments.runview.words import about, address_parts, lasted, moment, short_markup

ROWS_SHOWN = 60
TABLE_ROWS = 500
WIDTH = 1000
APPLY = "terraform.apply"
# A tick at so many seconds; the first that gives few enough.
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_MOST_TICKS = 8
_ICONS = {
    "done": ("ok", "circle-check", ""),
    "running": ("run", "loader-2", " o-spin"),
    "errored": ("bad", "circle-x", ""),
    "planned": ("idle", "circle-dashed", ""),
    "cut": ("idle", "circle-minus", ""),
}


@dataclass
class Row:
    """One resource: seconds are counted from the start of the apply."""

    address: str
    action: str
    status: str
    started: float | None = None
    ended: float | None = None
    # Of a replacement: the end of its first half, the start of its second.
    half: float | None = None
    again: float | None = None
    begins_with: str = "delete"
    expected: tuple[float, float] | None = None  # (start, duration) in the last run

    def so_far(self, now: float) -> float | None:
        """Return how long it took, or has taken by now."""
        if self.started is None:
            return None
        return max(0.0, (self.ended if self.ended is not None else now) - self.started)

    @property
    def words(self) -> str:
        """Return its status in words."""
        return {
            "done": _("done"),
            "running": _("running"),
            "errored": _("failed"),
            "planned": _("not started"),
            "cut": _("cut off, end unknown"),
        }[self.status]


@dataclass
class Timeline:
    """The picture as the page shows it."""

    rows: SafeString
    ticks: list[str]
    more: int
    title: str
    subtitle: str
    # For the script, which lets the bars of this moment grow: milliseconds, and units a second.
    began_ms: int
    now_ms: int
    unit: float
    span: float
    is_running: bool
    has_expected: bool
    has_destroy: bool
    has_failed: bool
    has_cut: bool
    table: SafeString | str = ""
    table_more: int = 0


@dataclass
class Progress:
    """How far an apply is."""

    done: int
    total: int
    running: int
    failed: int
    left: str
    tone: str


def expected_of(run: Run) -> dict[str, tuple[float, float]]:
    """Return what each resource took in the last successful run of this action on this stack."""
    last = (
        Run.objects.filter(stack_id=run.stack_id, action=run.action, status=RunStatus.APPLIED)
        .exclude(pk=run.pk)
        .order_by("-id")
        .values_list("pk", flat=True)
        .first()
    )
    if last is None:
        return {}
    step = RunStep.objects.filter(run_id=last, kind=APPLY).order_by("-number").first()
    if step is None:
        return {}
    found = {}
    for row in rows_of(step.progress, step.started_at):
        if row.started is not None and row.ended is not None:
            found[row.address] = (row.started, row.ended - row.started)
    return found


def rows_of(progress: Mapping[str, Any], began: datetime) -> list[Row]:
    """Return the resources that are changed, in the order in which they began."""

    def since(text: str | None) -> float | None:
        when = moment(text)
        return None if when is None else max(0.0, (when - began).total_seconds())

    rows = []
    for kept in progress.get("resources", ()):
        if kept["status"] not in _ICONS or kept["action"] in ("read", "no-op", "noop", ""):
            continue
        started, ended = since(kept.get("started")), since(kept.get("ended"))
        rows.append(
            Row(
                kept["address"], kept["action"], kept["status"], started, ended,
                since(kept.get("half")), since(kept.get("again")),
                kept.get("begins_with", "delete"),
            )
        )  # fmt: skip
    return rows


def build(
    run: Run, step: RunStep | None, expected: Mapping[str, tuple[float, float]], *, table: bool
) -> Timeline | None:
    """Return the picture of the apply step; None while there is none to show."""
    rows = rows_of(step.progress, step.started_at) if step is not None else []
    if not rows:
        return None
    clock = timezone.now()
    is_running = step.ended_at is None and not run.is_ended
    end = step.ended_at or run.ended_at or clock
    now = max((end - step.started_at).total_seconds(), 0.05)
    for row in rows:
        row.expected = expected.get(row.address)
        if row.status == "running" and not is_running:
            # Nobody told its end: it was cut off with the rest.
            row.status, row.ended = "cut", now
    shown = _chosen(rows, now) if len(rows) > ROWS_SHOWN else list(rows)
    shown.sort(key=lambda row: _place(row, now))
    span, tick = scale(_reach(shown, now, is_running))
    unit = WIDTH / span
    lines = grid_lines(span, tick, unit)
    drawn = "\n".join(_drawn(row, now, unit, lines, is_running) for row in shown)
    return Timeline(
        rows=mark_safe(drawn),  # noqa: S308 made of numbers and escaped text
        ticks=[tick_label(n * tick, tick < 1) for n in range(round(span / tick))],
        more=len(rows) - len(shown) + int(step.progress.get("more", 0)),
        title=_("Destroy") if run.is_destroy else _("Apply"),
        subtitle=_subtitle(run, now, is_running),
        began_ms=int(step.started_at.timestamp() * 1000),
        now_ms=int(clock.timestamp() * 1000),
        unit=round(unit, 4),
        span=span,
        is_running=is_running,
        has_expected=is_running and any(row.expected for row in shown),
        has_destroy=any(row.action in ("delete", "replace") for row in shown),
        has_failed=any(row.status == "errored" for row in shown),
        has_cut=any(row.status == "cut" for row in shown),
        table=_table(rows, now) if table else "",
        table_more=max(0, len(rows) - TABLE_ROWS),
    )


def _table(rows: Iterable[Row], now: float) -> SafeString:
    """Return the same as rows of a table, for those who do not see the picture."""
    ordered = sorted(rows, key=lambda row: _place(row, now))
    cells = "".join(_cells(row, now) for row in ordered[:TABLE_ROWS])
    return mark_safe(cells)  # noqa: S308 escaped where it is made


def _subtitle(run: Run, now: float, is_running: bool) -> str:
    took = lasted(now)
    so_far = (
        _("%(time)s so far") % {"time": took} if is_running else _("took %(time)s") % {"time": took}
    )
    parts = [so_far]
    if run.confirmed_at and run.confirmed_by:
        when = timezone.localtime(run.confirmed_at).strftime("%H:%M")
        parts.append(_("confirmed %(when)s by %(who)s") % {"when": when, "who": run.confirmed_by})
    return ", ".join(parts)


def _chosen(rows: Iterable[Row], now: float) -> list[Row]:
    """Return the rows worth a bar: what failed, what runs, then what took longest."""
    rank = {"errored": 0, "running": 1, "cut": 1, "done": 2, "planned": 3}
    ordered = sorted(rows, key=lambda row: (rank[row.status], -(row.so_far(now) or 0.0)))
    return ordered[:ROWS_SHOWN]


def _place(row: Row, now: float) -> tuple[int, float, str]:
    if row.started is not None:
        return 0, row.started, row.address
    return 1, row.expected[0] if row.expected else now * 1e6, row.address


def _reach(rows: Iterable[Row], now: float, is_running: bool) -> float:
    """Return the last second that the picture has to show."""
    last = now
    for row in rows:
        if row.ended is not None:
            last = max(last, row.ended)
        if is_running and row.expected and row.ended is None:
            last = max(last, _guess(row, now)[1])
    return last


def _guess(row: Row, now: float) -> tuple[float, float]:
    """Return (from, to) of what is still expected of a row."""
    start, length = row.expected or (0.0, 0.0)
    if row.started is not None:
        return now, max(row.started + length, now)
    start = max(start, now)
    return start, start + length


def scale(last: float) -> tuple[float, float]:
    """Return (span, seconds between ticks): whole ticks that hold the last second."""
    for tick in _STEPS:
        count = int(last / tick) + 1
        if count <= _MOST_TICKS:
            return count * tick, tick
    tick = 86_400.0
    return (int(last / tick) + 1) * tick, tick


def tick_label(seconds: float, with_tenths: bool) -> str:
    """Return what stands at a tick."""
    if with_tenths:
        return f"{seconds:.1f}"
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def grid_lines(span: float, tick: float, unit: float) -> str:
    """Return the lines at the ticks, over one row."""
    path = "".join(f"M{n * tick * unit:.1f} 0V26" for n in range(1, round(span / tick)))
    return f'<path class="is-grid" d="{path}"/>' if path else ""


def _drawn(row: Row, now: float, unit: float, lines: str, is_running: bool) -> str:
    tone, icon, turn = _ICONS[row.status]
    took = row.so_far(now)
    label = lasted(took)
    if took is None:
        label = _("≈ %(time)s") % {"time": lasted(row.expected[1])} if row.expected else "–"
    name = address_parts(row.address)[1]
    bars = "".join(_bars(row, now, unit, is_running))
    mark = f'<path class="is-now" d="M{now * unit:.1f} 0V26"/>' if is_running else ""
    words = escape(f"{name}: {row.words} {label}")
    began = ""
    if row.status == "running":
        began = f' data-started="{int(row.started * 1000)}"'
    href = f"?q={quote(row.address, safe='')}#log"
    return (
        f'<div class="o-lbl" data-tone="{tone}"><i class="ti ti-{icon}{turn}" aria-hidden="true">'
        f'</i><a class="o-mono o-addr text-reset" href="{href}" title="{escape(row.address)}">'
        f'{short_markup(row.address)}</a></div><div class="o-track" data-tone="{tone}">'
        f'<svg viewBox="0 0 {WIDTH} 26" preserveAspectRatio="none" role="img" '
        f'aria-label="{words}">{lines}{bars}{mark}</svg></div>'
        f'<div class="o-dur o-num"{began}>{escape(label)}</div>'
    )


def _bars(row: Row, now: float, unit: float, is_running: bool) -> Iterable[str]:
    if row.started is not None:
        end = row.ended if row.ended is not None else now
        if row.action == "replace":
            yield from _halves(row, end, unit)
        else:
            is_delete = row.action == "delete" and row.status != "errored"
            yield _bar(row.started, end, unit, "is-del" if is_delete else "", row.ended is None)
    if is_running and row.expected and row.ended is None:
        start, end = _guess(row, now)
        if end > start:
            yield _bar(start, end, unit, "is-guess", False)


def _halves(row: Row, end: float, unit: float) -> Iterable[str]:
    first_is_delete = row.begins_with == "delete"
    half = row.half if row.half is not None else end
    kinds = ("is-del", "") if first_is_delete else ("", "is-del")
    yield _bar(row.started, half, unit, kinds[0], row.half is None and row.ended is None)
    if row.again is not None:
        yield _bar(row.again, end, unit, kinds[1], row.ended is None)


def _bar(start: float, end: float, unit: float, css: str, grows: bool) -> str:
    # Thinner than this nobody sees it; an outline needs more.
    x, width = start * unit, max((end - start) * unit, 9.0 if css == "is-guess" else 3.0)
    names = " ".join(name for name in (css, "is-growing" if grows else "") if name)
    marked = f' class="{names}"' if names else ""
    return f'<rect x="{x:.1f}" y="8" width="{width:.1f}" height="10"{marked}/>'


def _cells(row: Row, now: float) -> str:
    began = "" if row.started is None else tick_label(row.started, now < 60)
    action = ACTION_WORDS.get(row.action, lambda: row.action)()
    number = '<td class="text-end o-num">'
    return (
        f'<tr><td class="o-mono">{escape(row.address)}</td><td>{escape(action)}</td>'
        f"<td>{escape(row.words)}</td>{number}{began}</td>"
        f"{number}{escape(lasted(row.so_far(now)))}</td></tr>"
    )


ACTION_WORDS = {
    "create": lambda: _("create"),
    "update": lambda: _("change"),
    "delete": lambda: _("destroy"),
    "replace": lambda: _("replace"),
}


def progress_of(run: Run, step: RunStep | None, usual: float | None) -> Progress | None:
    """Return how far the work is, with the time left as the last runs let expect it."""
    if step is None or step.kind != APPLY:
        return None
    kept = step.progress
    total = int(kept.get("total") or 0)
    if not total:
        return None
    states = [row["status"] for row in kept.get("resources", ())]
    is_running = step.ended_at is None and not run.is_ended
    left = ""
    if is_running and usual and not run.is_canceling:
        gone = (timezone.now() - step.started_at).total_seconds()
        rest = usual - gone
        if rest > 1:
            left = _("about %(time)s left") % {"time": about(rest)}
        else:
            left = _("usually %(time)s") % {"time": about(usual)}
    failed = int(kept.get("failed") or 0)
    tone = "bad" if failed or run.status == RunStatus.ERRORED else "run" if is_running else "ok"
    if run.is_canceling:
        tone = "wait"
    elif run.status in (RunStatus.CANCELED, RunStatus.LOST):
        tone = "idle"
    return Progress(
        done=min(int(kept.get("done") or 0), total),
        total=total,
        running=states.count("running") if is_running else 0,
        failed=failed,
        left=left,
        tone=tone,
    )


def strip_markup(parts: list[tuple[str, float, str]]) -> SafeString:
    """Return phases as one bar: (tone, seconds, words). A wait for a person is not to scale."""
    work = sum(seconds for tone, seconds, _words in parts if tone != "wait") or 1.0
    waits = sum(1 for tone, _seconds, _words in parts if tone == "wait")
    room, x, found = WIDTH - 60 * waits - 6 * max(0, len(parts) - 1), 0.0, []
    for tone, seconds, words in parts:
        width = 60.0 if tone == "wait" else max(seconds / work * room, 6.0)
        title = f"<title>{escape(words)}</title>"
        found.append(
            f'<rect data-tone="{tone}" x="{x:.0f}" y="0" width="{width:.0f}" height="8" rx="1">'
            f"{title}</rect>"
        )
        x += width + 6
    spoken = escape("; ".join(words for _tone, _seconds, words in parts))
    return mark_safe(  # noqa: S308 made of numbers and escaped text
        f'<svg class="o-strip-phases" viewBox="0 0 {max(x - 6, 1):.0f} 8" '
        f'preserveAspectRatio="none" role="img" aria-label="{spoken}">{"".join(found)}</svg>'
    )
