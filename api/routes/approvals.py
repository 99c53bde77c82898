"""A second person's yes or no to a run."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from api import shapes
from api.routes.places import Id
from api.routes.runs import to_decide, whole
from api.values import Asked, Reason
from deployments.services import approvals
from tenants.actors import from_request

router = Router(tags=["approvals"])


class Deciding(Asked):
    """Why, and the digest of the plan that was read."""

    reason: Reason
    digest: Annotated[str, Field(max_length=64)] = ""


@router.post("/runs/{run_id}/approve", response=shapes.RunWhole)
def approve_run(request: HttpRequest, run_id: Id, asked: Deciding):
    """Agree to what a run asks for, as its second person."""
    run = to_decide(request, run_id, "approve")
    approvals.approve_run(from_request(request), run, **asked.model_dump())
    return whole(request, run_id)


@router.post("/runs/{run_id}/reject", response=shapes.RunWhole)
def reject_run(request: HttpRequest, run_id: Id, asked: Deciding):
    """Disagree with what a run asks for, as its second person."""
    run = to_decide(request, run_id, "approve")
    approvals.reject_run(from_request(request), run, **asked.model_dump())
    return whole(request, run_id)
