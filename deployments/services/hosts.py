"""Whether the hosts of a stack are such that a playbook may be sent to them."""

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _

from deployments.errors import HostKeyUnknown, HostsMissing, InstalledAlready
from deployments.models import Run
from tenants import blueprints
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.models import Host, Stack

CONTACT = "hosts.contact"


def uses_hosts(action: blueprints.Action) -> bool:
    """Tell whether an action sends a playbook to the stack's hosts."""
    return any(step.kind in PLAYBOOKS for step in action.steps)


def failed_hosts(run: Run) -> list[str]:
    """Return the hosts on which a run's playbooks failed, or that they did not reach."""
    found: dict[str, None] = {}
    for progress in run.steps.filter(kind__in=PLAYBOOKS).values_list("progress", flat=True):
        bad = (
            row["host"] for row in progress.get("hosts", ()) if row["failed"] or row["unreachable"]
        )
        found |= dict.fromkeys(bad)
    return list(found)


def narrowed(steps: list[dict[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    """Return the steps with their playbooks for these hosts alone; for all when none is named."""
    if not names:
        return steps
    return [
        {**step, "params": {**step["params"], "only_hosts": list(names)}}
        if step["kind"] in PLAYBOOKS
        else step
        for step in steps
    ]


def require_new(stack: Stack, action: blueprints.Action) -> None:
    """Raise InstalledAlready for an action that is meant for hosts with nothing on them yet."""
    if action.when != "new" or not stack.is_installed:
        return
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    others = [a.label for a in kind.actions.values() if a.when == "installed"]
    raise InstalledAlready(stack=stack, action=action.label, others=", ".join(others))


def require_hosts(stack: Stack) -> list[Host]:
    """Return the stack's hosts. Raises HostsMissing, and HostKeyUnknown for one nobody knows."""
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    hosts = list(stack.hosts.living())
    lacking = kind.hosts.missing(host.role for host in hosts) if kind.hosts else []
    if lacking or not hosts:
        groups = ", ".join(lacking) or _("its playbooks")
        raise HostsMissing(stack=stack, groups=groups)
    unknown = [host.name for host in hosts if not host.is_pinned]
    if unknown:
        names = ", ".join(unknown)
        raise HostKeyUnknown(hosts=names, stack=stack, contact=contact_label(kind))
    return hosts


def contact_label(kind: blueprints.Kind) -> str:
    """Return what the blueprint calls the action that asks hosts for their keys."""
    for action in kind.actions.values():
        if any(step.kind == CONTACT for step in action.steps):
            return action.label
    return CONTACT
