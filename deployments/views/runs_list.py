"""The list of runs."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from deployments.filters import RunFilter
from deployments.listing import Column, Listing, export, show
from deployments.models import Run
from deployments.rows import run_rows
from deployments.urgency import RUN_COLUMNS

COLUMNS = (
    Column("run", _("Run")),
    Column("stack", _("Stack"), ("stack__name",)),
    Column("status", _("Status"), ("status",)),
    Column("changes", _("Changes")),
    Column("actor", _("By"), ("actor_name",)),
    Column("reason", _("Reason"), (), "o-xl"),
    Column("queued", _("Queued"), ("pk",)),
    Column("lasted", _("Duration"), (), "text-end"),
)
FIELDS = (
    "pk",
    *RUN_COLUMNS,
    "waiting",
    "stack__name",
    "stack__tenant__public_id",
    "stack__shared_environment__public_id",
    "region__slug",
)


def run_list(request: HttpRequest) -> HttpResponse:
    """Show the runs of the stacks that the person may see, the newest first."""
    filters = RunFilter(request.GET, Run.objects.visible_to(request.user), request=request)
    listing = Listing(request, filters, COLUMNS, default="-queued", tie="-pk", fields=FIELDS)
    if listing.wants_csv:
        return _export(listing)
    context = {
        "rows": run_rows(listing.rows),
        "section": "runs",
        "status": request.GET.get("status", ""),
        "is_mine": request.GET.get("actor") == request.user.public_id,
    }
    return show(request, "deployments/run_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("run", "stack", "number", "action", "status", "create", "change", "replace",
              "destroy", "by", "reason", "region", "queued", "started", "ended")  # fmt: skip

    def cells(run: Run) -> tuple[Any, ...]:
        plan = (run.to_create, run.to_update, run.to_replace, run.to_destroy)
        times = (run.created_at, run.started_at, run.ended_at)
        return (run.public_id, run.stack.name, run.number, run.action, run.status, *plan,
                run.actor_name, run.reason, run.region, *times)  # fmt: skip

    return export(listing, "runs", header, cells)
