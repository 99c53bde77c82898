"""The fleet as a picture: counts and tiles by region and shared environment, few queries."""

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.safestring import SafeString, mark_safe

from deployments.links import link
from deployments.looks import CONDITION_LOOKS
from deployments.urgency import urgency
from tenants.models import Region, SharedEnvironment, Stack, Tenant, User
from tenants.models.stacks import Condition, StackKind

# So many tiles are drawn for one shared environment, and about so many on the whole page.
TILES_PER_ENVIRONMENT = 250
TILES_PER_PAGE = 1_500
# In the bar even one tenant must be seen.
THINNEST = 0.006


@dataclass
class EnvironmentPicture:
    """One shared environment (None: tenants without one) and its tenants as tiles."""

    environment: SharedEnvironment | None
    href: str = ""
    count: int = 0
    tiles: list[str] = field(default_factory=list)

    @property
    def markup(self) -> SafeString:
        """Return the tiles."""
        return mark_safe("".join(self.tiles))  # noqa: S308 escaped when made

    @property
    def hidden(self) -> int:
        """Return how many tenants have no tile."""
        return self.count - len(self.tiles)


@dataclass
class RegionPicture:
    """One region and what stands in it."""

    region: Region
    href: str
    environments: list[EnvironmentPicture] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Return how many tenants it has."""
        return sum(picture.count for picture in self.environments)


@dataclass
class Share:
    """One condition in the bar and its legend; positions are shares of the whole width 1000."""

    condition: str
    label: Any
    tone: str
    icon: str
    count: int
    x: float = 0
    width: float = 0


@dataclass
class Fleet:
    """Everything that a person may see, as a picture."""

    total: int
    shares: list[Share]
    regions: list[RegionPicture]
    environment_count: int
    # How many installed tenants run each release, by its name.
    releases: Counter[str]


def living_tenant_stacks(user: User) -> "QuerySet[Stack]":
    """Return the stacks of the living tenants that the person may see."""
    # Archived ones are few: to leave these out costs half of a join with all tenants.
    archived = Tenant.objects.filter(archived_at__isnull=False)
    return Stack.objects.visible_to(user).filter(kind=StackKind.TENANT).exclude(tenant__in=archived)


def picture(user: User) -> Fleet:
    """Return the fleet that the person may see: four queries whatever its size."""
    counts = (
        living_tenant_stacks(user)
        .order_by()
        .values_list("region_id", "parent_environment_id", "condition", "applied_release")
        .annotate(n=Count("pk"), installed=Count("pk", filter=Q(resource_count__gt=0)))
    )
    by_place: Counter[tuple[int, int | None]] = Counter()
    by_condition: Counter[str] = Counter()
    releases: Counter[str] = Counter()
    for region_id, environment_id, condition, release, n, installed in counts:
        by_place[region_id, environment_id] += n
        by_condition[condition] += n
        releases[release] += installed
    environments = SharedEnvironment.objects.visible_to(user).living().order_by("name")
    environments = environments.select_related("stack").only(
        "name", "public_id", "title", "region_id", "stack__condition", "stack__state_suspect"
    )
    places: dict[tuple[int, int | None], EnvironmentPicture] = {
        (e.region_id, e.pk): EnvironmentPicture(e, link("environment", e.public_id))
        for e in environments
    }
    for place in by_place:
        places.setdefault(place, EnvironmentPicture(None))
    for place, picture_ in places.items():
        picture_.count = by_place[place]
    _draw(user, places)
    pictures = _regions(user, {region for region, _place in by_place})
    for (region_id, _environment_id), picture_ in places.items():
        if region_id in pictures:
            pictures[region_id].environments.append(picture_)
    total = sum(by_condition.values())
    named = [p for p in places.values() if p.environment is not None]
    shares = _shares(by_condition, total)
    return Fleet(total, shares, list(pictures.values()), len(named), +releases)


def _regions(user: User, named: set[int]) -> dict[int, RegionPicture]:
    """Return the regions to draw: those that the user may see, and those of their tenants.

    The region of a tenant is named to whoever sees that tenant alone, but is no page for them.
    """
    seen = Region.objects.visible_to(user)
    rows = Region.objects.filter(Q(pk__in=seen.values("pk")) | Q(pk__in=named)).living()
    rows = rows.select_related("account").order_by("slug")
    rows = rows.only("slug", "public_id", "title", "account__name")
    pages = set(seen.values_list("pk", flat=True))
    return {
        r.pk: RegionPicture(r, link("region", r.public_id) if r.pk in pages else "") for r in rows
    }


def _draw(user: User, places: dict[tuple[int, int | None], EnvironmentPicture]) -> None:
    """Give each place its tiles, the most urgent first, no more than fit on a page."""
    filled = sum(1 for p in places.values() if p.count)
    if not filled:
        return
    most = max(20, min(TILES_PER_ENVIRONMENT, TILES_PER_PAGE // filled))
    place = ("region_id", "parent_environment_id")
    rank = Window(RowNumber(), partition_by=list(map(F, place)), order_by=["urgency", "name"])
    rows = living_tenant_stacks(user).annotate(urgency=urgency()).annotate(rank=rank)
    rows = rows.filter(rank__lte=most).order_by(*place, "rank")
    looks = {
        value: (look.tone, escape(str(look.label)), look.icon + " o-spin" * look.is_turning)
        for value, look in CONDITION_LOOKS.items()
    }
    columns = (*place, "condition", "name", "tenant__public_id")
    for region_id, environment_id, condition, name, public_id in rows.values_list(*columns):
        found = places.get((region_id, environment_id))
        if found is not None:
            href = link("tenant", public_id)
            found.tiles.append(_tile(href, escape(name), *looks[condition]))


def _tile(href: str, name: str, tone: str, label: str, icon: str) -> str:
    """Return a tile; name and label are escaped."""
    if tone == "ok":
        words = f'title="{name}: {label}" aria-label="{name}, {label}"'
        return f'<a class="o-tile" data-tone="ok" href="{href}" {words}></a>'
    return (
        f'<a class="o-tile" data-tone="{tone}" href="{href}" title="{name}: {label}">'
        f'<i class="ti ti-{icon}" aria-hidden="true"></i>{name}</a>'
    )


# From what is well to what needs somebody, as the eye reads the bar.
_BAR = (
    Condition.IN_SERVICE,
    Condition.RUNNING,
    Condition.TO_CONFIRM,
    Condition.DRIFT,
    Condition.ERRORED,
    Condition.LOST,
    Condition.NOT_INSTALLED,
)


def _shares(counts: Counter[str], total: int) -> list[Share]:
    """Return the bar's parts: true to scale, but none too thin to be seen, gaps between."""
    shares = []
    for condition in _BAR:
        if n := counts[condition]:
            look = CONDITION_LOOKS[condition]
            shares.append(Share(condition, look.label, look.tone, look.icon, n))
    thin = [max(share.count / total, THINNEST) for share in shares]
    scale, x = (1000 - 2 * (len(shares) - 1)) / (sum(thin) or 1), 0.0
    for share, part in zip(shares, thin, strict=True):
        share.x, share.width = round(x, 1), round(part * scale, 1)
        x += part * scale + 2
    return shares
