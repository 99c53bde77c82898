"""The machines that do the work, and the switch that pauses all of them."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import Q
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router
from pydantic import Field

from api import shapes
from api.routes.places import Archiving, Id
from api.values import PATTERN, Asked, Moment, Shape, Truth
from deployments import services
from deployments.models import Maintenance, WorkerHost
from deployments.views.doors import may_anywhere, require
from deployments.views.workers import at_hand, hosts
from tenants.actors import from_request

router = Router(tags=["workers"])


class Draining(Asked):
    """Whether a host takes nothing new."""

    on: Truth


class Lost(Shape):
    """What a declaration cost."""

    lost_runs: int = Field(description="How many runs are lost by it.")


class Paused(Shape):
    """Whether the fleet is paused: then nothing new begins."""

    is_on: bool
    reason: str
    by: str
    since: datetime | None
    expires_at: datetime | None


class Pausing(Asked):
    """Pause the fleet with a reason, until `expires_at` or until it is ended."""

    on: Truth
    reason: Annotated[
        str, Field(max_length=500, pattern=PATTERN, description="Needed to pause.")
    ] = ""
    expires_at: Moment | None = None


def _dress(host: WorkerHost) -> dict[str, Any]:
    return {
        "id": host.host_id,
        "name": host.name,
        "capacity": host.capacity,
        "busy": host.busy,
        "is_silent": host.is_silent,
        "is_draining": host.is_draining,
        "heartbeat_at": host.heartbeat_at,
    }


@router.get("/workers", response=shapes.WorkerHosts)
def list_workers(request: HttpRequest):
    """The hosts that do the work, with what each has in hand."""
    if not may_anywhere(request.user, "view"):
        raise Http404
    return {"items": [_dress(host) for host in hosts()]}


@router.post("/workers/{worker_id}/drain", response=shapes.WorkerHost)
def drain_worker(request: HttpRequest, worker_id: Id, asked: Draining):
    """Let a host finish what it has and take nothing new, or take it back."""
    require(request, "admin", None)
    host = get_object_or_404(WorkerHost, host_id=worker_id)
    services.set_draining(from_request(request), host, asked.on)
    return _dress(at_hand([host])[0])


@router.post("/workers/{worker_id}/gone", response=Lost)
def declare_worker_gone(request: HttpRequest, worker_id: Id, asked: Archiving):
    """Declare a silent host gone: the runs that it held are lost, their stacks suspect."""
    require(request, "admin", None)
    host = get_object_or_404(WorkerHost, host_id=worker_id)
    count = services.declare_host_gone(from_request(request), host, asked.reason)
    return {"lost_runs": count}


def _paused() -> dict[str, Any]:
    holds = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    row = Maintenance.objects.filter(holds, ended_at__isnull=True).order_by("-pk").first()
    return {
        "is_on": row is not None,
        "reason": row.reason if row else "",
        "by": row.by if row else "",
        "since": row.created_at if row else None,
        "expires_at": row.expires_at if row else None,
    }


@router.get("/maintenance", response=Paused)
def get_maintenance(request: HttpRequest):
    """Whether the fleet is paused, by whom and why."""
    if not may_anywhere(request.user, "view"):
        raise Http404
    return _paused()


@router.put("/maintenance", response=Paused)
def set_maintenance(request: HttpRequest, asked: Pausing):
    """Pause the fleet, or let it go on. Work in progress is not touched."""
    require(request, "admin", None)
    services.set_maintenance(from_request(request), **asked.model_dump())
    return _paused()
