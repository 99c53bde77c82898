"""Which stacks need somebody first, and the last run of each, for lists and pictures."""

from collections.abc import Iterable

from django.db.models import Case, F, IntegerField, Q, Value, When

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

# No row has it: an empty list would skip the query, and a page's cost would depend on its rows.
NOBODY = (0,)


def urgency(path: str = "condition") -> Case:
    """Return an expression that orders by urgency, the most urgent first."""
    ranks = enumerate(Condition.values)
    whens = [When(Q(**{path: value}), then=Value(rank)) for rank, value in ranks]
    return Case(*whens, default=Value(len(whens)), output_field=IntegerField())


def last_runs(stack_ids: Iterable[int], *more: str) -> dict[int, Run]:
    """Return the newest run of each stack that has one: numbers count up per stack.

    `more` names columns that are needed beside those of a list.
    """
    wanted = list(stack_ids) or NOBODY
    newest = Run.objects.filter(stack_id__in=wanted, number=F("stack__run_count"))
    return {run.stack_id: run for run in newest.only(*RUN_COLUMNS, *more)}
