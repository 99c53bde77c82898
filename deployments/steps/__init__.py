"""The kinds of step that the portal can do. No product has a name here.

A kind of step is a list of pieces. A piece is one process under a supervisor (`launch`) or one
call (`call`) in the worker's thread; each is a RunStep row, so that after the death of a worker
another one knows where to go on. A call may be done twice: it must be idempotent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.runner.process import Exit
from deployments.work import Work

PHASES = ("plan", "apply", "configure", "verify")


@dataclass(frozen=True)
class Launch:
    """A process to start: its argv, folder, whole environment and limits in seconds."""

    argv: list[str]
    cwd: Path
    env: dict[str, str]
    timeout_s: float
    silence_s: float


@dataclass(frozen=True)
class Piece:
    """One process or one call of a step.

    `launch` returns None when there is nothing to start. `judge` raises a DeploymentError for an
    exit that is a failure. `always` pieces are done after a failure in their phase as well.
    A piece that `changes` things leaves a suspect stack behind when it is stopped hard.
    """

    kind: str
    title: Any
    launch: Callable[[Work, Mapping[str, Any]], Launch | None] | None = None
    call: Callable[[Work, Mapping[str, Any]], None] | None = None
    judge: Callable[[Work, Exit], None] | None = None
    always: bool = False
    changes: bool = False


@dataclass(frozen=True)
class StepKind:
    """What a blueprint may name as a step of an action."""

    name: str
    phase: str
    pieces: Sequence[Piece]
    # Parameters that blueprint.yaml may give: name → Python type.
    params: Mapping[str, type] = field(default_factory=dict)
    # What a person should know before it: shown with the plan.
    risk: str = "none"
    cancel: str = ""
    resume: str = ""


KINDS: dict[str, StepKind] = {}


def register(kind: StepKind) -> StepKind:
    """Make a kind of step known."""
    KINDS[kind.name] = kind
    return kind


@dataclass(frozen=True)
class Planned:
    """A piece at its place in a run: its phase and the parameters of its step."""

    phase: str
    piece: Piece
    params: Mapping[str, Any]


def pieces_of(steps_wanted: Sequence[Mapping[str, Any]]) -> dict[str, list[Planned]]:
    """Return the pieces of a run by phase, in the order in which they are done."""
    found: dict[str, list[Planned]] = {phase: [] for phase in PHASES}
    for wanted in steps_wanted:
        kind = KINDS[wanted["kind"]]
        found[kind.phase] += [
            Planned(kind.phase, piece, wanted.get("params") or {}) for piece in kind.pieces
        ]
    return found
