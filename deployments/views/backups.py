"""The backups of a stack: the panel on its page, and the whole list."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.filters import BackupFilter
from deployments.links import link, owner_link
from deployments.listing import Column, Listing, export, show
from deployments.models import Backup
from deployments.services.params import point_words, points_of
from deployments.services.points import leaves_data
from deployments.views.doors import find
from tenants import blueprints
from tenants.access import user_can
from tenants.blueprints import Action, Kind
from tenants.blueprints.stepkinds import LISTS_BACKUPS
from tenants.models import Stack, User

POINTS_SHOWN = 5
# They tell which backups the bucket has.
LISTS = ("s3.list", LISTS_BACKUPS)
COLUMNS = (
    Column("name", _("Name"), ("name",)),
    Column("component", _("Component"), ("component",)),
    Column("taken", _("Taken"), ("taken_at",)),
    Column("size", _("Size"), ("size",), "text-end"),
    Column("run", _("Made by")),
    Column("seen", _("Seen"), ("seen_at",)),
)


@dataclass(frozen=True)
class Newest:
    """The newest backup of one component; `is_old` is a warning."""

    component: str
    backup: Backup | None
    is_old: bool


@dataclass(frozen=True)
class Point:
    """One restore point as the page offers it."""

    words: str
    run_href: str
    run_number: int
    href: str


def components_of(actions: Collection[Action]) -> list[str]:
    """Return the components that have backups, as the steps of these actions name them."""
    found: dict[str, None] = {}
    for action in actions:
        for step in action.steps:
            if step.kind == LISTS_BACKUPS or (
                step.kind in ("s3.list", "s3.await_object") and step.params.get("prefix")
            ):
                found[step.params.get("component", "")] = None
    return [name for name in found if name and name in _listed(actions)]


def _listed(actions: Collection[Action]) -> set[str]:
    steps = [step for action in actions for step in action.steps]
    return {step.params.get("component", "") for step in steps if step.kind in LISTS}


def panel(user: User, stack: Stack, kind: Kind) -> dict[str, Any] | None:
    """Return what the page of a stack shows of its backups; None for one that makes none."""
    actions = kind.actions_of(stack.is_adopted).values()
    names = components_of(actions)
    if not names:
        return None
    rows = Backup.objects.filter(stack=stack, component__in=names)
    newest = {b.component: b for b in rows.order_by("component", "-taken_at").distinct("component")}
    now = timezone.now()
    found = [
        Newest(
            name,
            newest.get(name),
            stack.is_installed and (name not in newest or not newest[name].is_fresh(now)),
        )
        for name in names
    ]
    refresh = next((a for a in actions if _only_lists(a)), None)
    return {
        "newest": found,
        "is_old": any(one.is_old for one in found),
        "href": link("stack_backups", stack.public_id),
        "refresh_href": _action_href(user, stack, refresh),
        "points": _points(user, stack, actions),
    }


def _only_lists(action: Action) -> bool:
    return all(step.kind in LISTS for step in action.steps)


def _action_href(user: User, stack: Stack, action: Action | None) -> str:
    if action is None or stack.owner.is_archived or not user_can(user, action.kind, stack):
        return ""
    return f"{link('stack', stack.public_id)}actions/{action.name}/"


def _points(user: User, stack: Stack, actions: Collection[Action]) -> list[Point]:
    action = next((a for a in actions if a.returns_to_point), None)
    href = _action_href(user, stack, action)
    return [
        Point(
            point_words(point),
            link("run", point.run.public_id),
            point.run.number,
            f"{href}?{action.returns_to_point}={point.public_id}" if href else "",
        )
        for point in points_of(stack)[:POINTS_SHOWN]
    ]


def kept_with_points(user: User, stack: Stack, action: Action) -> list[dict[str, str]]:
    """Return the backups of the newest restore points, each with the way to bring it back.

    Empty unless the action goes back to a point and leaves the data as it is.
    """
    if not leaves_data(action):
        return []
    points = list(points_of(stack)[:POINTS_SHOWN])
    keys = [key for point in points for key in point.backups.values()]
    rows = {row.key: row for row in Backup.objects.filter(stack=stack, key__in=keys)}
    ways = _restoring(stack)
    found: dict[str, dict[str, str]] = {}
    for point in points:
        for row in (rows[key] for key in point.backups.values() if key in rows):
            words = _("%(backup)s, the newest before run %(run)s")
            words = words % {"backup": row.name, "run": point.run.number}
            action, name = ways.get(row.component, (None, ""))
            href = _action_href(user, stack, action)
            href = f"{href}?{urlencode({name: row.file})}" if href else ""
            found.setdefault(row.key, {"words": words, "href": href})
    return list(found.values())


def _restoring(stack: Stack) -> dict[str, tuple[Action, str]]:
    """Return component → the action that brings its backups back, and its parameter for that."""
    actions = blueprints.load(stack.blueprint).kinds[stack.kind].actions_of(stack.is_adopted)
    return {
        param.choices_from.partition(":")[2]: (action, param.name)
        for action in actions.values()
        for param in action.params
        if param.choices_from.startswith("backups:") and action.kind == "restore"
    }


def backup_list(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Show the backups of one stack as they were last seen in its bucket."""
    related = ("tenant", "shared_environment", "region")
    stack = find(Stack.objects.visible_to(request.user).select_related(*related), stack_id)
    rows = Backup.objects.filter(stack=stack).select_related("run")
    filters = BackupFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="-taken", tie="-pk")
    if listing.wants_csv:
        return _export(listing)
    for backup in listing.rows:
        backup.run_href = link("run", backup.run.public_id) if backup.run else ""
    context = {
        "stack": stack,
        "back": owner_link(stack),
        "panel": _panel_of(request.user, stack),
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return show(request, "deployments/backup_list.html", listing, context)


def _panel_of(user: User, stack: Stack) -> dict[str, Any] | None:
    try:
        return panel(user, stack, blueprints.load(stack.blueprint).kinds[stack.kind])
    except (blueprints.BlueprintFlawed, LookupError, OSError):
        return None


def _export(listing: Listing) -> HttpResponse:
    header = ("name", "component", "key", "bytes", "taken", "seen", "run")

    def cells(backup: Backup) -> tuple[Any, ...]:
        run = backup.run.number if backup.run else None
        return (backup.name, backup.component, backup.key, backup.size, backup.taken_at,
                backup.seen_at, run)  # fmt: skip

    return export(listing, "backups", header, cells)
