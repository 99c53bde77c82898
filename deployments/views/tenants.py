"""Tenants: the list, the page of one, and the forms that make, change and archive one."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from deployments.filters import TenantFilter
from deployments.forms import ArchiveForm, NewTenantForm, TenantForm
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.rows import tenant_rows
from deployments.services import archive as archive_thing
from deployments.urgency import last_runs, urgency
from deployments.views.adopt import adoptable
from deployments.views.doors import attempt, find, may_anywhere, require
from deployments.views.stacks import stack_page
from tenants import services
from tenants.actors import from_request
from tenants.models import Tenant

COLUMNS = (
    Column("name", _("Tenant"), ("name",)),
    Column("status", _("Status"), ("urgency",)),
    Column("release", _("Release"), ("release__name",)),
    Column("environment", _("Environment"), ("shared_environment__name",)),
    Column("region", _("Region"), ("region__slug",), "o-xl"),
    Column("labels", _("Labels"), (), "o-xl"),
    Column("run", _("Last run")),
    Column("applied", _("Last applied"), ("stack__applied_at",), "o-xl"),
)
FIELDS = (
    "pk",
    "public_id",
    "name",
    "title",
    "labels",
    "archived_at",
    "region__slug",
    "shared_environment__name",
    "release__name",
    "stack__pk",
    "stack__condition",
    "stack__applied_release",
    "stack__applied_at",
    "stack__state_suspect",
)


def _rows(request: HttpRequest) -> QuerySet[Tenant]:
    rows = Tenant.objects.visible_to(request.user)
    return rows.annotate(urgency=urgency("stack__condition"))


def tenant_list(request: HttpRequest) -> HttpResponse:
    """Show the tenants that the person may see."""
    filters = TenantFilter(request.GET, _rows(request), request=request)
    listing = Listing(request, filters, COLUMNS, default="status,name", fields=FIELDS)
    if listing.wants_csv:
        return _export(listing)
    runs = last_runs(tenant.stack__pk for tenant in listing.rows)
    may_change = may_anywhere(request.user, "change")
    context = {
        "section": "tenants",
        "rows": tenant_rows(listing.rows, runs, may_bulk=may_change),
        "may_create": may_change,
        "may_bulk": may_change,
        "is_attention": request.GET.get("condition") == "attention",
    }
    return show(request, "deployments/tenant_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("tenant", "customer", "status", "release", "applied_release", "environment",
              "region", "labels", "last_applied", "archived")  # fmt: skip

    def cells(tenant: Tenant) -> tuple[Any, ...]:
        stack = tenant.stack
        labels = " ".join(f"{key}={value}" for key, value in tenant.labels.items())
        return (tenant.name, tenant.title, stack.condition, tenant.release, stack.applied_release,
                tenant.shared_environment, tenant.region, labels, stack.applied_at,
                tenant.archived_at)  # fmt: skip

    return export(listing, "tenants", header, cells)


def tenant_page(request: HttpRequest, tenant_id: str) -> HttpResponse:
    """Show one tenant with its stack."""
    tenant = find(Tenant.objects.visible_to(request.user), tenant_id)
    return stack_page(request, tenant, "deployments/tenant.html", section="tenants")


def tenant_new(request: HttpRequest) -> HttpResponse:
    """Create a tenant; nothing is built yet."""
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    form = NewTenantForm(request.POST or None, user=request.user, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form, lambda: services.create_tenant(from_request(request), **data), name_field="name"
        )
        if made is not None:
            return redirect(link("tenant", made.public_id))
    context = {"form": form, "section": "tenants", "may_adopt": bool(adoptable())}
    return render(request, "deployments/tenant_new.html", context)


def tenant_edit(request: HttpRequest, tenant_id: str) -> HttpResponse:
    """Change what the portal keeps of a tenant: customer, release, labels, zone, notes."""
    rows = Tenant.objects.visible_to(request.user).select_related("region", "release")
    tenant = find(rows, tenant_id)
    require(request, "change", tenant)
    form = TenantForm(request.POST or None, tenant=tenant)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        actor = from_request(request).because(data.pop("reason"))
        if attempt(form, lambda: services.change_tenant(actor, tenant, **data)) is not None:
            return redirect(link("tenant", tenant.public_id))
    context = {"form": form, "tenant": tenant, "section": "tenants"}
    return render(request, "deployments/tenant_edit.html", context)


def tenant_archive(request: HttpRequest, tenant_id: str) -> HttpResponse:
    """Hide a tenant that has no resources any more; its history stays."""
    tenant = find(Tenant.objects.visible_to(request.user).select_related("region"), tenant_id)
    require(request, "destroy", tenant)
    back = link("tenant", tenant.public_id)
    return archive_page(request, tenant, back, section="tenants", kind="destroy")


def archive_page(
    request: HttpRequest, thing: Any, back: str, *, section: str, kind: str
) -> HttpResponse:
    """Ask for the reason and archive a thing; a refusal is shown in place."""
    form = ArchiveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor, reason = from_request(request), form.cleaned_data["reason"]
        with transaction.atomic():
            done = attempt(form, lambda: archive_thing(actor, thing, reason))
        if done is not None:
            return redirect(back)
    context = {"form": form, "thing": thing, "back": back, "section": section, "kind": kind}
    return render(request, "deployments/archive.html", context)
