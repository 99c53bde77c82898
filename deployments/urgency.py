"""Which stacks need somebody first, and the last run of each, for lists and pictures."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Func, IntegerField

from deployments.models import Run
from tenants.models.stacks import Condition

# What a list shows of a run; its JSON columns stay in the database.
RUN_COLUMNS = (
    "public_id",
    "number",
    "status",
    "action",
    "action_label",
    "actor_name",
    "reason",
    "is_plan_only",
    "is_destroy",
    "has_changes",
    "cancel_requested_at",
    "created_at",
    "started_at",
    "ended_at",
    "to_create",
    "to_update",
    "to_replace",
    "to_destroy",
    "stack_id",
)

LAST_RUN = ("public_id", "action_label", "created_at")

# No row has it: an empty list would skip the query, and a page's cost would depend on its rows.
NOBODY = (0,)


class _Rank(Func):
    """Where a condition stands in the order of urgency; one node, made for each list's query."""

    template = f"array_position('{{{','.join(Condition.values)}}}'::varchar[], %(expressions)s)"
    output_field = IntegerField()


def urgency(path: str = "condition") -> Func:
    """Return an expression that orders by urgency, the most urgent first."""
    return _Rank(F(path))


def last_runs(stack_ids: Iterable[int], *more: str) -> dict[int, Any]:
    """Return the newest run of each stack that has one: numbers count up per stack.

    It has what a list says of it; `more` names further columns.
    """
    wanted = list(stack_ids) or NOBODY
    newest = Run.objects.filter(stack_id__in=wanted, number=F("stack__run_count"))
    rows = newest.values_list("stack_id", *LAST_RUN, *more, named=True)
    return {run.stack_id: run for run in rows}
