"""Many tenants at once, and tenants that another tool built."""

from dataclasses import replace
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from api import shapes
from api.doors import chosen, known_zone, made_at, wrong
from api.errors import PreviewDiffers
from api.routes.tenants import tenant_body
from api.values import PATTERN, Asked, Labels, Line, Name, Reason, Shape, Truth, Values
from deployments import bulkedit
from deployments.bulkedit import Line as Previewed
from deployments.bulkedit import Outcome, Wanted
from deployments.views.bulk import MOST
from deployments.views.doors import may_anywhere, require
from omlsaas.lib.ids import new_id
from tenants import adoption, audit, services
from tenants.access import user_can
from tenants.actors import from_request
from tenants.models import Region, Release, SharedEnvironment, Tenant

router = Router(tags=["tenants"])
RELATED = ("region", "shared_environment__stack", "release", "stack__region")


class ManyChange(Asked):
    """What shall be so on every one of these tenants; what is left out stays as it is."""

    tenants: Annotated[list[Name], Field(min_length=1, max_length=MOST, description="Their ids.")]
    release: Annotated[Name | None, Field(description="The release's id.")] = None
    time_zone: Annotated[str, Field(max_length=64)] = ""
    sizes: Annotated[Values, Field(description="Inputs that the blueprint calls sizes.")] = Field(
        default_factory=dict
    )
    labels: Labels = Field(default_factory=dict)
    labels_gone: Annotated[list[Line], Field(max_length=100)] = Field(default_factory=list)
    has_plan: Annotated[Truth, Field(description="Queue a plan-only run for each.")] = False


class ManyChangeNow(ManyChange):
    """The same with a reason; with `digest` only while the preview still holds."""

    reason: Reason
    digest: Annotated[str, Field(max_length=64)] = ""


class ValueChange(Shape):
    """One value of one tenant."""

    name: str
    before: Any
    after: Any


class TenantPreview(Shape):
    """What would become of one tenant."""

    tenant: shapes.Ref
    changes: list[ValueChange]
    is_allowed: bool = Field(description="Whether your roles cover this tenant.")


class ManyPreview(Shape):
    """What would become of each, and what to send with it."""

    digest: str
    items: list[TenantPreview]


class TenantOutcome(Shape):
    """What became of one tenant: a sentence for each thing done or refused."""

    tenant: shapes.Ref
    done: list[str]
    refused: list[str]
    run: str | None


class ManyOutcome(Shape):
    """What became of each; the operation's id groups the entries of the audit trail."""

    operation_id: str
    items: list[TenantOutcome]


def _wanted(request: HttpRequest, asked: ManyChange) -> tuple[list[Tenant], Wanted]:
    """Return the tenants by name and what is wanted. Raises ValuesRefused."""
    rows = Tenant.objects.visible_to(request.user).living().filter(public_id__in=asked.tenants)
    tenants = list(rows.select_related(*RELATED).order_by("name"))
    known = {tenant.public_id for tenant in tenants}
    if unknown := sorted(set(asked.tenants) - known):
        raise wrong(tenants=f"Not among what you see: {', '.join(unknown)[:300]}.")
    known_zone(asked.time_zone)
    sizes = {variable.name for variable in bulkedit.size_variables(tenants)}
    if unknown := sorted(set(asked.sizes) - sizes):
        raise wrong(sizes=f"No sizes of all of them: {', '.join(unknown)[:300]}.")
    blueprints = {tenant.blueprint for tenant in tenants}
    releases = Release.objects.living().filter(blueprint__in=blueprints)
    wanted = Wanted(
        release=chosen(releases, "release", asked.release),
        time_zone=asked.time_zone,
        sizes=asked.sizes,
        labels=asked.labels,
        labels_gone=tuple(asked.labels_gone),
        has_plan=asked.has_plan,
    )
    if wanted.is_empty:
        raise wrong(body="Choose at least one thing to change.")
    return tenants, wanted


def _ref(tenant: Tenant) -> dict[str, str]:
    return {"id": tenant.public_id, "name": tenant.name}


def _covered(request: HttpRequest, tenants: list[Tenant], wanted: Wanted) -> set[int]:
    """Return which tenants the caller's roles cover; PermissionDenied when it is none."""
    user = request.user
    may = {t.pk for t in tenants if all(user_can(user, kind, t) for kind in wanted.kinds)}
    if not may:
        for kind in wanted.kinds:
            require(request, kind, tenants[0])
    return may


def _previewed(line: Previewed, may: set[int]) -> dict[str, Any]:
    changes = [{"name": c.name, "before": c.before, "after": c.after} for c in line.changes]
    return {"tenant": _ref(line.tenant), "changes": changes, "is_allowed": line.tenant.pk in may}


@router.post("/bulk/tenants/preview", response=ManyPreview)
def preview_many(request: HttpRequest, asked: ManyChange):
    """Tell what one change would do to each of these tenants."""
    tenants, wanted = _wanted(request, asked)
    may = _covered(request, tenants, wanted)
    lines = bulkedit.preview(tenants, wanted)
    digest = bulkedit.digest(lines, wanted)
    return {"digest": digest, "items": [_previewed(line, may) for line in lines]}


@router.post("/bulk/tenants", response=ManyOutcome)
def change_many(request: HttpRequest, asked: ManyChangeNow):
    """Change these tenants as one operation; what is refused for one stops no other."""
    tenants, wanted = _wanted(request, asked)
    _covered(request, tenants, wanted)
    now = bulkedit.digest(bulkedit.preview(tenants, wanted), wanted)
    if asked.digest and asked.digest != now:
        raise PreviewDiffers()
    actor = replace(from_request(request).because(asked.reason), operation_id=new_id("ops"))
    found = bulkedit.carry_out_for(request.user, actor, tenants, wanted)
    return {"operation_id": actor.operation_id, "items": [_outcome(one) for one in found]}


def _outcome(one: Outcome) -> dict[str, Any]:
    run = one.run.public_id if one.run else None
    return {"tenant": _ref(one.tenant), "done": one.done, "refused": one.refused, "run": run}


# -- taking over -----------------------------------------------------------------------------
class Place(Asked):
    """Where the tenant stands: region and shared environment by id."""

    blueprint: Name
    region: Name
    environment: Name


class OldFiles(Place):
    """The two files of the tool before this one. Neither is kept."""

    values: Annotated[
        str,
        Field(
            min_length=1,
            max_length=256 * 1024,
            pattern=PATTERN,
            json_schema_extra={"writeOnly": True},
            description="Its variables, as .auto.tfvars.",
        ),
    ]
    state: Annotated[
        str,
        Field(
            min_length=1,
            max_length=adoption.MAX_UPLOAD_BYTES,
            pattern=PATTERN,
            json_schema_extra={"writeOnly": True},
            description="What “terraform state pull” prints.",
        ),
    ]


class Adopting(Place):
    """A preview that was read, for the same place."""

    title: Line = ""
    packed: Annotated[
        str, Field(min_length=1, max_length=1_000_000, description="`packed` of the preview.")
    ]


class AdoptionPreview(Shape):
    """What would be taken over, without values of secrets; `packed` is good for an hour."""

    preview: dict[str, Any]
    packed: str


def _place(request: HttpRequest, asked: Place) -> tuple[Region, SharedEnvironment]:
    """Return where it stands. Raises ValuesRefused, PermissionDenied."""
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    regions = Region.objects.visible_to(request.user).living().select_related("account")
    region = chosen(regions, "region", asked.region)
    environments = SharedEnvironment.objects.visible_to(request.user).living()
    environment = chosen(environments, "environment", asked.environment)
    require(request, "change", region)
    return region, environment


@router.post("/adoptions/preview", response=AdoptionPreview)
def preview_adoption(request: HttpRequest, asked: OldFiles):
    """Tell what two files of the tool before this one would bring."""
    region, environment = _place(request, asked)
    kind = services.blueprint_kind(asked.blueprint, "tenant")
    files = (
        adoption.OldFile("values", asked.values.encode()),
        adoption.OldFile("state", asked.state.encode()),
    )
    found = adoption.preview_tenant(kind, region, environment, *files)
    audit.took(from_request(request), "adoption preview", region, tenant=found.name)
    bound = adoption.bound_to(request.user, asked.blueprint, region, environment)
    return {"preview": found.to_json(), "packed": adoption.pack(found, bound)}


@router.post("/adoptions", response={201: shapes.Tenant})
def adopt_tenant(request: HttpRequest, asked: Adopting, response: HttpResponse):
    """Keep the tenant of a preview. Its state stays where it is; nothing is built."""
    region, environment = _place(request, asked)
    bound = adoption.bound_to(request.user, asked.blueprint, region, environment)
    row = adoption.adopt_tenant(
        from_request(request),
        adoption.unpack(asked.packed, bound),
        region=region,
        blueprint=asked.blueprint,
        shared_environment=environment,
        title=asked.title,
    )
    made_at(response, "get_tenant", row.public_id)
    return tenant_body(request, row.public_id)
