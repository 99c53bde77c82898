"""Playbooks over the stack's hosts: done (ansible.playbook), tried (.check), only asking (.ask)."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.models import Run
from deployments.runner.plays import Plays
from deployments.runstatus import RunStatus
from deployments.services.hosts import check_label
from deployments.services.stacks import mark_suspect
from deployments.steps import Launch, Piece, StepKind, playbooks, register, told_backups
from deployments.steps.hosterrors import HostsUnknown
from deployments.work import WORKER, Work
from tenants.models import Stack
from tenants.models.stacks import HostsState

PLAYBOOK, CHECK, ASK = "ansible.playbook", "ansible.check", "ansible.ask"
INSTALLED, REMOVED = "installed", "removed"


def prepare(work: Work, params: Mapping[str, Any]) -> None:
    """Write the playbook's files; the log says which hosts it is for. Raises what `render` does."""
    hosts = playbooks.render(work, params)
    only = params.get("only_hosts")
    hosts = [host for host in hosts if not only or host.name in only]
    names = ", ".join(f"{h.name} ({h.role}, {h.user}@{h.address}:{h.port})" for h in hosts)
    facts = {"version": playbooks.require_ansible(), "hosts": names}
    work.say(_("ansible-core %(version)s, hosts: %(hosts)s") % facts)


def _launch(work: Work, params: Mapping[str, Any]) -> Launch:
    return playbooks.launch(work, params)


def _launch_check(work: Work, params: Mapping[str, Any]) -> Launch:
    return playbooks.launch(work, params, check=True)


def _after(work: Work, params: Mapping[str, Any]) -> None:
    """Remove what was private; keep on the stack what is true of it now."""
    playbooks.forget(work)
    with transaction.atomic():
        work.fence()
        told_backups.keep(work, params, PLAYBOOK)
        stack = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=work.stack.pk)
        if _was_stopped(work):
            if stack.state_suspect:
                return  # A playbook before has said so.
            run, check = work.run, check_label(work.kind)
            why = HostsUnknown(run=run.number, run_id=run.public_id, check=check)
            mark_suspect(WORKER, stack, why)
        elif not work.notes.get("failed") and params.get("leaves"):
            _note_on_stack(work, stack, params["leaves"] == INSTALLED)


def _was_stopped(work: Work) -> bool:
    """Tell whether the playbook was at work when it was stopped."""
    last = work.run.steps.filter(kind=PLAYBOOK, number__lt=work.step.number)
    step = last.order_by("-number").first()
    verdict = ((step.outcome or {}).get("verdict") or {}) if step is not None else {}
    is_begun = step is not None and (step.outcome or {}).get("started_at")
    if not is_begun or not verdict:
        return False
    # Whoever ended it, a person or a limit: tasks were in hand.
    is_limit = step.outcome.get("because") in ("timeout", "silence")
    return is_limit or verdict.get("status") == RunStatus.CANCELED


def _note_on_stack(work: Work, stack: Stack, is_there: bool) -> None:
    run = work.run
    stack.applied_inputs = run.inputs if is_there else {}
    stack.applied_release = run.release_name if is_there else ""
    stack.applied_at, stack.blueprint_digest = timezone.now(), run.blueprint_digest
    stack.has_drift = False
    if not run.uses_engine and stack.state_serial is None:
        # No state counts what this stack has: its hosts do.
        stack.resource_count = stack.hosts.living().count() if is_there else 0
    if work.kind.hosts.from_output:
        stack.hosts_state = HostsState.CONFIGURED if is_there else HostsState.MADE
    stack.save(
        update_fields=[
            "applied_inputs", "applied_release", "applied_at", "blueprint_digest", "has_drift",
            "resource_count", "hosts_state",
        ]
    )  # fmt: skip


def _after_check(work: Work, params: Mapping[str, Any]) -> None:
    """Remove what was private; keep how much differs."""
    playbooks.forget(work)
    if work.notes.get("failed"):
        return
    step = work.run.steps.filter(kind=CHECK).order_by("-number").first()
    work.run.drift_count = step.progress.get("totals", {}).get("changed", 0)
    with transaction.atomic():
        work.fence()
        Run.objects.filter(pk=work.run.pk).update(drift_count=work.run.drift_count)


def _after_ask(work: Work, params: Mapping[str, Any]) -> None:
    playbooks.forget(work)


PREPARE = Piece(
    "hosts.prepare", gettext_lazy("Prepare the hosts' files"), call=prepare, error_kind="refused"
)
PARAMS = {"playbook": str, "limit": list, "tags": list, "vars": dict}

register(
    StepKind(
        name=PLAYBOOK,
        phase="configure",
        also=("verify",),
        pieces=(
            PREPARE,
            Piece(
                PLAYBOOK,
                gettext_lazy("Playbook"),
                launch=_launch,
                judge=playbooks.judge,
                changes=True,
                error_kind="step",
                told_as=Plays,
            ),
            Piece("hosts.after", gettext_lazy("Keep the outcome"), call=_after, always=True),
        ),
        params={**PARAMS, "leaves": str, "component": str, "inputs": str},
        risk="changes",
        cancel="one interrupt; tasks in hand end where they are, the stack is to be checked",
        resume="taken up where its supervisor is; never started a second time",
    )
)

register(
    StepKind(
        name=CHECK,
        phase="plan",
        pieces=(
            PREPARE,
            Piece(
                CHECK,
                gettext_lazy("Check"),
                launch=_launch_check,
                judge=playbooks.judge,
                error_kind="step",
                told_as=Plays,
            ),
            Piece(
                "hosts.checked", gettext_lazy("Keep the outcome"), call=_after_check, always=True
            ),
        ),
        params=PARAMS,
        cancel="one interrupt; nothing was changed",
        resume="taken up where its supervisor is",
    )
)

register(
    StepKind(
        name=ASK,
        phase="plan",
        pieces=(
            PREPARE,
            Piece(
                ASK,
                gettext_lazy("Ask the hosts"),
                launch=_launch,
                judge=playbooks.judge,
                error_kind="step",
                told_as=Plays,
            ),
            Piece("hosts.asked", gettext_lazy("Tidy up"), call=_after_ask, always=True),
        ),
        params=PARAMS,
        cancel="one interrupt; nothing was changed",
        resume="taken up where its supervisor is",
    )
)
