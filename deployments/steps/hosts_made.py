"""hosts.made: keep the hosts that an apply made; hosts.await: wait until they answer.

No blueprint names the first: it follows each apply of a kind whose hosts come from an output.
"""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import identity
from deployments.services.hosts import MADE_STEP, configures
from deployments.services.lifecycle import refresh_condition
from deployments.steps import Piece, StepKind, register
from deployments.steps.hosterrors import HostMute
from deployments.work import WORKER, Work
from tenants.errors import HostsUntold
from tenants.madehosts import Changes, sync_hosts
from tenants.models import Host, Stack
from tenants.models.stacks import HostsState

AWAIT_S, CONNECT_S, PAUSE_S = 300, 5.0, 2.0


def _keep(work: Work, params: Mapping[str, Any]) -> None:
    """Make the stack's hosts be those of its output, also after an apply that failed."""
    told = work.outputs().get(work.kind.hosts.from_output)
    failed, gone = work.notes.get("failed"), work.run.is_destroy
    if told is None and not gone:
        # Half an apply may not have come to the output; what was known stays.
        if failed:
            return
        why = _("there is none, or it holds a secret.")
        raise HostsUntold(output=work.kind.hosts.from_output, stack=work.stack, why=why)
    try:
        with transaction.atomic():
            work.fence()
            stack = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=work.stack.pk)
            changes = sync_hosts(WORKER, stack, told, work.run)
            _note_state(work, stack, changes)
    except HostsUntold:
        if not failed:
            raise
        return
    _tell(work, changes)


def _note_state(work: Work, stack: Stack, changes: Changes) -> None:
    """Say that the hosts are not configured, until a playbook has done it."""
    before = stack.hosts_state
    if not stack.hosts.living().exists():
        stack.hosts_state = HostsState.NONE
    elif before == HostsState.NONE:
        stack.hosts_state = HostsState.MADE
    elif before == HostsState.CONFIGURED and (changes or configures(work.run)):
        stack.hosts_state = HostsState.BEHIND
    if stack.hosts_state != before:
        stack.save(update_fields=["hosts_state"])
        refresh_condition(stack)


def _tell(work: Work, changes: Changes) -> None:
    for text, names in (
        (_("Hosts made: %s"), changes.added),
        (_("Hosts changed: %s"), changes.changed),
        (_("Hosts taken away: %s"), changes.removed),
    ):
        if names:
            work.say(text % ", ".join(names))
    unknown = [host.name for host in work.stack.hosts.living() if not host.is_pinned]
    if unknown:
        text = _("Nobody knows the keys of %s yet: they are to be confirmed before a playbook.")
        work.say(text % ", ".join(unknown))


def _await(work: Work, params: Mapping[str, Any]) -> None:
    """Wait until each host's SSH answers: a machine that was made just now is still starting."""
    hosts = list(work.stack.hosts.living())
    limit = float(params.get("timeout_s", AWAIT_S))
    began, why, total, turn = time.monotonic(), "", len(hosts), 0
    while True:
        mute = []
        for host in hosts:
            if problem := _problem(host):
                mute.append(host)
                why = problem
        names = ", ".join(host.name for host in mute)
        told = {"done": total - len(mute), "total": total, "text": names}
        if not mute:
            work.say(_("Every host answers."), told)
            return
        if len(mute) < len(hosts) or not turn:
            work.say(_("Waiting for %s.") % names, told)
        if time.monotonic() - began > limit:
            raise HostMute(hosts=names, worker=identity.host_name(), why=why)
        hosts, turn = mute, turn + 1
        work.pause(PAUSE_S)


def _problem(host: Host) -> str:
    """Return why the host's SSH does not answer; empty when it does."""
    try:
        with socket.create_connection((host.address, host.port), CONNECT_S) as connection:
            said = b""
            with suppress(TimeoutError):
                said = connection.recv(64)
    except OSError as problem:
        return f"{problem.strerror or problem}."
    return "" if said.startswith(b"SSH-") else _("something else than SSH answers there.")


register(
    StepKind(
        name=MADE_STEP,
        phase="apply",
        pieces=(
            Piece(
                MADE_STEP,
                gettext_lazy("Keep the hosts"),
                call=_keep,
                always=True,
                error_kind="step",
            ),
        ),
        cancel="nothing to stop",
        resume="done again",
    )
)

register(
    StepKind(
        name="hosts.await",
        phase="configure",
        pieces=(
            Piece(
                "hosts.await", gettext_lazy("Wait for the hosts"), call=_await, error_kind="step"
            ),
        ),
        params={"timeout_s": int},
        cancel="stops at the next try",
        resume="begins again",
    )
)
