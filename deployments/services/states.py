"""Rolling a stack's state back to a kept version, after a shown difference."""

import json
from typing import Any

from django.db import transaction

from deployments import outbox
from deployments.errors import ReasonMissing, StateChangedMeanwhile, UnknownStack
from deployments.models import Run, RunEvent, StateVersion
from deployments.services.admission import lock_place, try_admit
from deployments.services.lifecycle import next_number
from deployments.services.preparing import refuse_archived, repeated, with_providers
from tenants import access, audit, blueprints, secrets
from tenants.actors import Actor
from tenants.effective import canonical_digest, effective_inputs
from tenants.models import Stack

ACTION = "rollback_state"


def current_version(stack: Stack) -> StateVersion | None:
    """Return the newest kept version of the stack's state, without its content."""
    return StateVersion.objects.filter(stack=stack).defer("ciphertext").first()


def resources_in(version: StateVersion) -> dict[str, str]:
    """Return the managed resources of a state version: address → digest of its attributes.

    Values themselves never leave this function: they may be secret.
    """
    bound = f"state:{version.stack.public_id}:{version.public_id}"
    content = json.loads(secrets.decrypt(version.key_id, version.ciphertext, bound))
    found: dict[str, str] = {}
    for resource in content.get("resources", []):
        if resource.get("mode") != "managed":
            continue
        base = ".".join(
            part for part in (resource.get("module"), resource["type"], resource["name"]) if part
        )
        for instance in resource.get("instances", []):
            key = instance.get("index_key")
            address = base if key is None else f"{base}[{json.dumps(key)}]"
            found[address] = canonical_digest(instance.get("attributes"))
    return found


def whole_version(version: StateVersion | None) -> StateVersion | None:
    """Return a version with its content."""
    if version is None:
        return None
    return StateVersion.objects.select_related("stack").get(pk=version.pk)


def state_difference(current: StateVersion | None, chosen: StateVersion) -> dict[str, list[str]]:
    """Return what rolling back would make Terraform believe, by address.

    Keys: returns (only in the chosen version), forgets (only in the current one), differs.
    """
    now = resources_in(current) if current is not None else {}
    then = resources_in(chosen)
    return {
        "returns": sorted(set(then) - set(now)),
        "forgets": sorted(set(now) - set(then)),
        "differs": sorted(a for a in set(now) & set(then) if now[a] != then[a]),
    }


def rollback_state(
    actor: Actor,
    version: StateVersion,
    *,
    reason: str,
    seen_serial: int,
    request_key: str | None = None,
) -> Run:
    """Queue a run that pushes the version with a higher serial and then only plans.

    `seen_serial` is the serial of the state whose difference was shown. Allowed on a suspect
    stack: it is one way out. Raises StateChangedMeanwhile when the state has moved since.
    """
    stack = version.stack
    access.require(actor, "restore", stack)
    if not reason.strip():
        raise ReasonMissing()
    digest = canonical_digest([stack.public_id, ACTION, version.public_id, seen_serial, reason])
    with transaction.atomic():
        lock_place(stack)
        stack.refresh_from_db()
        if first := repeated(actor, request_key, digest):
            return first
        refuse_archived(stack)
        newest = current_version(stack)
        if newest is not None and newest.serial != seen_serial:
            raise StateChangedMeanwhile(now=newest.serial, then=seen_serial)
        request = {"request_key": request_key or None, "request_digest": digest}
        run = _create(actor, stack, version, seen_serial, reason, request)
        audit.record(
            actor.because(reason), "state.rollback", run, after={"to_serial": version.serial}
        )
        try_admit(run)
    return run


def _create(
    actor: Actor,
    stack: Stack,
    version: StateVersion,
    seen: int,
    reason: str,
    request: dict[str, Any],
) -> Run:
    inputs = effective_inputs(stack)
    restore: dict[str, Any] = {"version": version.public_id, "seen_serial": seen}
    steps = [
        {"kind": "state.restore", "params": restore},
        {"kind": "terraform.plan", "params": {}},
    ]
    run = Run.objects.create(
        stack=stack,
        region=stack.region,
        number=next_number(stack),
        action=ACTION,
        action_label=f"Roll back state to serial {version.serial}",
        action_kind="restore",
        steps_wanted=with_providers(stack, steps),
        is_plan_only=True,
        inputs=inputs,
        inputs_digest=canonical_digest(inputs),
        secret_versions=secrets.versions(stack),
        blueprint=stack.blueprint,
        blueprint_digest=blueprints.load(stack.blueprint).digest,
        reason=reason,
        actor=actor.to_json(),
        actor_id=actor.id,
        actor_name=actor.name,
        **request,
    )
    RunEvent.objects.create(
        run=run, to_status=run.status, actor_name=actor.name, actor_id=actor.id, comment=reason
    )
    outbox.put_status(run, "", actor)
    return run


def version_for(user: Any, public_id: str) -> StateVersion:
    """Return a state version that the user may see. Raises UnknownStack."""
    version = (
        StateVersion.objects.select_related("stack", "stack__region")
        .filter(public_id=public_id, stack__in=Stack.objects.visible_to(user))
        .first()
    )
    if version is None:
        raise UnknownStack(name=public_id)
    return version
