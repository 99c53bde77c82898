"""Stacks: how they stand, their inputs and settings, what they can go back to."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router
from pydantic import Field

from api import dress, shapes
from api.doors import made_at
from api.filters import RestorePointFilter, StackFilter, StateVersionFilter
from api.paging import page, query_of
from api.routes.keyed import IdempotencyKey, once
from api.routes.places import Id
from api.routes.tenants import kind_of
from api.values import Asked, Line, Reason, Secrets, Truth, Values, Whole
from deployments import services
from deployments.filters import BackupFilter
from deployments.models import Backup, StateVersion
from deployments.services.params import points_of
from deployments.services.states import (
    current_version,
    state_difference,
    version_for,
    whole_version,
)
from deployments.views.doors import find, require
from tenants import services as tenants_services
from tenants.access import user_can
from tenants.actors import from_request
from tenants.models import Stack

router = Router(tags=["stacks"])
RELATED = ("region__account", "parent_environment", "tenant__release", "shared_environment")


class InputsChange(Asked):
    """New values of inputs, null for the default; and of secrets, which nobody reads again."""

    inputs: Values = Field(default_factory=dict)
    secrets: Annotated[Secrets, Field(json_schema_extra={"writeOnly": True})] = Field(
        default_factory=dict
    )


class StackSettings(Asked):
    """Whether plans are applied without a person's yes."""

    is_auto_apply: Truth
    is_auto_destroy: Truth


class Reviewing(Asked):
    """What was looked at."""

    comment: Reason


class Unlocking(Asked):
    """Why, and the lock's id or the stack's name in full."""

    reason: Reason
    typed: Line


class StateWhole(shapes.StateVersion):
    """A kept state beside the current one."""

    is_current: bool
    current_serial: int = Field(description="What to send as `seen_serial` of a rollback.")
    difference: dict[str, list[str]] = Field(description="Addresses of resources, by kind.")


class RollingBack(Asked):
    """Why, and the serial of the state beside which the chosen one was looked at."""

    reason: Reason
    seen_serial: Annotated[Whole, Field(ge=0, le=2**62)]


def _rows(request: HttpRequest):
    return Stack.objects.visible_to(request.user).select_related(*RELATED)


@router.get("/stacks", response=shapes.Stacks)
def list_stacks(request: HttpRequest, query: Query[query_of(StackFilter)]):
    """Stacks that you may see, by name."""
    return page(request, query, _rows(request), ("name", "pk"), dress.stack)


@router.get("/stacks/{stack_id}", response=shapes.StackWhole)
def get_stack(request: HttpRequest, stack_id: Id):
    """One stack with its inputs and outputs, without secrets."""
    return dress.stack_whole(find(_rows(request), stack_id))


@router.get("/stacks/{stack_id}/actions", response=shapes.Actions)
def list_actions(request: HttpRequest, stack_id: Id):
    """What can be started on a stack, and what stands in the way."""
    row = find(_rows(request), stack_id)
    kind = kind_of(row.blueprint, row.kind)
    items = []
    for action in kind.actions_of(row.is_adopted).values():
        refusal = services.obstacle(row, action)
        items.append({
            "name": action.name,
            "label": str(action.label),
            "kind": action.kind,
            "is_plan_only": action.is_plan_only,
            "asks_name": action.confirm == "name",
            "params": [param.name for param in action.params],
            "obstacle": dress.said(refusal.to_json()) if refusal else None,
            "is_allowed": user_can(request.user, action.kind, row),
        })  # fmt: skip
    return {"items": items}


@router.patch("/stacks/{stack_id}/inputs", response=shapes.StackWhole)
def change_inputs(request: HttpRequest, stack_id: Id, asked: InputsChange):
    """Change desired inputs and secrets without starting anything."""
    row = find(_rows(request), stack_id)
    require(request, "change", row)
    kind_of(row.blueprint, row.kind)
    tenants_services.save_inputs(from_request(request), row, asked.inputs, asked.secrets)
    return dress.stack_whole(find(_rows(request), stack_id))


@router.patch("/stacks/{stack_id}/settings", response=shapes.StackWhole)
def change_settings(request: HttpRequest, stack_id: Id, asked: StackSettings):
    """Change whether plans of the stack are applied without a person's yes."""
    row = find(_rows(request), stack_id)
    require(request, "admin", row)
    tenants_services.change_stack_settings(from_request(request), row, **asked.model_dump())
    return dress.stack_whole(find(_rows(request), stack_id))


@router.post("/stacks/{stack_id}/review", response=shapes.StackWhole)
def review_stack(request: HttpRequest, stack_id: Id, asked: Reviewing):
    """Lift the suspect mark after a plan-only run was looked at."""
    row = find(_rows(request), stack_id)
    require(request, "change", row)
    services.review_stack(from_request(request), row, comment=asked.comment)
    return dress.stack_whole(find(_rows(request), stack_id))


@router.post("/stacks/{stack_id}/unlock", response={202: shapes.Run})
def unlock_state(
    request: HttpRequest,
    stack_id: Id,
    asked: Unlocking,
    response: HttpResponse,
    key: IdempotencyKey = Header("", alias="Idempotency-Key"),
):
    """Queue a run that forces the state's lock open."""
    row = find(_rows(request), stack_id)
    require(request, "force_unlock", row)
    run = once(
        lambda: services.unlock_state(
            from_request(request), row, reason=asked.reason, typed=asked.typed,
            request_key=key or None,
        )
    )  # fmt: skip
    made_at(response, "get_run", run.public_id)
    return dress.run(run)


@router.get("/stacks/{stack_id}/backups", response=shapes.Backups, tags=["backups"])
def list_backups(request: HttpRequest, stack_id: Id, query: Query[query_of(BackupFilter)]):
    """Backups as they were last seen in the stack's bucket, the newest first."""
    row = find(Stack.objects.visible_to(request.user), stack_id)
    rows = Backup.objects.filter(stack=row)
    return page(request, query, rows, ("-taken_at", "-pk"), dress.backup)


@router.get("/stacks/{stack_id}/restore-points", response=shapes.RestorePoints, tags=["backups"])
def list_restore_points(
    request: HttpRequest, stack_id: Id, query: Query[query_of(RestorePointFilter)]
):
    """What the stack can go back to, the newest first."""
    row = find(Stack.objects.visible_to(request.user), stack_id)
    return page(request, query, points_of(row), ("-pk",), dress.restore_point)


@router.get("/stacks/{stack_id}/states", response=shapes.StateVersions, tags=["states"])
def list_states(request: HttpRequest, stack_id: Id, query: Query[query_of(StateVersionFilter)]):
    """Kept versions of the stack's state, without their content, the newest first."""
    row = find(Stack.objects.visible_to(request.user), stack_id)
    rows = StateVersion.objects.filter(stack=row).defer("ciphertext")
    return page(request, query, rows, ("-pk",), dress.state_version)


@router.get("/states/{version_id}", response=StateWhole, tags=["states"])
def get_state(request: HttpRequest, version_id: Id):
    """What rolling back to a kept state would make Terraform believe, without its content."""
    version = version_for(request.user, version_id)
    require(request, "restore", version.stack)
    now = current_version(version.stack)
    is_current = now is not None and now.pk == version.pk
    return dress.state_version(version) | {
        "is_current": is_current,
        "current_serial": now.serial if now else 0,
        "difference": {} if is_current else state_difference(whole_version(now), version),
    }


@router.post("/states/{version_id}/rollback", response={202: shapes.Run}, tags=["states"])
def rollback_state(
    request: HttpRequest,
    version_id: Id,
    asked: RollingBack,
    response: HttpResponse,
    key: IdempotencyKey = Header("", alias="Idempotency-Key"),
):
    """Queue a run that puts a kept state back, then only plans."""
    version = version_for(request.user, version_id)
    require(request, "restore", version.stack)
    run = once(
        lambda: services.rollback_state(
            from_request(request), version, request_key=key or None, **asked.model_dump()
        )
    )
    made_at(response, "get_run", run.public_id)
    return dress.run(run)
