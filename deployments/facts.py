"""The facts that a plan was made on: each must still hold when it is applied."""

from typing import Any

from deployments.errors import PlanOutdated, PlanStale
from deployments.models import Plan, Run
from tenants import blueprints, secrets
from tenants.effective import canonical_digest, effective_inputs, shared_outputs
from tenants.models import Stack

# In the order of how much they tell a person.
NAMES = {
    "terraform_version": "Terraform",
    "blueprint_digest": "the blueprint",
    "inputs_digest": "the stack's inputs",
    "secret_versions": "the stack's secrets",
    "shared_outputs_digest": "the outputs of the shared environment",
    "state_lineage": "the state's lineage",
    "state_serial": "the state's serial",
    "provider_mirror": "the provider mirror",
}
# What these were and are says nothing to a person.
CHANGED = {"blueprint_digest", "inputs_digest", "secret_versions", "shared_outputs_digest"}


def portal_facts(stack: Stack) -> dict[str, Any]:
    """Return the facts that the portal knows without a worker."""
    return {
        "blueprint_digest": blueprints.load(stack.blueprint).digest,
        "inputs_digest": canonical_digest(effective_inputs(stack)),
        "secret_versions": secrets.versions(stack),
        "shared_outputs_digest": canonical_digest(shared_outputs(stack)),
    }


def first_difference(then: dict[str, Any], now: dict[str, Any]) -> PlanStale | None:
    """Return the refusal for the first fact that differs; facts unknown now are not judged."""
    for key, name in NAMES.items():
        if key in now and then.get(key) != now[key]:
            if key in CHANGED:
                return PlanOutdated(fact=name)
            return PlanStale(fact=name, then=_short(then.get(key)), now=_short(now[key]))
    return None


def stale(run: Run) -> PlanStale | None:
    """Return why the run's plan no longer fits, as far as the portal can tell."""
    then = Plan.objects.values_list("facts", flat=True).filter(run=run).first() or {}
    return first_difference(then, portal_facts(run.stack))


def _short(value: Any) -> str:
    return "unknown" if value is None else str(value)
