"""Regions: the list, the page of one with its settings, and the forms that make and archive one."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments.cloud.checking import Answer, check_region
from deployments.filters import RegionFilter
from deployments.forms import RegionForm
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.models import Run
from deployments.runstatus import AT_WORK
from deployments.views.audit import dress
from deployments.views.doors import attempt, find, require
from deployments.views.environments import tenant_counts
from deployments.views.tenants import archive_page
from tenants import services
from tenants.access import user_can
from tenants.actors import from_request
from tenants.models import AuditEntry, Region, SharedEnvironment

COLUMNS = (
    Column("name", _("Region"), ("slug",)),
    Column("account", _("Cloud account"), ("account__name",)),
    Column("domain", _("Domain"), ("domain_name",)),
    Column("environments", _("Environments"), (), "text-end"),
    Column("tenants", _("Tenants"), (), "text-end"),
    Column("cap", _("Runs at once"), ("max_runs",), "text-end"),
)


def region_list(request: HttpRequest) -> HttpResponse:
    """Show the regions that the person may see."""
    rows = Region.objects.visible_to(request.user).select_related("account")
    listing = Listing(
        request, RegionFilter(request.GET, rows, request=request), COLUMNS, default="name"
    )
    if listing.wants_csv:
        return _export(listing)
    ids = [region.pk for region in listing.rows]
    tenants = tenant_counts(request, "region_id", ids)
    environments: dict[int, int] = {}
    visible = SharedEnvironment.objects.visible_to(request.user).living()
    for region_id in visible.filter(region_id__in=ids).values_list("region_id", flat=True):
        environments[region_id] = environments.get(region_id, 0) + 1
    for region in listing.rows:
        region.href = link("region", region.public_id)
        region.tenant_count = tenants.get(region.pk, 0)
        region.environment_count = environments.get(region.pk, 0)
    context = {"section": "regions", "may_create": user_can(request.user, "admin")}
    return show(request, "deployments/region_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("region", "place", "account", "domain", "time_zone", "state_backend", "runs_at_once")

    def cells(row: Region) -> tuple[Any, ...]:
        place = (row.slug, row.title, row.account, row.domain_name, row.time_zone)
        return (*place, row.state_backend, row.max_runs)

    return export(listing, "regions", header, cells)


def region_page(request: HttpRequest, region_id: str) -> HttpResponse:
    """Show one region; an admin changes its settings here."""
    region = _find(request, region_id)
    form = None
    may_admin = user_can(request.user, "admin", region) and not region.is_archived
    if request.method == "POST":
        require(request, "admin", region)
    if may_admin:
        form = RegionForm(request.POST or None, region=region)
        if request.method == "POST" and form.is_valid() and _change(request, region, form):
            messages.success(request, _t("Saved."))
            return redirect(link("region", region.public_id))
    return _show(request, region, form)


@require_POST
def region_check(request: HttpRequest, region_id: str) -> HttpResponse:
    """Ask the region's provider whether stacks can be built there, and show the answers."""
    region = _find(request, region_id)
    require(request, "plan", region)
    answers = list(check_region(region))
    if request.htmx:
        context = {"region": region, "answers": answers, "may_check": True}
        return render(request, "deployments/_region_check.html", context)
    may_admin = user_can(request.user, "admin", region) and not region.is_archived
    return _show(request, region, RegionForm(region=region) if may_admin else None, answers)


def _find(request: HttpRequest, region_id: str) -> Region:
    rows = Region.objects.visible_to(request.user).select_related("account")
    return find(rows, region_id)


def _show(
    request: HttpRequest, region: Region, form: RegionForm | None, answers: Sequence[Answer] = ()
) -> HttpResponse:
    environments = SharedEnvironment.objects.visible_to(request.user).living()
    environments = environments.filter(region=region).select_related("stack").order_by("name")
    entries = AuditEntry.objects.visible_to(request.user).filter(target_id=region.public_id)
    context = {
        "section": "regions",
        "region": region,
        "form": form,
        "address": link("region", region.public_id),
        "answers": answers,
        "may_admin": user_can(request.user, "admin", region) and not region.is_archived,
        "may_check": user_can(request.user, "plan", region) and not region.is_archived,
        "environments": [(e, link("environment", e.public_id)) for e in environments[:100]],
        "tenant_count": tenant_counts(request, "region_id", [region.pk]).get(region.pk, 0),
        "runs_now": Run.objects.filter(region=region, status__in=AT_WORK).count(),
        "entries": [dress(entry) for entry in entries.order_by("-id")[:7]],
    }
    return render(request, "deployments/region.html", context)


def _change(request: HttpRequest, region: Region, form: RegionForm) -> bool:
    actor, data = from_request(request), form.cleaned_data
    done = attempt(form, lambda: services.change_region(actor, region, **data))
    return done is not None


def region_new(request: HttpRequest) -> HttpResponse:
    """Create a region."""
    require(request, "admin", None)
    form = RegionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        made = attempt(form, lambda: services.create_region(actor, **data), name_field="slug")
        if made is not None:
            return redirect(link("region", made.public_id))
    has_accounts = form.fields["account"].queryset.exists()
    context = {"form": form, "section": "regions", "has_accounts": has_accounts}
    return render(request, "deployments/region_new.html", context)


def region_archive(request: HttpRequest, region_id: str) -> HttpResponse:
    """Hide a region that nothing stands in any more."""
    region = find(Region.objects.visible_to(request.user), region_id)
    require(request, "admin", region)
    back = link("region", region.public_id)
    return archive_page(request, region, back, section="regions", kind="admin")
