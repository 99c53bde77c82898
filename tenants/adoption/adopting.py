"""Keeping what was taken over: one transaction, with its audit entry."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants import access, audit, secrets, services
from tenants.actors import Actor
from tenants.adoption.preview import Preview
from tenants.effective import effective_inputs
from tenants.models import Region, SharedEnvironment, Stack, Tenant
from tenants.models.stacks import Condition
from tenants.zones import is_zone


def adopt_tenant(
    actor: Actor,
    preview: Preview,
    *,
    region: Region,
    blueprint: str,
    shared_environment: SharedEnvironment | None = None,
    title: str = "",
) -> Tenant:
    """Create the tenant of a preview with its stack, marked as adopted; nothing is built.

    Its state stays where it is: only what adopt.yaml names as actions is possible. Raises
    NotAllowed, NameRefused, NameTaken, WrongPlace.
    """
    access.require(actor, "change", region)
    with transaction.atomic():
        tenant = services.create_tenant(
            actor,
            name=preview.name,
            region=region,
            blueprint=blueprint,
            shared_environment=shared_environment,
            title=title,
            **({"time_zone": preview.time_zone} if is_zone(preview.time_zone) else {}),
        )
        stack = Stack.objects.select_related("region__account").get(tenant=tenant)
        _fill(stack, preview, actor)
        for name, value in preview.secrets.items():
            secrets.store(stack, name, value)
        audit.record(actor, "tenant.adopt", tenant, after=_told(preview))
    return tenant


def _fill(stack: Stack, preview: Preview, actor: Actor) -> None:
    stack.desired_inputs = preview.values
    stack.applied_inputs = effective_inputs(stack)
    stack.outputs = {name: {"value": value} for name, value in preview.outputs.items()}
    stack.resource_count = preview.state.resource_count
    stack.condition = Condition.IN_SERVICE
    stack.adoption = {
        "sources": list(preview.sources),
        "at": timezone.now().isoformat(),
        "by": actor.name,
        "state_digest": preview.state.digest,
        "state_serial": preview.state.serial,
        "terraform_version": preview.state.terraform_version,
        "outputs": sorted(preview.outputs),
        "machines": preview.machines,
        "imports": [{"to": one.to, "id": one.id} for one in preview.resources if one.to],
        "left": [one.old for one in preview.resources if not one.to] + preview.left,
    }
    stack.save()


def _told(preview: Preview) -> dict[str, Any]:
    return {
        "files": ", ".join(preview.sources),
        "state_serial": preview.state.serial,
        "state_digest": preview.state.digest[:12],
        "inputs": len(preview.values),
        "secrets": ", ".join(taken.name for taken in preview.secrets_taken),
        "dropped": ", ".join(dropped.old for dropped in preview.dropped),
    }


def note_converted(actor: Actor, stack: Stack) -> None:
    """Make an adopted stack an ordinary one: its resources are in a state of the portal now."""
    if stack.adoption is None:
        return
    before = {key: stack.adoption.get(key) for key in ("state_digest", "state_serial", "by", "at")}
    stack.adoption = None
    stack.save(update_fields=["adoption"])
    audit.record(actor, "tenant.convert", stack.owner, before=before)
