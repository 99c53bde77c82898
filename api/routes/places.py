"""Regions, shared environments and releases."""

from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from api import dress, shapes
from api.doors import chosen, cleaned, made_at
from api.paging import page, query_of
from api.values import Asked, Labels, Line, LongText, Name, Reason, Text, Whole
from deployments import services
from deployments.cloud.checking import check_region
from deployments.filters import EnvironmentFilter, RegionFilter, ReleaseFilter
from deployments.forms import NewEnvironmentForm, RegionForm, ReleaseForm
from deployments.views.doors import find, may_anywhere, require
from tenants import services as tenants_services
from tenants.actors import from_request
from tenants.models import CloudAccount, Region, Release, SharedEnvironment

router = Router()
Id = Annotated[str, Path(max_length=64)]


class Archiving(Asked):
    """Why something is archived."""

    reason: Reason


class NewRegion(Asked):
    """A region; its account by name."""

    account: Name
    slug: Name
    title: Annotated[str, Field(max_length=100)] = ""
    code: Annotated[str, Field(max_length=32)] = ""
    domain_name: Line = ""
    hosted_zone: Annotated[str, Field(max_length=64)] = ""
    owner_prefix: Annotated[str, Field(max_length=16)] = ""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    state_backend: Annotated[str, Field(max_length=16)] = "local"
    backend_config: Labels = Field(default_factory=dict)
    conn_str: Annotated[str, Field(max_length=2000, json_schema_extra={"writeOnly": True})] = ""
    instances_remote: Annotated[str, Field(max_length=300)] = ""
    endpoint_url: Line = ""
    max_runs: Annotated[Whole, Field(ge=1, le=1000)] = 32


class RegionChange(Asked):
    """What may change on a region; what is left out stays."""

    title: Annotated[str, Field(max_length=100)] | None = None
    code: Annotated[str, Field(max_length=32)] | None = None
    domain_name: Line | None = None
    hosted_zone: Annotated[str, Field(max_length=64)] | None = None
    owner_prefix: Annotated[str, Field(max_length=16)] | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    backend_config: Labels | None = None
    conn_str: Annotated[
        str,
        Field(
            max_length=2000,
            json_schema_extra={"writeOnly": True},
            description="The secret address of a pg state backend; empty keeps it.",
        ),
    ] = ""
    instances_remote: Annotated[str, Field(max_length=300)] | None = None
    endpoint_url: Line | None = None
    max_runs: Annotated[Whole, Field(ge=1, le=1000)] | None = None


class NewEnvironment(Asked):
    """A shared environment; its region by id."""

    name: Name
    title: Line = ""
    blueprint: Name
    region: Name
    labels: Labels = Field(default_factory=dict)


class NewRelease(Asked):
    """Component versions of one blueprint under one name."""

    blueprint: Name
    name: Name
    components: Annotated[Labels, Field(min_length=1)]
    notes: LongText = ""


class EnvironmentChange(Asked):
    """What may change on a shared environment; what is left out stays."""

    title: Line | None = None
    labels: Labels | None = None
    notes: LongText | None = None
    reason: Text = ""


class ReleaseChange(Asked):
    """What may change on a release; stacks take it up with their next run."""

    components: Annotated[Labels, Field(min_length=1)] | None = None
    notes: LongText | None = None
    reason: Text = ""


def _regions(request: HttpRequest):
    return Region.objects.visible_to(request.user).select_related("account")


@router.get("/regions", response=shapes.Regions, tags=["regions"])
def list_regions(request: HttpRequest, query: Query[query_of(RegionFilter)]):
    """Regions that you may see, by name."""
    return page(request, query, _regions(request), ("slug", "pk"), dress.region)


@router.post("/regions", response={201: shapes.Region}, tags=["regions"])
def create_region(request: HttpRequest, asked: NewRegion, response: HttpResponse):
    """Create a region of a cloud account."""
    require(request, "admin", None)
    account = CloudAccount.objects.living().filter(name=asked.account).first()
    form = RegionForm(asked.model_dump() | {"account": account.pk if account else ""})
    row = tenants_services.create_region(from_request(request), **cleaned(form))
    made_at(response, "get_region", row.public_id)
    return dress.region(row)


@router.get("/regions/{region_id}", response=shapes.Region, tags=["regions"])
def get_region(request: HttpRequest, region_id: Id):
    """One region."""
    return dress.region(find(_regions(request), region_id))


@router.patch("/regions/{region_id}", response=shapes.Region, tags=["regions"])
def change_region(request: HttpRequest, region_id: Id, asked: RegionChange):
    """Change a region's settings."""
    row = find(_regions(request), region_id)
    require(request, "admin", row)
    now = {name: getattr(row, name) for name in RegionForm.LATER}
    form = RegionForm(now | asked.model_dump(exclude_none=True), region=row)
    tenants_services.change_region(from_request(request), row, **cleaned(form))
    return dress.region(find(_regions(request), region_id))


@router.post("/regions/{region_id}/check", response=shapes.Answers, tags=["regions"])
def ask_region(request: HttpRequest, region_id: Id):
    """Ask the region's provider whether stacks can be built there."""
    row = find(_regions(request), region_id)
    require(request, "plan", row)
    items = [
        {"code": one.code, "status": one.status, "detail": str(one.text)}
        for one in check_region(row)
    ]
    return {"items": items}


@router.post("/regions/{region_id}/archive", response=shapes.Region, tags=["regions"])
def archive_region(request: HttpRequest, region_id: Id, asked: Archiving):
    """Hide a region that nothing stands in any more."""
    row = find(_regions(request), region_id)
    require(request, "admin", row)
    services.archive(from_request(request), row, asked.reason)
    return dress.region(find(_regions(request), region_id))


def _environments(request: HttpRequest):
    return SharedEnvironment.objects.visible_to(request.user)


def _environment(request: HttpRequest, public_id: str) -> dict:
    rows = _environments(request).filter(public_id=public_id)
    row = rows.values_list(*dress.ENVIRONMENT, named=True).first()
    if row is None:
        raise Http404
    return dress.environment(row)


@router.get("/environments", response=shapes.Environments, tags=["environments"])
def list_environments(request: HttpRequest, query: Query[query_of(EnvironmentFilter)]):
    """Shared environments that you may see, by name."""
    rows = _environments(request)
    return page(request, query, rows, ("name", "pk"), dress.environment, dress.ENVIRONMENT)


@router.post("/environments", response={201: shapes.Environment}, tags=["environments"])
def create_environment(request: HttpRequest, asked: NewEnvironment, response: HttpResponse):
    """Create a shared environment with its stack; nothing is built yet."""
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    rows = Region.objects.visible_to(request.user).living()
    region = chosen(rows, "region", asked.region)
    form = NewEnvironmentForm(asked.model_dump() | {"region": region.pk}, user=request.user)
    data = cleaned(form)
    require(request, "change", region)
    row = tenants_services.create_shared_environment(from_request(request), **data)
    made_at(response, "get_environment", row.public_id)
    return _environment(request, row.public_id)


@router.get("/environments/{environment_id}", response=shapes.Environment, tags=["environments"])
def get_environment(request: HttpRequest, environment_id: Id):
    """One shared environment."""
    return _environment(request, environment_id)


@router.patch("/environments/{environment_id}", response=shapes.Environment, tags=["environments"])
def change_environment(request: HttpRequest, environment_id: Id, asked: EnvironmentChange):
    """Change what the portal keeps of a shared environment."""
    row = find(_environments(request).select_related("region"), environment_id)
    require(request, "change", row)
    fields = asked.model_dump(exclude={"reason"}, exclude_none=True)
    actor = from_request(request).because(asked.reason)
    tenants_services.change(actor, row, "environment.change", **fields)
    return _environment(request, environment_id)


@router.post(
    "/environments/{environment_id}/archive", response=shapes.Environment, tags=["environments"]
)
def archive_environment(request: HttpRequest, environment_id: Id, asked: Archiving):
    """Hide a shared environment that nothing stands in any more."""
    row = find(_environments(request).select_related("region"), environment_id)
    require(request, "destroy", row)
    services.archive(from_request(request), row, asked.reason)
    return _environment(request, environment_id)


def _releases(request: HttpRequest):
    may_see = may_anywhere(request.user, "view")
    return Release.objects.all() if may_see else Release.objects.none()


@router.get("/releases", response=shapes.Releases, tags=["releases"])
def list_releases(request: HttpRequest, query: Query[query_of(ReleaseFilter)]):
    """Releases, by blueprint and name."""
    return page(request, query, _releases(request), ("blueprint", "name", "pk"), dress.release)


@router.post("/releases", response={201: shapes.Release}, tags=["releases"])
def create_release(request: HttpRequest, asked: NewRelease, response: HttpResponse):
    """Create a release of a blueprint."""
    require(request, "admin", None)
    data = cleaned(ReleaseForm(asked.model_dump()))
    row = tenants_services.create_release(from_request(request), **data)
    made_at(response, "get_release", row.public_id)
    return dress.release(row)


@router.get("/releases/{release_id}", response=shapes.Release, tags=["releases"])
def get_release(request: HttpRequest, release_id: Id):
    """One release."""
    return dress.release(find(_releases(request), release_id))


@router.patch("/releases/{release_id}", response=shapes.Release, tags=["releases"])
def change_release(request: HttpRequest, release_id: Id, asked: ReleaseChange):
    """Change what a release holds: stacks take it up with their next run."""
    row = find(_releases(request), release_id)
    require(request, "admin", None)
    fields = asked.model_dump(exclude={"reason"}, exclude_none=True)
    if asked.components is not None:
        named = {"blueprint": row.blueprint, "name": row.name}
        cleaned(ReleaseForm(named | {"components": asked.components}))
    actor = from_request(request).because(asked.reason)
    tenants_services.change(actor, row, "release.change", kind="admin", **fields)
    return dress.release(find(_releases(request), release_id))


@router.post("/releases/{release_id}/archive", response=shapes.Release, tags=["releases"])
def archive_release(request: HttpRequest, release_id: Id, asked: Archiving):
    """Hide a release that no living tenant has chosen."""
    row = find(_releases(request), release_id)
    require(request, "admin", None)
    services.archive(from_request(request), row, asked.reason)
    return dress.release(find(_releases(request), release_id))
