"""What every new run needs, whatever it does: its request, its place, the portal's own steps."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.crypto import salted_hmac

from deployments.errors import RequestReused
from deployments.models import Run
from tenants import blueprints
from tenants.actors import Actor
from tenants.errors import ArchivedAlready
from tenants.models import Stack

REPEAT_FOR = timedelta(hours=24)
FETCH, FETCH_FOR_APPLY = "providers.fetch", "providers.fetch_for_apply"


def repeated(actor: Actor, request_key: str | None, digest: str) -> Run | None:
    """Return the run that this request made before. Raises RequestReused for other content."""
    if not request_key:
        return None
    first = Run.objects.with_stack().filter(actor_id=actor.id, request_key=request_key).first()
    if first is None:
        return None
    if first.request_digest != digest or timezone.now() - first.created_at > REPEAT_FOR:
        raise RequestReused(run=first, run_id=first.public_id)
    return first


def marks_of(new_secrets: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return secrets as a request's digest holds them: another value is another request."""
    found = ((name, salted_hmac("request", text).hexdigest()) for name, text in new_secrets.items())
    return sorted(found)


def refuse_archived(stack: Stack) -> None:
    """Raise ArchivedAlready for a stack that is history."""
    if stack.owner.is_archived:
        raise ArchivedAlready(name=stack.owner, when=stack.owner.archived_at.date())


def with_providers(stack: Stack, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps, with the providers first where an engine will need some.

    A blueprint that needs none pays nothing for it.
    """
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    wanted = [step["kind"] for step in steps if step["kind"].startswith(("terraform.", "state."))]
    if not kind.providers or not wanted:
        return steps
    first = [{"kind": FETCH, "params": {}}]
    if "terraform.apply" in wanted:
        first.append({"kind": FETCH_FOR_APPLY, "params": {}})
    return [*first, *steps]
