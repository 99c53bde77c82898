"""Steps that the portal itself puts before those of an action."""

from typing import Any

from tenants import blueprints
from tenants.models import Stack

FETCH, FETCH_FOR_APPLY = "providers.fetch", "providers.fetch_for_apply"


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
