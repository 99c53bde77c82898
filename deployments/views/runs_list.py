"""The list of runs."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.filters import RunFilter
from deployments.links import link, owner_link
from deployments.listing import Column, Listing, export, show
from deployments.models import Run
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
STACK_COLUMNS = (
    "stack__name",
    "stack__kind",
    "stack__tenant__public_id",
    "stack__shared_environment__public_id",
    "region__slug",
)


def _rows(request: HttpRequest) -> QuerySet[Run]:
    return (
        Run.objects.visible_to(request.user)
        .select_related("region", "stack__tenant", "stack__shared_environment")
        .only(*RUN_COLUMNS, "waiting", *STACK_COLUMNS)
    )


def run_list(request: HttpRequest) -> HttpResponse:
    """Show the runs of the stacks that the person may see, the newest first."""
    filters = RunFilter(request.GET, _rows(request), request=request)
    listing = Listing(request, filters, COLUMNS, default="-queued", tie="-pk")
    if listing.wants_csv:
        return _export(listing)
    now = timezone.now()
    for run in listing.rows:
        run.href = link("run", run.public_id)
        run.stack_href = owner_link(run.stack)
        if run.started_at:
            run.lasted = (run.ended_at or now) - run.started_at
    context = {
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
