"""Steps that the portal itself puts before those of an action."""

from typing import Any

from tenants import blueprints
from tenants.models import Stack

FETCH = "providers.fetch"


def with_providers(stack: Stack, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps, with the providers first where an engine will need some.

    A blueprint that needs none pays nothing for it.
    """
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    wanted = any(step["kind"].startswith(("terraform.", "state.")) for step in steps)
    first = [{"kind": FETCH, "params": {}}] if kind.providers and wanted else []
    return [*first, *steps]
