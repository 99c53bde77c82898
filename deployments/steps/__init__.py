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
from deployments.runner.projection import Projection
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
    # What kind of error a refusal by its call is (runstatus.ErrorKind); engines have their own.
    error_kind: str = "system"
    # What its process's events make; a call tells of itself.
    told_as: Callable[[], Any] = Projection


@dataclass(frozen=True)
class StepKind:
    """What a blueprint may name as a step of an action."""

    name: str
    phase: str
    pieces: Sequence[Piece]
    # Other phases that blueprint.yaml may put it in with `phase:`.
    also: tuple[str, ...] = ()
    # Pieces that look, in the plan phase, at what it would do; that are done before anything else
    # of its phase; that clean up at the very end of the run, however it ends.
    look: Sequence[Piece] = ()
    first: Sequence[Piece] = ()
    last: Sequence[Piece] = ()
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
    """A piece at its place in a run: its phase and the parameters of its step.

    `after_failure`: a clean-up that is not due yet, but is when its phase ends badly.
    """

    phase: str
    piece: Piece
    params: Mapping[str, Any]
    if_output: str = ""
    after_failure: bool = False


@dataclass(frozen=True)
class _Wanted:
    kind: StepKind
    phase: str
    params: Mapping[str, Any]
    if_output: str

    def plan(self, pieces: Sequence[Piece], phase: str = "", **more: bool) -> list[Planned]:
        place = phase or self.phase
        return [Planned(place, piece, self.params, self.if_output, **more) for piece in pieces]


def pieces_of(steps_wanted: Sequence[Mapping[str, Any]]) -> dict[str, list[Planned]]:
    """Return the pieces of a run by phase, in the order in which they are done."""
    wanted = [_wanted(step) for step in steps_wanted]
    found: dict[str, list[Planned]] = {phase: [] for phase in PHASES}
    for step in wanted:
        found[step.phase] += step.plan(step.kind.first)
    for step in wanted:
        found["plan"] += step.plan(step.kind.look, "plan")
        found[step.phase] += step.plan(step.kind.pieces)
    final = next((phase for phase in reversed(PHASES) if found[phase]), PHASES[0])
    for step in reversed(wanted):
        for phase in PHASES[PHASES.index(step.phase) : PHASES.index(final) + 1]:
            if step.kind.last and found[phase]:
                found[phase] += step.plan(step.kind.last, phase, after_failure=phase != final)
    return found


def _wanted(step: Mapping[str, Any]) -> _Wanted:
    kind = KINDS[step["kind"]]
    phase = step.get("phase") or kind.phase
    return _Wanted(kind, phase, step.get("params") or {}, step.get("if_output") or "")


def first_phase(pieces: Mapping[str, Sequence[Planned]], after: str = "") -> str | None:
    """Return the first phase with pieces, of those after the one given; None when none has any."""
    start = PHASES.index(after) + 1 if after else 0
    return next((phase for phase in PHASES[start:] if pieces[phase]), None)
