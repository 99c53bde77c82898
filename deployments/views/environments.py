"""Shared environments: the list, the page of one, and the forms that make and archive one."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from deployments.filters import EnvironmentFilter
from deployments.forms import NewEnvironmentForm
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.rows import environment_rows
from deployments.urgency import NOBODY, last_runs, urgency
from deployments.views.doors import attempt, find, may_anywhere, require
from deployments.views.stacks import stack_page
from deployments.views.tenants import archive_page
from tenants import services
from tenants.actors import from_request
from tenants.models import SharedEnvironment, Tenant

COLUMNS = (
    Column("name", _("Shared environment"), ("name",)),
    Column("status", _("Status"), ("urgency",)),
    Column("region", _("Region"), ("region__slug",)),
    Column("tenants", _("Tenants"), (), "text-end"),
    Column("run", _("Last run")),
    Column("applied", _("Last applied"), ("stack__applied_at",), "o-xl"),
)
FIELDS = (
    "pk",
    "public_id",
    "name",
    "title",
    "archived_at",
    "region__slug",
    "stack__pk",
    "stack__condition",
    "stack__applied_at",
    "stack__state_suspect",
)


def environment_list(request: HttpRequest) -> HttpResponse:
    """Show the shared environments that the person may see."""
    rows = SharedEnvironment.objects.visible_to(request.user)
    rows = rows.annotate(urgency=urgency("stack__condition"))
    filters = EnvironmentFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="status,name", fields=FIELDS)
    if listing.wants_csv:
        return _export(listing)
    shown = [environment.pk for environment in listing.rows]
    counts = tenant_counts(request, "shared_environment_id", shown)
    runs = last_runs(environment.stack__pk for environment in listing.rows)
    context = {
        "rows": environment_rows(listing.rows, runs, counts),
        "section": "environments",
        "may_create": may_anywhere(request.user, "change"),
        "is_attention": request.GET.get("condition") == "attention",
    }
    return show(request, "deployments/environment_list.html", listing, context)


def tenant_counts(request: HttpRequest, column: str, ids: list[int]) -> dict[int, int]:
    """Return how many living tenants that the person may see stand in each place."""
    rows = Tenant.objects.visible_to(request.user).living().order_by()
    rows = rows.filter(Q(**{f"{column}__in": ids or NOBODY})).values(column).annotate(n=Count("pk"))
    return {row[column]: row["n"] for row in rows}


def _export(listing: Listing) -> HttpResponse:
    header = ("environment", "title", "status", "region", "last_applied", "archived")

    def cells(row: SharedEnvironment) -> tuple[Any, ...]:
        stack = row.stack
        return (row.name, row.title, stack.condition, row.region, stack.applied_at, row.archived_at)

    return export(listing, "environments", header, cells)


def environment_page(request: HttpRequest, environment_id: str) -> HttpResponse:
    """Show one shared environment with its stack."""
    environment = find(SharedEnvironment.objects.visible_to(request.user), environment_id)
    return stack_page(request, environment, "deployments/environment.html", section="environments")


def environment_new(request: HttpRequest) -> HttpResponse:
    """Create a shared environment; nothing is built yet."""
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    form = NewEnvironmentForm(request.POST or None, user=request.user, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        made = attempt(
            form, lambda: services.create_shared_environment(actor, **data), name_field="name"
        )
        if made is not None:
            return redirect(link("environment", made.public_id))
    context = {"form": form, "section": "environments"}
    return render(request, "deployments/environment_new.html", context)


def environment_archive(request: HttpRequest, environment_id: str) -> HttpResponse:
    """Hide a shared environment that nothing stands in any more."""
    rows = SharedEnvironment.objects.visible_to(request.user).select_related("region")
    environment = find(rows, environment_id)
    require(request, "destroy", environment)
    back = link("environment", environment.public_id)
    return archive_page(request, environment, back, section="environments", kind="destroy")
