"""Whether the hosts of a stack are such that a playbook may be sent to them."""

from django.utils.translation import gettext as _

from deployments.errors import HostKeyUnknown, HostsMissing
from tenants import blueprints
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.models import Host, Stack

CONTACT = "hosts.contact"


def uses_hosts(action: blueprints.Action) -> bool:
    """Tell whether an action sends a playbook to the stack's hosts."""
    return any(step.kind in PLAYBOOKS for step in action.steps)


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
