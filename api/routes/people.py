"""People, service accounts, groups and roles: for those who administer everything."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.contrib.auth.models import Group
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router
from pydantic import Field

from api import shapes
from api.doors import chosen, known_zone, made_at, wrong
from api.filters import GroupFilter, PersonFilter, RoleFilter
from api.paging import Page, page, query_of
from api.routes.places import Id
from api.values import PATTERN, Asked, Name, Reason, Shape, Text, Truth
from deployments.views.doors import find, require
from tenants import people
from tenants.actors import from_request
from tenants.models import Membership, Region, SharedEnvironment, Tenant, User
from tenants.models.access import Role
from tenants.signin import factors, sessions

router = Router(tags=["people"])
Number = Annotated[int, Path(ge=1, le=2**62)]
Mail = Annotated[str, Field(max_length=254, pattern=PATTERN)]
Title = Annotated[str, Field(max_length=150, pattern=PATTERN)]
GroupNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=150, pattern=PATTERN)]],
    Field(max_length=100),
]
SCOPES = {"region": Region, "environment": SharedEnvironment, "tenant": Tenant}
SCOPED = ("region", "shared_environment", "tenant")


class RoleHeld(Shape):
    """A role over one scope: everything, a region, a shared environment or a tenant."""

    id: int
    user: shapes.Ref | None
    group: str | None
    role: Literal[tuple(Role.values)]
    everything: bool
    region: shapes.Ref | None
    environment: shapes.Ref | None
    tenant: shapes.Ref | None
    created_at: datetime


class Person(Shape):
    """A person or a service account, with their own roles. Those of groups stand there."""

    id: str
    username: str
    email: str
    first_name: str
    last_name: str
    time_zone: str
    is_active: bool
    is_service: bool
    is_superuser: bool
    groups: list[str]
    roles: list[RoleHeld]
    last_login: datetime | None


class People(Page):
    """A page of people."""

    items: list[Person]


class GroupShape(Shape):
    """A group, whose members hold its roles."""

    id: int
    name: str
    members: list[shapes.Ref]
    roles: list[RoleHeld]


class Groups(Page):
    """A page of groups."""

    items: list[GroupShape]


class Roles(Page):
    """A page of roles."""

    items: list[RoleHeld]


class NewPerson(Asked):
    """An account. Nobody signs in as a person without an invitation or a password from an admin."""

    username: Title
    email: Mail
    first_name: Title = ""
    last_name: Title = ""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    is_service: Truth = False
    groups: GroupNames = Field(default_factory=list)
    reason: Text = ""


class PersonChange(Asked):
    """What may change on an account; what is left out stays. `groups` are all of them.

    Not the address: with it a token could open somebody's account, and outlive itself there.
    """

    first_name: Title | None = None
    last_name: Title | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    is_active: Annotated[Truth | None, Field(description="False closes the account.")] = None
    groups: GroupNames | None = None
    reason: Text = ""


class NewGroup(Asked):
    """A group; members by id."""

    name: Annotated[str, Field(min_length=1, max_length=150, pattern=PATTERN)]
    members: Annotated[list[Name], Field(max_length=1000)] = Field(default_factory=list)
    reason: Text = ""


class GroupChange(Asked):
    """What may change on a group; `members` are all of them."""

    name: Annotated[str, Field(min_length=1, max_length=150, pattern=PATTERN)] | None = None
    members: Annotated[list[Name], Field(max_length=1000)] | None = None
    reason: Text = ""


class NewRole(Asked):
    """A role for one user (by id) or one group (by name), over exactly one scope."""

    user: Name | None = None
    group: Name | None = None
    role: Literal[tuple(Role.values)]
    everything: Truth = False
    region: Name | None = None
    environment: Name | None = None
    tenant: Name | None = None
    reason: Text = ""


class Why(Asked):
    """Why."""

    reason: Reason


class Ended(Shape):
    """How many sessions or factors are gone."""

    count: int


def _ref(row: Any) -> dict[str, str] | None:
    return {"id": row.public_id, "name": str(row)} if row else None


def dress_role(row: Membership) -> dict[str, Any]:
    """Return a role as answers have it."""
    return {
        "id": row.pk,
        "user": {"id": row.user.public_id, "name": row.user.username} if row.user else None,
        "group": row.group.name if row.group else None,
        "role": row.role,
        "everything": row.everything,
        "region": _ref(row.region),
        "environment": _ref(row.shared_environment),
        "tenant": _ref(row.tenant),
        "created_at": row.created_at,
    }


def dress_person(row: User) -> dict[str, Any]:
    """Return a person as answers have them."""
    names = ("username", "email", "first_name", "last_name", "time_zone", "is_active",
             "is_service", "is_superuser", "last_login")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "groups": sorted(group.name for group in row.groups.all()),
        "roles": [dress_role(one) for one in row.memberships.all()],
    }


def dress_group(row: Group) -> dict[str, Any]:
    """Return a group as answers have it."""
    members = sorted(row.user_set.all(), key=lambda user: user.username)
    return {
        "id": row.pk,
        "name": row.name,
        "members": [{"id": user.public_id, "name": user.username} for user in members],
        "roles": [dress_role(one) for one in row.memberships.all()],
    }


def _held() -> QuerySet:
    return Membership.objects.select_related("user", "group", *SCOPED).order_by("pk")


def _people() -> QuerySet:
    return User.objects.prefetch_related("groups", Prefetch("memberships", _held()))


def _groups() -> QuerySet:
    return Group.objects.prefetch_related("user_set", Prefetch("memberships", _held()))


def group_rows(names: list[str] | None) -> list[Group] | None:
    """Return the groups of these names; None for None. Raises ValuesRefused."""
    if names is None:
        return None
    rows = list(Group.objects.filter(name__in=names))
    if unknown := sorted(set(names) - {row.name for row in rows}):
        raise wrong(groups=f"There is no group {', '.join(unknown)[:300]}.")
    return rows


def _members(ids: list[str] | None) -> list[User] | None:
    if ids is None:
        return None
    rows = list(User.objects.filter(public_id__in=ids))
    if unknown := sorted(set(ids) - {row.public_id for row in rows}):
        raise wrong(members=f"There is nobody {', '.join(unknown)[:300]}.")
    return rows


# -- people ----------------------------------------------------------------------------------
@router.get("/people", response=People)
def list_people(request: HttpRequest, query: Query[query_of(PersonFilter)]):
    """People and service accounts, by user name."""
    require(request, "admin", None)
    return page(request, query, _people(), ("username", "pk"), dress_person)


@router.post("/people", response={201: Person})
def create_person(request: HttpRequest, asked: NewPerson, response: HttpResponse):
    """Make an account without a password, such as a service account."""
    require(request, "admin", None)
    actor = from_request(request).because(asked.reason)
    groups = group_rows(asked.groups) or ()
    fields = asked.model_dump(exclude={"groups", "reason"})
    known_zone(asked.time_zone)
    row = people.create_user(actor, groups=groups, **fields)
    made_at(response, "get_person", row.public_id)
    return dress_person(find(_people(), row.public_id))


@router.get("/people/{user_id}", response=Person)
def get_person(request: HttpRequest, user_id: Id):
    """One person or service account."""
    require(request, "admin", None)
    return dress_person(find(_people(), user_id))


@router.patch("/people/{user_id}", response=Person)
def change_person(request: HttpRequest, user_id: Id, asked: PersonChange):
    """Change an account: names, groups, or whether it is open."""
    require(request, "admin", None)
    row = find(User.objects.all(), user_id)
    actor = from_request(request).because(asked.reason)
    fields = asked.model_dump(exclude={"groups", "reason"}, exclude_none=True)
    known_zone(asked.time_zone)
    people.change_user(actor, row, groups=group_rows(asked.groups), **fields)
    return dress_person(find(_people(), user_id))


@router.post("/people/{user_id}/sessions/end", response=Ended)
def end_sessions(request: HttpRequest, user_id: Id, asked: Why):
    """Sign somebody out everywhere. Their tokens are not touched."""
    require(request, "admin", None)
    row = find(User.objects.all(), user_id)
    actor = from_request(request).because(asked.reason)
    factors.require_rank(actor, row)
    return {"count": sessions.end_others(actor, row)}


@router.post("/people/{user_id}/second-factor/reset", response=Ended)
def reset_second_factor(request: HttpRequest, user_id: Id, asked: Why):
    """Take somebody's second factors away, after a lost device; they are signed out, too."""
    require(request, "admin", None)
    row = find(User.objects.all(), user_id)
    return {"count": factors.reset(from_request(request).because(asked.reason), row)}


# -- groups ----------------------------------------------------------------------------------
@router.get("/groups", response=Groups)
def list_groups(request: HttpRequest, query: Query[query_of(GroupFilter)]):
    """Groups with members and roles, by name."""
    require(request, "admin", None)
    return page(request, query, _groups(), ("name", "pk"), dress_group)


@router.post("/groups", response={201: GroupShape})
def create_group(request: HttpRequest, asked: NewGroup, response: HttpResponse):
    """Make a group."""
    require(request, "admin", None)
    actor = from_request(request).because(asked.reason)
    row = people.change_group(actor, None, name=asked.name, members=_members(asked.members))
    made_at(response, "get_group", row.pk)
    return dress_group(_groups().get(pk=row.pk))


@router.get("/groups/{group_id}", response=GroupShape)
def get_group(request: HttpRequest, group_id: Number):
    """One group."""
    require(request, "admin", None)
    return dress_group(get_object_or_404(_groups(), pk=group_id))


@router.patch("/groups/{group_id}", response=GroupShape)
def change_group(request: HttpRequest, group_id: Number, asked: GroupChange):
    """Change a group's name or who belongs to it."""
    require(request, "admin", None)
    row = get_object_or_404(Group, pk=group_id)
    actor = from_request(request).because(asked.reason)
    people.change_group(actor, row, name=asked.name or row.name, members=_members(asked.members))
    return dress_group(_groups().get(pk=row.pk))


# -- roles -----------------------------------------------------------------------------------
@router.get("/roles", response=Roles)
def list_roles(request: HttpRequest, query: Query[query_of(RoleFilter)]):
    """Roles of people and of groups, the oldest first."""
    require(request, "admin", None)
    return page(request, query, _held(), ("pk",), dress_role)


@router.post("/roles", response={201: RoleHeld})
def grant_role(request: HttpRequest, asked: NewRole, response: HttpResponse):
    """Give a user or a group a role over exactly one scope."""
    require(request, "admin", None)
    scope: dict[str, Any] = {"everything": asked.everything}
    for name, model in SCOPES.items():
        rows = model.objects.visible_to(request.user).living()
        column = "shared_environment" if name == "environment" else name
        scope[column] = chosen(rows, name, getattr(asked, name))
    groups = group_rows([asked.group]) if asked.group else [None]
    row = people.grant_role(
        from_request(request).because(asked.reason),
        role=asked.role,
        user=chosen(User.objects.all(), "user", asked.user),
        group=groups[0],
        **scope,
    )
    made_at(response, "get_role", row.pk)
    return dress_role(_held().get(pk=row.pk))


@router.get("/roles/{role_id}", response=RoleHeld)
def get_role(request: HttpRequest, role_id: Number):
    """One role."""
    require(request, "admin", None)
    return dress_role(get_object_or_404(_held(), pk=role_id))


@router.delete("/roles/{role_id}", response={204: None})
def revoke_role(request: HttpRequest, role_id: Number):
    """Take a role away. The last admin of everything keeps theirs."""
    require(request, "admin", None)
    people.revoke_role(from_request(request), get_object_or_404(_held(), pk=role_id))
