"""The phases of a run from its queueing to its end: who, when, how long, what is usual."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from deployments import looks
from deployments.models import Run, RunEvent, RunStep
from deployments.runstatus import RunStatus
from deployments.runview.history import Usual
from deployments.runview.timeline import strip_markup
from deployments.runview.words import about, lasted
from deployments.steps import pieces_of
from deployments.steps.kinds import KINDS

S = RunStatus
# Shorter waits than this are not worth a word.
_NOTABLE_S = 2.0


@dataclass
class Phase:
    """One line of the card. `since` makes a clock that the script keeps running."""

    tone: str
    icon: str
    title: str
    small: str = ""
    at: datetime | None = None
    since: datetime | None = None
    is_turning: bool = False
    quote: str = ""


@dataclass
class Phases:
    """The card."""

    lines: list[Phase]
    head: str
    strip: SafeString | None = None
    since: datetime | None = None
    parts: list[Any] = field(default_factory=list)


def wanted_phases(run: Run) -> list[str]:
    """Return the phases that the action's steps make: plan first, then what follows a yes."""
    known = [step for step in run.steps_wanted if step["kind"] in KINDS]
    return [phase for phase, pieces in pieces_of(known).items() if pieces]


def build(
    run: Run, steps: Sequence[RunStep], events: Sequence[RunEvent], usual: Usual, host: str,
    confirmers: str,
) -> Phases:  # fmt: skip
    """Return the phases of a run as they stand."""
    lines = [_queued(run)]
    has_plan = "plan" in wanted_phases(run)
    if has_plan:
        lines.append(_planning(run, steps, usual, host))
    if not run.is_plan_only:
        lines += _decision(run, confirmers) if has_plan and _is_decided(run) else []
        lines += _changing(run, steps, usual)
    if run.is_ended:
        lines = [line for line in lines if line.at or line.tone != "idle"]
        lines.append(_end(run, events))
    return Phases(lines, _head(run, usual), _strip(run))


def _is_decided(run: Run) -> bool:
    """Tell whether somebody decides over this run: not over what only looks and goes on."""
    return run.uses_engine or bool(run.findings) or run.started_at is None


def _queued(run: Run) -> Phase:
    small = _("by %s") % run.actor_name
    until = run.started_at or run.ended_at
    if run.status == S.PENDING:
        look = looks.RUN_LOOKS[S.PENDING]
        return Phase("idle", look.icon, _("Waiting"), small, since=run.created_at)
    if run.status == S.PLAN_QUEUED:
        return Phase("run", "clock", _("Queued"), small, since=run.created_at)
    if until and (until - run.created_at).total_seconds() >= _NOTABLE_S:
        waited = lasted(until - run.created_at)
        small = _("by %(who)s, waited %(time)s") % {"who": run.actor_name, "time": waited}
    return Phase("ok", "circle-check", _("Queued"), small, run.created_at)


def _planning(run: Run, steps: Iterable[RunStep], usual: Usual, host: str) -> Phase:
    title = _("Planning") if run.started_at else _("Plan")
    if run.started_at is None:
        return Phase("idle", "circle-dashed", title, _usually(usual.plan))
    if run.status == S.PLANNING:
        small = _of_about(usual.plan)
        return Phase("run", "loader-2", title, small, run.started_at, run.started_at, True)
    took = {s.kind: s.ended_at - s.started_at for s in steps if s.phase == "plan" and s.ended_at}
    parts = []
    if "terraform.init" in took:
        parts.append(_("init %s") % lasted(took["terraform.init"]))
    if "terraform.plan" in took:
        parts.append(_("plan %s") % lasted(took["terraform.plan"]))
    if host:
        parts.append(_("on %s") % host)
    ended = run.planned_at or run.ended_at
    good = run.planned_at is not None or run.status in (S.PLANNED_AND_FINISHED, S.APPLIED)
    tone, icon = ("ok", "circle-check") if good else _ending(run)
    small = ", ".join(parts) or (lasted(ended - run.started_at) if ended else "")
    return Phase(tone, icon, title, small, run.started_at)


def _decision(run: Run, confirmers: str) -> list[Phase]:
    if run.status == S.PLANNED:
        small = _("%s may confirm") % confirmers if confirmers else ""
        return [
            Phase("wait", "hand-stop", _("Waiting for confirmation"), small, None, run.planned_at)
        ]
    if run.confirmed_at is None:
        return [] if run.is_auto_apply else [Phase("idle", "circle-dashed", _("Confirmation"))]
    who = run.confirmed_by or ""
    by_itself = who.startswith("system:auto")
    title = _("Confirmed by itself") if by_itself else _("Confirmed")
    small = _("the stack applies without confirmation") if by_itself else _("by %s") % who
    comment = "" if by_itself else run.comment
    return [Phase("ok", "circle-check", title, small, run.confirmed_at, quote=comment)]


def _changing(run: Run, steps: Sequence[RunStep], usual: Usual) -> list[Phase]:
    """Return the phases after the yes, as far as the action has them."""
    titles = {
        "apply": (_("Apply"), _("Applying"), S.APPLYING),
        "configure": (_("Configure"), _("Configuring"), S.CONFIGURING),
        "verify": (_("Verify"), _("Verifying"), S.VERIFYING),
    }
    lines = []
    for phase in wanted_phases(run):
        if phase not in titles:
            continue
        idle, doing, status = titles[phase]
        mine = [step for step in steps if step.phase == phase]
        expected = usual.apply if phase == "apply" else None
        if not mine:
            lines.append(Phase("idle", "circle-dashed", idle, _usually(expected)))
            continue
        began = mine[0].started_at
        if run.status == status:
            tone, small = ("wait" if run.is_canceling else "run"), _of_about(expected)
            lines.append(Phase(tone, "loader-2", doing, small, began, began, True))
            continue
        end = mine[-1].ended_at or run.ended_at
        tone, icon = ("ok", "circle-check") if _went_well(run, mine) else _ending(run)
        lines.append(Phase(tone, icon, doing, lasted(end - began) if end else "", began))
    return lines


def _went_well(run: Run, steps: Iterable[RunStep]) -> bool:
    bad = any((step.outcome or {}).get("verdict") for step in steps)
    return not bad and run.status not in (S.LOST,)


def _end(run: Run, events: Sequence[RunEvent]) -> Phase:
    look = looks.run_look(run)
    last = next((e for e in reversed(events) if e.to_status == run.status), None)
    who, comment = "", ""
    if last is not None and run.status in (S.DISCARDED, S.CANCELED):
        who = _("by %s") % (run.cancel_by or last.actor_name)
        comment = last.comment
    return Phase(look.tone, look.icon, str(look.label), who, run.ended_at, quote=comment)


def _ending(run: Run) -> tuple[str, str]:
    look = looks.run_look(run)
    return look.tone, look.icon


def _usually(seconds: float | None) -> str:
    return "" if seconds is None else _("usually %s") % about(seconds)


def _of_about(seconds: float | None) -> str:
    return "" if seconds is None else _("of about %s") % about(seconds)


def _head(run: Run, usual: Usual) -> str:
    if run.is_ended:
        began = run.started_at or run.created_at
        return _("%s in all") % lasted(run.ended_at - began)
    if usual.whole is not None and run.status in (S.PENDING, S.PLAN_QUEUED, S.PLANNED):
        return _("usually %s in all") % about(usual.whole)
    return ""


def _strip(run: Run) -> SafeString | None:
    """Return the phases as one bar, to scale but for the waits for a person."""
    now = run.ended_at or timezone.now()
    if run.started_at is None:
        return None
    parts = []
    is_open = not run.is_ended

    def add(tone: str, title: str, start: datetime | None, end: datetime | None) -> None:
        if start is not None and end is not None:
            words = _("%(what)s %(time)s") % {"what": title, "time": lasted(end - start)}
            parts.append((tone, (end - start).total_seconds(), words))

    plan_end = run.planned_at or now
    working = "run" if is_open else _ending(run)[0]
    add("ok" if run.planned_at else working, _("plan"), run.started_at, plan_end)
    if run.planned_at:
        decided = run.confirmed_at or now
        if (decided - run.planned_at).total_seconds() > 0.5:
            add("wait", _("waited for a person"), run.planned_at, decided)
    if run.apply_started_at:
        add(working, _("apply"), run.apply_started_at, now)
    return strip_markup(parts) if len(parts) > 1 else None
