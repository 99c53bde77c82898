"""Whether the hosts of a stack are such that a playbook may be sent to them."""

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _

from deployments.errors import HostKeyUnknown, HostsMissing, InstalledAlready
from deployments.models import Run
from deployments.runstatus import RunStatus
from tenants import blueprints
from tenants.blueprints.stepkinds import ENGINE_STEPS, PLAYBOOKS
from tenants.effective import effective_inputs
from tenants.errors import HostsNotMade, InputsMoved
from tenants.models import Host, Stack
from tenants.models.stacks import HostsState

CONTACT = "hosts.contact"
CHECK = "ansible.check"
# Follows each apply of a kind whose hosts come from an output; no blueprint names it.
MADE_STEP = "hosts.made"
APPLY = "terraform.apply"
# Done in the apply unless a blueprint says otherwise; after it they can be done as well.
ALSO_LATER = ("restore_point.keep", "parameter.lend")


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


def makes_hosts(stack: Stack, action: blueprints.Action) -> bool:
    """Tell whether the action's apply makes the hosts that its playbooks are sent to."""
    rules = blueprints.load(stack.blueprint).kinds[stack.kind].hosts
    is_told = rules is not None and bool(rules.from_output)
    return is_told and any(step.kind == APPLY for step in action.steps)


def configures(run: Run) -> bool:
    """Tell whether the run brings the hosts to its inputs."""
    return any(step["params"].get("leaves") == "installed" for step in run.steps_wanted)


def came_to_configure(run: Run) -> bool:
    """Tell whether the run's apply was done and its playbooks were not, or not to their end."""
    if run.status not in (RunStatus.ERRORED, RunStatus.CANCELED, RunStatus.LOST):
        return False
    applies = any(step["kind"] == APPLY for step in run.steps_wanted)
    return applies and run.steps.filter(phase="configure").exists()


def rest_of(run: Run) -> list[dict[str, Any]]:
    """Return what a retry has to do that leaves alone what is done: hosts, and Terraform's part.

    Raises InputsMoved when the inputs are no longer those that were applied.
    """
    steps = list(run.steps_wanted)
    if came_to_configure(run):
        stack = Stack.objects.select_related("region__account").get(pk=run.stack_id)
        require_applied(run, effective_inputs(stack))
        ends = [n for n, step in enumerate(steps) if _is_of_apply(step)]
        rest = [step for step in steps[ends[-1] + 1 :] if step.get("phase") != "plan"]
        steps = [_alone(step) for step in rest]
    # How far a stopped run came on its hosts is not known: all of them are done again.
    return narrowed(steps, failed_hosts(run) if run.status == RunStatus.ERRORED else ())


def require_applied(run: Run, inputs: dict[str, Any]) -> None:
    """Raise InputsMoved unless these inputs are those of the last apply."""
    stack = Stack.objects.get(pk=run.stack_id)
    if inputs != stack.applied_inputs:
        raise InputsMoved(stack=stack, action=run.action_label)


def _alone(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as it is done without the apply before it."""
    if step["kind"] in PLAYBOOKS:
        return {**step, "params": {**step["params"], "only_applied": True}}
    return {**step, "phase": "configure"} if step["kind"] in ALSO_LATER else step


def _is_of_apply(step: dict[str, Any]) -> bool:
    return step["kind"].startswith(ENGINE_STEPS) or step["kind"] == MADE_STEP


def require_new(stack: Stack, action: blueprints.Action) -> None:
    """Raise InstalledAlready for an action that is meant for hosts with nothing on them yet."""
    if action.when != "new" or not stack.is_installed:
        return
    if stack.hosts_state == HostsState.MADE or (
        makes_hosts(stack, action) and not stack.hosts_state
    ):
        # Infrastructure alone, or half of it, is nothing yet.
        return
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    others = [a.label for a in kind.actions.values() if a.when == "installed"]
    raise InstalledAlready(stack=stack, action=action.label, others=", ".join(others))


def require_hosts(stack: Stack) -> list[Host]:
    """Return the stack's hosts. Raises HostKeyUnknown for one whose key nobody confirmed.

    Where there are too few: HostsMissing, or HostsNotMade where the infrastructure makes them.
    """
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    hosts = list(stack.hosts.living())
    lacking = kind.hosts.missing(host.role for host in hosts) if kind.hosts else []
    if lacking or not hosts:
        groups = ", ".join(lacking) or _("its playbooks")
        missing = HostsNotMade if kind.hosts and kind.hosts.from_output else HostsMissing
        raise missing(stack=stack, groups=groups)
    unknown = [host.name for host in hosts if not host.is_pinned]
    if unknown:
        names = ", ".join(unknown)
        raise HostKeyUnknown(hosts=names, stack=stack, contact=contact_label(kind))
    return hosts


def contact_label(kind: blueprints.Kind) -> str:
    """Return what the blueprint calls the action that asks hosts for their keys."""
    return _label(kind, CONTACT)


def check_label(kind: blueprints.Kind) -> str:
    """Return what the blueprint calls the action that tells what differs on the hosts."""
    return _label(kind, CHECK)


def _label(kind: blueprints.Kind, step_kind: str) -> str:
    for action in kind.actions.values():
        if any(step.kind == step_kind for step in action.steps):
            return action.label
    return step_kind
