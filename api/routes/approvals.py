"""Second persons: what waits for one, their yes or no, and the rule that asks for them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from api import shapes
from api.paging import Page, page, query_of
from api.routes.places import Id
from api.routes.runs import to_decide, whole
from api.values import Asked, Name, Reason, Shape, Whole
from deployments import services
from deployments.approvalfilters import ApprovalFilter
from deployments.models import Approval, ApprovalPolicy
from deployments.models.approvals import LONGEST_MINUTES, ApprovalStatus, Risk
from deployments.services.foureyes import policy_in_force, policy_to_come
from deployments.views.doors import may_anywhere, require
from tenants.actors import from_request

router = Router(tags=["approvals"])
Risks = Annotated[list[Literal[tuple(Risk.values)]], Field(max_length=len(Risk.values))]


class Deciding(Asked):
    """Why, and the digest of the plan that was read."""

    reason: Reason
    digest: Annotated[str, Field(max_length=64)] = ""


class ApprovalShape(Shape):
    """One request for a second person over one run."""

    id: str
    run: str
    stack: shapes.Ref
    number: int
    status: Literal[tuple(ApprovalStatus.values)]
    risks: list[str]
    asked_by: str
    asked_at: datetime
    digest: str
    decided_by: str
    decided_at: datetime | None
    reason: str
    expires_at: datetime | None


class Approvals(Page):
    """A page of approvals."""

    items: list[ApprovalShape]


class Rule(Shape):
    """What needs a second person, and from when on."""

    risks: list[str]
    exempt_accounts: list[str]
    valid_minutes: int
    reason: str
    by: str
    takes_effect_at: datetime | None


class Policy(Shape):
    """The rule that holds, and the one that is to come."""

    now: Rule
    to_come: Rule | None


class NewPolicy(Asked):
    """The rule as it shall be. What asks for less holds after a delay."""

    risks: Risks
    exempt_accounts: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    valid_minutes: Annotated[Whole, Field(ge=1, le=LONGEST_MINUTES)]
    reason: Reason


def _dress(row: Approval) -> dict[str, Any]:
    stack = row.run.stack
    names = ("risks", "asked_by", "asked_at", "digest", "decided_by", "decided_at", "reason",
             "expires_at")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "run": row.run.public_id,
        "stack": {"id": stack.public_id, "name": stack.name},
        "number": row.run.number,
        "status": row.state,
    }


def _rule(row: ApprovalPolicy) -> dict[str, Any]:
    names = ("risks", "exempt_accounts", "valid_minutes", "reason", "takes_effect_at")
    return {name: getattr(row, name) for name in names} | {"by": row.actor_name}


def _policy() -> dict[str, Any]:
    to_come = policy_to_come()
    return {"now": _rule(policy_in_force()), "to_come": _rule(to_come) if to_come else None}


@router.get("/approvals", response=Approvals)
def list_approvals(request: HttpRequest, query: Query[query_of(ApprovalFilter)]):
    """What waits for a second person and what was decided, the newest first."""
    rows = Approval.objects.visible_to(request.user).select_related("run__stack")
    return page(request, query, rows, ("-pk",), _dress)


@router.post("/runs/{run_id}/approve", response=shapes.RunWhole)
def approve_run(request: HttpRequest, run_id: Id, asked: Deciding):
    """Agree to what a run asks for, as its second person."""
    run = to_decide(request, run_id, "approve")
    services.approve_run(from_request(request), run, **asked.model_dump())
    return whole(request, run_id)


@router.post("/runs/{run_id}/reject", response=shapes.RunWhole)
def reject_run(request: HttpRequest, run_id: Id, asked: Deciding):
    """Disagree with what a run asks for, as its second person."""
    run = to_decide(request, run_id, "approve")
    services.reject_run(from_request(request), run, **asked.model_dump())
    return whole(request, run_id)


@router.get("/approval-policy", response=Policy)
def get_approval_policy(request: HttpRequest):
    """What needs a second person; for who approves."""
    if not may_anywhere(request.user, "approve"):
        require(request, "approve", None)
    return _policy()


@router.put("/approval-policy", response=Policy)
def set_approval_policy(request: HttpRequest, asked: NewPolicy):
    """Say anew what needs a second person."""
    require(request, "admin", None)
    services.change_policy(from_request(request), **asked.model_dump())
    return _policy()
