"""Stacks that stand for a while, and what approvers grant to service accounts over them."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from api import shapes
from api.doors import chosen, made_at, wrong
from api.paging import Page, page, query_of
from api.routes.places import Archiving, Id
from api.routes.stacks import RELATED
from api.values import Asked, Moment, Name, Reason, Shape, Truth
from deployments import services
from deployments.approvalfilters import GrantFilter
from deployments.models import StandingGrant
from deployments.views.doors import find, may_anywhere, require
from tenants import access
from tenants.actors import from_request
from tenants.models import SharedEnvironment, Stack

router = Router(tags=["ephemeral stacks"])


class End(Shape):
    """For what a stack stands, and until when; without an end it stands like any other."""

    stack: shapes.Ref
    purpose: str
    kept_by: str | None
    expires_at: datetime | None


class NewEnd(Asked):
    """For what it stands, who keeps it (a person's id) and until when."""

    purpose: Annotated[Reason, Field(max_length=500)]
    kept_by: Name
    expires_at: Moment
    reason: Reason


class Grant(Shape):
    """What service accounts may do without a second person."""

    id: str
    stack: shapes.Ref | None
    environment: shapes.Ref | None
    blueprint: str
    accounts: list[shapes.Ref]
    may_create: bool
    may_destroy: bool
    reason: str
    granted_by: str
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    revoked_by: str


class Grants(Page):
    """A page of grants."""

    items: list[Grant]


class NewGrant(Asked):
    """One ephemeral stack, or a shared environment together with a blueprint; all by id."""

    stack: Name | None = None
    environment: Name | None = None
    blueprint: Annotated[str, Field(max_length=64)] = ""
    accounts: Annotated[list[Name], Field(min_length=1, max_length=100)]
    may_create: Truth = False
    may_destroy: Truth = False
    ends_at: Moment
    reason: Reason


def _ref(row: Any) -> dict[str, str] | None:
    return {"id": row.public_id, "name": str(row)} if row else None


def _dress(row: StandingGrant) -> dict[str, Any]:
    names = ("blueprint", "may_create", "may_destroy", "reason", "granted_by", "created_at",
             "ends_at", "revoked_at", "revoked_by")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "stack": _ref(row.stack),
        "environment": _ref(row.shared_environment),
        "accounts": [{"id": a.public_id, "name": a.username} for a in row.accounts.all()],
    }


def _end(stack: Stack) -> dict[str, Any]:
    return {
        "stack": {"id": stack.public_id, "name": stack.name},
        "purpose": stack.purpose,
        "kept_by": stack.kept_by.public_id if stack.kept_by else None,
        "expires_at": stack.expires_at,
    }


def _stack(request: HttpRequest, stack_id: str) -> Stack:
    rows = Stack.objects.visible_to(request.user).select_related(*RELATED, "kept_by")
    return find(rows, stack_id)


@router.get("/stacks/{stack_id}/end", response=End)
def get_end(request: HttpRequest, stack_id: Id):
    """Until when a stack stands, and who keeps it."""
    return _end(_stack(request, stack_id))


@router.put("/stacks/{stack_id}/end", response=End)
def set_end(request: HttpRequest, stack_id: Id, asked: NewEnd):
    """Make a stack ephemeral, or give it another end: then its destroy is queued."""
    stack = _stack(request, stack_id)
    require(request, "destroy", stack)
    people = access.people_over(stack)
    data = asked.model_dump() | {"kept_by": chosen(people, "kept_by", asked.kept_by)}
    services.set_end(from_request(request), stack, **data)
    return _end(_stack(request, stack_id))


@router.post("/stacks/{stack_id}/end/keep", response=End)
def keep_stack(request: HttpRequest, stack_id: Id, asked: Archiving):
    """Let an ephemeral stack stand on like any other."""
    stack = _stack(request, stack_id)
    require(request, "destroy", stack)
    services.keep_on(from_request(request), stack, reason=asked.reason)
    return _end(_stack(request, stack_id))


def _grants(request: HttpRequest):
    rows = StandingGrant.objects.visible_to(request.user).prefetch_related("accounts")
    return rows.select_related("stack", "shared_environment")


@router.get("/grants", response=Grants)
def list_grants(request: HttpRequest, query: Query[query_of(GrantFilter)]):
    """What was granted beforehand over what you may see, the newest first."""
    return page(request, query, _grants(request), ("-pk",), _dress)


@router.post("/grants", response={201: Grant})
def create_grant(request: HttpRequest, asked: NewGrant, response: HttpResponse):
    """Let service accounts create or destroy ephemeral stacks without a second person."""
    if not may_anywhere(request.user, "approve"):
        require(request, "approve", None)
    stack = chosen(Stack.objects.visible_to(request.user), "stack", asked.stack)
    environments = SharedEnvironment.objects.visible_to(request.user).living()
    environment = chosen(environments, "environment", asked.environment)
    if bool(stack) == bool(environment) or bool(environment) != bool(asked.blueprint):
        raise wrong(body="Name one stack, or a shared environment together with a blueprint.")
    if not (asked.may_create or asked.may_destroy):
        raise wrong(body="Say what they may do: create, destroy or both.")
    near = access.accounts_around(request.user, "approve")
    accounts = list(near.filter(public_id__in=asked.accounts))
    if len(accounts) != len(set(asked.accounts)):
        raise wrong(accounts="Name service accounts by their ids.")
    row = services.grant(
        from_request(request),
        stack=stack,
        environment=environment,
        accounts=accounts,
        **asked.model_dump(exclude={"stack", "environment", "accounts"}),
    )
    made_at(response, "get_grant", row.public_id)
    return _dress(find(_grants(request), row.public_id))


@router.get("/grants/{grant_id}", response=Grant)
def get_grant(request: HttpRequest, grant_id: Id):
    """One grant."""
    return _dress(find(_grants(request), grant_id))


@router.post("/grants/{grant_id}/revoke", response=Grant)
def revoke_grant(request: HttpRequest, grant_id: Id, asked: Archiving):
    """End a grant now: runs need a second person again."""
    row = find(_grants(request), grant_id)
    require(request, "approve", row.stack or row.shared_environment)
    services.revoke(from_request(request), row, reason=asked.reason)
    return _dress(find(_grants(request), grant_id))
