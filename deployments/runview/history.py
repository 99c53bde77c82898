"""What runs of the same action on the same stack usually take."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from deployments.models import Run
from deployments.runstatus import RunStatus

RUNS_LOOKED_AT = 5
_COLUMNS = ("started_at", "planned_at", "confirmed_at", "apply_started_at", "ended_at")
Times = tuple[datetime | None, ...]


@dataclass(frozen=True)
class Usual:
    """Median seconds of the last successful runs; None where there was none."""

    plan: float | None = None
    apply: float | None = None

    @property
    def whole(self) -> float | None:
        """Return what the machine's part of the run takes."""
        if self.plan is None and self.apply is None:
            return None
        return (self.plan or 0.0) + (self.apply or 0.0)


def usual(run: Run) -> Usual:
    """Return how long planning and applying took in the last successful runs."""
    good = (RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED)
    rows: list[Times] = list(
        Run.objects.filter(stack_id=run.stack_id, action=run.action, status__in=good)
        .exclude(pk=run.pk)
        .order_by("-id")
        .values_list(*_COLUMNS)[:RUNS_LOOKED_AT]
    )
    plans = ((row[1] or row[4], row[0]) for row in rows)
    applies = ((row[4], row[3]) for row in rows if row[3] is not None)
    return Usual(_median(plans), _median(applies))


def _median(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> float | None:
    took = [(end - start).total_seconds() for end, start in pairs if end and start]
    return median(took) if took else None
