"""Runs: queue one, watch it, decide on it."""

import time
from typing import Annotated

import zstandard
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Header, Query, Router
from pydantic import Field

from api import dress, shapes
from api.doors import made_at, wrong
from api.filters import EventFilter
from api.paging import page, query_of
from api.routes.keyed import IdempotencyKey, once
from api.routes.places import Id
from api.routes.stacks import RELATED
from api.values import Asked, Line, Name, Reason, Secrets, Text, Truth, Values
from deployments import services
from deployments.filters import RunFilter
from deployments.models import Plan, Run
from deployments.models.runs import LogState
from deployments.views.doors import find, require
from deployments.views.logs import TEXT, tail, tail_response
from tenants import audit
from tenants.actors import from_request
from tenants.models import Stack

router = Router(tags=["runs"])
LOOK_EVERY_S = 0.4
LONGEST_WAIT_S = 25


class NewRun(Asked):
    """An action to queue. Inputs and secrets are set on the stack first; params are this run's."""

    stack: Annotated[Name, Field(description="The stack's id.")]
    action: Name
    reason: Text = ""
    inputs: Values = Field(default_factory=dict)
    secrets: Annotated[Secrets, Field(json_schema_extra={"writeOnly": True})] = Field(
        default_factory=dict
    )
    params: Values = Field(default_factory=dict)
    typed_name: Annotated[
        Line, Field(description="The stack's name in full, where the action asks for it.")
    ] = ""


class Confirming(Asked):
    """A yes to a plan: the digest that was read, and what its page would ask."""

    comment: Text = ""
    plan_digest: Annotated[
        str, Field(max_length=64, min_length=1, description="`plan_digest` of the run.")
    ]
    has_read: Annotated[
        Truth, Field(description="True says that what is replaced and destroyed was read.")
    ] = False
    typed_name: Line = ""


class Commenting(Asked):
    """Why."""

    comment: Text = ""


class Retrying(Asked):
    """Why, and the stack's name in full where the action asks for it."""

    reason: Text = ""
    typed_name: Line = ""
    only_failed: Truth = False


class Holding(Asked):
    """Whether log and states are kept from retention."""

    on: Truth
    reason: Reason


class LogPlace(Asked):
    """Where in the log, and how long to wait for something new there."""

    offset: Annotated[int, Field(ge=0, le=2**62)] = 0
    wait: Annotated[int, Field(ge=0, le=LONGEST_WAIT_S)] = 0


def _rows(request: HttpRequest):
    return Run.objects.visible_to(request.user).select_related("stack", "region")


def whole(request: HttpRequest, run_id: str) -> dict:
    row = find(_rows(request), run_id)
    digest = Plan.objects.filter(run=row).values_list("digest", flat=True).first()
    return dress.run_whole(row, digest)


def to_decide(request: HttpRequest, run_id: str, kind: str = "") -> Run:
    """Return a run on whose stack the caller may do this kind of action, or the run's own."""
    row = find(Run.objects.visible_to(request.user).with_stack(), run_id)
    require(request, kind or row.action_kind, row.stack)
    return row


@router.get("/runs", response=shapes.Runs)
def list_runs(request: HttpRequest, query: Query[query_of(RunFilter)]):
    """Runs of the stacks that you may see, the newest first."""
    return page(request, query, _rows(request), ("-pk",), dress.run)


@router.post("/runs", response={202: shapes.Run})
def create_run(
    request: HttpRequest,
    asked: NewRun,
    response: HttpResponse,
    key: IdempotencyKey = Header("", alias="Idempotency-Key"),
):
    """Queue an action over a stack. Location names the run, which may have to wait."""
    rows = Stack.objects.visible_to(request.user).select_related(*RELATED)
    stack = find(rows, asked.stack)
    action = services.queueing.find_action(stack, asked.action)
    require(request, action.kind, stack)
    run = once(
        lambda: services.queue_run(
            from_request(request),
            stack,
            action.name,
            reason=asked.reason,
            request_key=key or None,
            typed_name=asked.typed_name,
            inputs=asked.inputs,
            new_secrets=asked.secrets,
            params=asked.params,
        )
    )
    made_at(response, "get_run", run.public_id)
    return dress.run(run)


@router.get("/runs/{run_id}", response=shapes.RunWhole)
def get_run(request: HttpRequest, run_id: Id):
    """One run: its status at this moment."""
    return whole(request, run_id)


@router.get("/runs/{run_id}/events", response=shapes.Events)
def list_events(request: HttpRequest, run_id: Id, query: Query[query_of(EventFilter)]):
    """A run's history, from its beginning."""
    return page(request, query, find(_rows(request), run_id).events.all(), ("pk",), dress.event)


@router.get("/runs/{run_id}/log", response={200: None})
def get_log(request: HttpRequest, run_id: Id, place: Query[LogPlace]):
    """The log's bytes from `offset` on, in whole lines; `wait` seconds for new ones.

    Headers say the rest: Log-Offset, Log-End, Run-Status, and Log-Eof, which is 1 when the run
    has ended and these are its last bytes. Ask again with offset + the length of this answer.
    """
    until = time.monotonic() + place.wait
    while True:
        run = find(_rows(request), run_id)
        found = tail(run, place.offset)
        if place.offset > found.end and run.log_state != LogState.PRUNED:
            raise wrong(offset=f"The log ends at {found.end}.")
        if found.text or found.is_last or time.monotonic() >= until:
            response = tail_response(run, place.offset, found, TEXT)
            response["Cache-Control"] = "no-store, no-transform"
            return response
        # Whoever waits holds no connection to the database meanwhile.
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(LOOK_EVERY_S)


@router.get("/runs/{run_id}/plan", response=dict)
def get_plan(request: HttpRequest, run_id: Id):
    """The plan as Terraform's own JSON, with secrets masked."""
    run = find(_rows(request), run_id)
    masked = Plan.objects.filter(run=run).values_list("masked_json", flat=True).first()
    if masked is None:
        raise Http404
    content = zstandard.decompress(bytes(masked))
    audit.took(from_request(request), "plan", run)
    response = HttpResponse(content, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


@router.post("/runs/{run_id}/confirm", response=shapes.RunWhole)
def confirm_run(request: HttpRequest, run_id: Id, asked: Confirming):
    """Say yes to exactly the plan that was read."""
    run = to_decide(request, run_id)
    services.confirm_run(from_request(request), run, **asked.model_dump())
    return whole(request, run_id)


@router.post("/runs/{run_id}/discard", response=shapes.RunWhole)
def discard_run(request: HttpRequest, run_id: Id, asked: Commenting):
    """Say no to a plan; the stack is free again."""
    run = to_decide(request, run_id)
    services.discard_run(from_request(request), run, comment=asked.comment)
    return whole(request, run_id)


@router.post("/runs/{run_id}/cancel", response=shapes.RunWhole)
def cancel_run(request: HttpRequest, run_id: Id, asked: Commenting):
    """Ask a run to stop, wherever it stands."""
    run = to_decide(request, run_id)
    services.cancel_run(from_request(request), run, comment=asked.comment)
    return whole(request, run_id)


@router.post("/runs/{run_id}/force-cancel", response=shapes.RunWhole)
def force_cancel_run(request: HttpRequest, run_id: Id, asked: Commenting):
    """Kill what is left of a run that was asked to stop and did not."""
    run = to_decide(request, run_id, "force_unlock")
    services.force_cancel_run(from_request(request), run, comment=asked.comment)
    return whole(request, run_id)


@router.post("/runs/{run_id}/retry", response={202: shapes.Run})
def retry_run(
    request: HttpRequest,
    run_id: Id,
    asked: Retrying,
    response: HttpResponse,
    key: IdempotencyKey = Header("", alias="Idempotency-Key"),
):
    """Queue the same action again, as a new run."""
    run = to_decide(request, run_id)
    made = once(
        lambda: services.retry_run(
            from_request(request), run, request_key=key or None, **asked.model_dump()
        )
    )
    made_at(response, "get_run", made.public_id)
    return dress.run(made)


@router.post("/runs/{run_id}/hold", response=shapes.RunWhole)
def hold_run(request: HttpRequest, run_id: Id, asked: Holding):
    """Keep a run's log and states from retention, or let them go again."""
    run = to_decide(request, run_id, "admin")
    services.hold_run(from_request(request), run, asked.on, asked.reason)
    return whole(request, run_id)
