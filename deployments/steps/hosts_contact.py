"""hosts.contact: ask each host of the stack for its own key; people say whether it is right."""

import os
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import identity
from deployments.errors import HostsMissing
from deployments.runner import ansible, process
from deployments.steps import Piece, StepKind, register
from deployments.steps.hosterrors import HostKeyOffered, HostKeyOther, HostMute
from deployments.work import Work
from tenants.hosts import note_key
from tenants.models import Host
from tenants.models.hosts import fingerprint

TIMEOUT_S = 30


def _contact(work: Work, params: Mapping[str, Any]) -> None:
    hosts = list(work.stack.hosts.living())
    if not hosts:
        raise HostsMissing(stack=work.stack, groups=_("a first contact"))
    work.folder.make()
    mute, why = [], ""
    for done, host in enumerate(hosts, start=1):
        work.check_cancel()
        key, words = _ask(work, host)
        if key:
            _tell(work, host, key, done, len(hosts))
        else:
            mute.append(host.name)
            why = words or why
            work.say(_("%(host)s: no answer. %(words)s") % {"host": host, "words": words})
    if mute:
        raise HostMute(hosts=", ".join(mute), worker=identity.host_name(), why=why)


def _ask(work: Work, host: Host) -> tuple[str, str]:
    """Return the key that the host shows, or nothing and the end of what ssh-keyscan said."""
    out = work.folder.path / "tmp" / "scanned"
    env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    argv = ansible.scan_command(host.address, host.port)
    answer = process.capture(argv, work.folder.path, env, work.run.public_id, TIMEOUT_S, out)
    key = ansible.best_key(out.read_text(errors="replace"))
    said = [line for line in answer.stderr.splitlines() if not line.startswith("#")]
    return key, said[-1] if said else ""


def _tell(work: Work, host: Host, key: str, done: int, total: int) -> None:
    """Keep the key on its host, and as a finding when a person has to look at it."""
    told = {"done": done, "total": total, "text": host.name}
    shown = fingerprint(key)
    if not note_key(host, key):
        facts = {"host": host, "fingerprint": shown}
        work.say(_("%(host)s shows its confirmed key, %(fingerprint)s.") % facts, told)
        return
    found = HostKeyOffered(fingerprint=shown, stack=work.stack)
    if host.is_pinned:
        found = HostKeyOther(fingerprint=shown, pinned=host.fingerprint, stack=work.stack)
    work.find({"about": host.name, "is_loud": host.is_pinned, **found.to_json()})
    work.say(f"{host}: {found}", told)


register(
    StepKind(
        name="hosts.contact",
        phase="plan",
        pieces=(
            Piece(
                "hosts.contact",
                gettext_lazy("First contact"),
                call=_contact,
                error_kind="step",
            ),
        ),
        cancel="the next host is not asked",
        resume="asks all hosts again",
    )
)
