"""Tenants."""

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from api import dress, shapes
from api.doors import chosen, cleaned, made_at, wrong
from api.paging import page, query_of
from api.routes.places import Archiving, Id
from api.values import Asked, Labels, Line, LongText, Moment, Name, Reason, Shape, Text
from deployments import services
from deployments.filters import TenantFilter
from deployments.forms import NewTenantForm, TenantForm
from deployments.views.doors import find, may_anywhere, require
from tenants import blueprints
from tenants import services as tenants_services
from tenants.actors import from_request
from tenants.models import Region, Release, SharedEnvironment, Tenant

router = Router(tags=["tenants"])


class NewTenant(Asked):
    """A tenant; region, shared environment and release by id."""

    name: Name
    title: Line = ""
    blueprint: Name
    region: Name | None = None
    environment: Name | None = None
    release: Name | None = None
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    labels: Labels = Field(default_factory=dict)


class TenantChange(Asked):
    """What may change on a tenant; what is left out stays. A null release takes it off."""

    title: Line | None = None
    release: Name | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    labels: Labels | None = None
    notes: LongText | None = None
    reason: Text = ""


class PinShape(Shape):
    """A version of one component that wins over the release."""

    component: str
    version: str
    reason: str
    expires_at: datetime | None


class Pins(Shape):
    """A tenant's pins."""

    items: list[PinShape]


class Pin(Asked):
    """A version of one component for this tenant alone."""

    version: Name
    reason: Reason
    expires_at: Moment | None = None


def _rows(request: HttpRequest):
    return Tenant.objects.visible_to(request.user)


def tenant_body(request: HttpRequest, public_id: str) -> dict:
    """Return a tenant as answers have it; Http404 where it is not to be seen."""
    rows = _rows(request).filter(public_id=public_id)
    row = rows.values_list(*dress.TENANT, named=True).first()
    if row is None:
        raise Http404
    return dress.tenant(row)


@router.get("/tenants", response=shapes.Tenants)
def list_tenants(request: HttpRequest, query: Query[query_of(TenantFilter)]):
    """Tenants that you may see, by name."""
    return page(request, query, _rows(request), ("name", "pk"), dress.tenant, dress.TENANT)


@router.post("/tenants", response={201: shapes.Tenant})
def create_tenant(request: HttpRequest, asked: NewTenant, response: HttpResponse):
    """Create a tenant with its stack; nothing is built yet."""
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    regions = Region.objects.visible_to(request.user).living()
    region = chosen(regions, "region", asked.region)
    environments = SharedEnvironment.objects.visible_to(request.user).living()
    environment = chosen(environments, "environment", asked.environment)
    release = chosen(Release.objects.living(), "release", asked.release)
    data = asked.model_dump(exclude={"environment"})
    data |= {"region": region.pk if region else "", "release": release.pk if release else ""}
    data["shared_environment"] = environment.pk if environment else ""
    clean = cleaned(NewTenantForm(data, user=request.user))
    require(request, "change", environment or clean["region"])
    row = tenants_services.create_tenant(from_request(request), **clean)
    made_at(response, "get_tenant", row.public_id)
    return tenant_body(request, row.public_id)


@router.get("/tenants/{tenant_id}", response=shapes.Tenant)
def get_tenant(request: HttpRequest, tenant_id: Id):
    """One tenant."""
    return tenant_body(request, tenant_id)


@router.patch("/tenants/{tenant_id}", response=shapes.Tenant)
def change_tenant(request: HttpRequest, tenant_id: Id, asked: TenantChange):
    """Change what the portal keeps of a tenant."""
    row = find(_rows(request).select_related("region", "release"), tenant_id)
    require(request, "change", row)
    now = {name: getattr(row, name) for name in ("title", "time_zone", "labels", "notes")}
    now |= {"release": row.release_id or "", "reason": asked.reason}
    given = asked.model_dump(exclude={"release"}, exclude_none=True)
    if "release" in asked.model_fields_set:
        rows = Release.objects.living().filter(blueprint=row.blueprint)
        release = chosen(rows, "release", asked.release)
        given["release"] = release.pk if release else ""
    data = cleaned(TenantForm(now | given, tenant=row))
    actor = from_request(request).because(data.pop("reason"))
    tenants_services.change_tenant(actor, row, **data)
    return tenant_body(request, tenant_id)


@router.post("/tenants/{tenant_id}/archive", response=shapes.Tenant)
def archive_tenant(request: HttpRequest, tenant_id: Id, asked: Archiving):
    """Hide a tenant that has no resources any more; its history stays."""
    row = find(_rows(request).select_related("region"), tenant_id)
    require(request, "destroy", row)
    services.archive(from_request(request), row, asked.reason)
    return tenant_body(request, tenant_id)


@router.get("/tenants/{tenant_id}/pins", response=Pins)
def list_pins(request: HttpRequest, tenant_id: Id):
    """The tenant's own versions of components, by component."""
    rows = find(_rows(request), tenant_id).pins.order_by("component")
    names = ("component", "version", "reason", "expires_at")
    return {"items": list(rows.values(*names))}


@router.put("/tenants/{tenant_id}/pins/{component}", response=shapes.Tenant)
def pin_component(request: HttpRequest, tenant_id: Id, component: Id, asked: Pin):
    """Give a tenant its own version of one component: it wins over the release."""
    row = find(_rows(request), tenant_id)
    require(request, "upgrade", row)
    known = tenants_services.blueprint_kind(row.blueprint, "tenant").versions
    if component not in known:
        raise wrong(component=f"There are: {', '.join(sorted(known)) or '–'}.")
    tenants_services.pin_component(
        from_request(request), row, component=component, **asked.model_dump()
    )
    return tenant_body(request, tenant_id)


@router.delete("/tenants/{tenant_id}/pins/{component}", response={204: None})
def unpin_component(request: HttpRequest, tenant_id: Id, component: Id):
    """Take a pin off: the release decides again."""
    row = find(_rows(request), tenant_id)
    require(request, "upgrade", row)
    if not row.pins.filter(component=component).exists():
        raise Http404
    tenants_services.pin_component(
        from_request(request), row, component=component, version="", reason="", expires_at=None
    )


def kind_of(blueprint: str, kind: str) -> blueprints.Kind:
    """Return how a stack is built; Http404 when its blueprint is broken or gone."""
    try:
        return blueprints.load(blueprint).kinds[kind]
    except (blueprints.BlueprintFlawed, LookupError, OSError) as error:
        raise Http404 from error
