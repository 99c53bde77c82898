"""What a run does beside Terraform: what its steps found, and how far its calls have come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.models import Run, RunStep
from deployments.runview.words import lasted
from deployments.steps.kinds import KINDS
from omlsaas.lib.refusals import sentence

# Pieces of Terraform's own steps; they have a timeline.
ENGINE = ("terraform.", "state.", "plan.", "providers.")
_LOOKS = {
    "done": ("ok", "circle-check", ""),
    "working": ("run", "loader-2", " o-spin"),
    "failed": ("bad", "circle-x", ""),
    "stopped": ("idle", "ban", ""),
}


@dataclass(frozen=True)
class Finding:
    """One thing that a step would do."""

    tone: str
    icon: str
    about: str
    text: str


@dataclass(frozen=True)
class Stage:
    """One stage of a probe."""

    tone: str
    icon: str
    name: str
    answer: str


@dataclass
class Call:
    """One call as the card of steps shows it."""

    tone: str
    icon: str
    turn: str
    title: Any
    text: str
    took: str
    started_at: datetime
    done: int = 0
    total: int = 0
    stages: list[Stage] = field(default_factory=list)


def findings_of(run: Run) -> list[Finding]:
    """Return what the steps of a run would do, in words."""
    return [
        Finding(
            "bad" if found.get("is_loud") else "wait",
            "alert-triangle" if found.get("is_loud") else "list-search",
            found["about"],
            sentence(found),
        )
        for found in run.findings
    ]


def is_call(step: RunStep) -> bool:
    """Tell whether a step is none of Terraform's."""
    return not step.kind.startswith(ENGINE)


def titles() -> dict[str, Any]:
    """Return what people call each piece."""
    found = {}
    for kind in KINDS.values():
        for piece in (*kind.look, *kind.first, *kind.pieces, *kind.last):
            found[piece.kind] = piece.title
    return found


def calls_of(run: Run, steps: Sequence[RunStep]) -> list[Call]:
    """Return the calls of a run in the order in which they were made."""
    names = titles()
    return [_call(run, step, names.get(step.kind, step.kind)) for step in steps if is_call(step)]


def _call(run: Run, step: RunStep, title: Any) -> Call:
    verdict = (step.outcome or {}).get("verdict") or {}
    if step.ended_at is None:
        state = "stopped" if run.is_ended else "working"
    elif not verdict:
        state = "done"
    else:
        state = "failed" if verdict["status"] == "errored" else "stopped"
    tone, icon, turn = _LOOKS[state]
    told = step.progress or {}
    text = sentence(verdict.get("why")) if verdict else str(told.get("text", ""))
    end = step.ended_at or run.ended_at or timezone.now()
    return Call(
        tone, icon, turn, title, text, lasted(end - step.started_at), step.started_at,
        int(told.get("done") or 0), int(told.get("total") or 0),
        _stages(told, state),
    )  # fmt: skip


def _stages(told: dict[str, Any], state: str) -> list[Stage]:
    found, is_next = [], True
    for stage in told.get("stages", ()):
        if stage["answer"]:
            found.append(Stage("ok", "circle-check", stage["name"], stage["answer"]))
        elif is_next:
            is_next = False
            tone, icon = ("run", "loader-2") if state == "working" else ("bad", "circle-x")
            answer = str(told.get("text", "")) or _("not asked yet")
            found.append(Stage(tone, icon, stage["name"], answer))
        else:
            found.append(Stage("idle", "circle-dashed", stage["name"], ""))
    return found
