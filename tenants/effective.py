"""What a stack should be built with: its inputs, its release and its pins in one mapping."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone

from tenants import blueprints
from tenants.models import Stack, Tenant


def canonical_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, the same for the same content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def component_versions(tenant: Tenant, kind: blueprints.Kind) -> dict[str, Any]:
    """Return version variables by name: the release's, then what differs in the region, then pins.

    A pin that has expired counts no more. Components that the blueprint does not know are left
    out; a release's region may also name variables directly, such as image ids.
    """
    components: dict[str, Any] = {}
    direct: dict[str, Any] = {}
    if tenant.release is not None:
        components.update(tenant.release.components)
        direct = tenant.release.region_values.get(tenant.region.slug, {})
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    pins = dict(tenant.pins.filter(in_force).values_list("component", "version"))
    chosen = {
        **_by_variable(components, kind),
        **{name: value for name, value in direct.items() if name in kind.variables},
        **_by_variable(pins, kind),
    }
    return chosen


def _by_variable(components: Mapping[str, Any], kind: blueprints.Kind) -> dict[str, Any]:
    return {kind.versions[name]: v for name, v in components.items() if name in kind.versions}


def effective_inputs(stack: Stack) -> dict[str, Any]:
    """Return the plain values that a run of this stack gets, without secrets and defaults.

    What the portal provides (`provided` in blueprint.yaml) comes last: nobody types it.
    """
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    values = {k: v for k, v in stack.desired_inputs.items() if k in kind.variables}
    if stack.tenant is not None:
        values.update(component_versions(stack.tenant, kind))
    values.update(provided_values(stack, kind.provided))
    secret = {name for name, variable in kind.variables.items() if variable.sensitive}
    return {name: value for name, value in values.items() if name not in secret}


def provided_values(stack: Stack, provided: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that the portal fills in, by the paths of blueprint.yaml."""
    region = stack.region
    shared = stack.parent_environment
    facts = {
        "stack.name": stack.name,
        "stack.id": stack.public_id,
        "region.slug": region.slug,
        "region.code": region.code,
        "region.domain_name": region.domain_name,
        "region.hosted_zone": region.hosted_zone,
        "region.owner_prefix": region.owner_prefix,
        "region.time_zone": region.time_zone,
        "account.number": region.account.account_number,
        "tenant.time_zone": stack.tenant.time_zone if stack.tenant else region.time_zone,
        "tenant.title": stack.tenant.title if stack.tenant else "",
        "tenant.labels": stack.tenant.labels if stack.tenant else {},
        "shared.name": shared.name if shared else "",
        "shared.outputs": shared_outputs(stack),
    }
    return {name: facts[path] for name, path in provided.items()}


def shared_outputs(stack: Stack) -> dict[str, Any]:
    """Return the plain outputs of the stack's shared environment, by name."""
    shared = stack.parent_environment
    if shared is None or stack.kind == "shared":
        return {}
    return {
        name: output.get("value")
        for name, output in shared.stack.outputs.items()
        if not output.get("sensitive")
    }
