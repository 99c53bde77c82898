"""Releases: the list with where each is used, and the form that makes one."""

from typing import Any

from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _

from deployments.filters import ReleaseFilter
from deployments.forms import ReleaseForm
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, may_anywhere, require
from deployments.views.tenants import archive_page
from tenants import services
from tenants.access import user_can
from tenants.actors import from_request
from tenants.models import Release, Tenant

COLUMNS = (
    Column("name", _("Release"), ("name",)),
    Column("blueprint", _("Blueprint"), ("blueprint",)),
    Column("components", _("Versions")),
    Column("tenants", _("Chosen by"), (), "text-end"),
    Column("running", _("Running it"), (), "text-end"),
    Column("created", _("Made"), ("created_at",)),
    Column("end", ""),
)


def release_list(request: HttpRequest) -> HttpResponse:
    """Show the releases and how many of the visible tenants chose and run each."""
    may_see = may_anywhere(request.user, "view")
    rows = Release.objects.all() if may_see else Release.objects.none()
    filters = ReleaseFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="blueprint,-name")
    if listing.wants_csv:
        return _export(listing)
    shown = [release.pk for release in listing.rows]
    tenants = Tenant.objects.visible_to(request.user).living().filter(release_id__in=shown)
    running = Q(stack__applied_release=F("release__name"))
    uses = (
        tenants.order_by()
        .values("release_id")
        .annotate(chosen=Count("pk"), running=Count("pk", filter=running))
    )
    counts = {row["release_id"]: row for row in uses}
    for release in listing.rows:
        release.use = counts.get(release.pk, {"chosen": 0, "running": 0})
        release.archive_href = link("release_archive", release.public_id)
    context = {"section": "releases", "may_create": user_can(request.user, "admin")}
    return show(request, "deployments/release_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("release", "blueprint", "versions", "notes", "made", "archived")

    def cells(row: Release) -> tuple[Any, ...]:
        versions = " ".join(f"{name}={value}" for name, value in row.components.items())
        return (row.name, row.blueprint, versions, row.notes, row.created_at, row.archived_at)

    return export(listing, "releases", header, cells)


def release_new(request: HttpRequest) -> HttpResponse:
    """Create a release."""
    require(request, "admin", None)
    form = ReleaseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        made = attempt(form, lambda: services.create_release(actor, **data), name_field="name")
        if made is not None:
            return redirect("releases")
    return render(request, "deployments/release_new.html", {"form": form, "section": "releases"})


def release_archive(request: HttpRequest, release_id: str) -> HttpResponse:
    """Hide a release that no living tenant has chosen."""
    require(request, "admin", None)
    release = get_object_or_404(Release, public_id=release_id)
    return archive_page(request, release, "/releases/", section="releases", kind="admin")
