"""Hosts that a stack's own infrastructure makes: they are what its output tells, by nobody's hand.

The output is a map: name of the host → `role` and `address`, and as far as they are known
`lan_address`, `port`, `user`, `python`, `host_key`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.actors import Actor
from tenants.errors import HostRefused, HostsUntold
from tenants.hosts import FIELDS, check_host, rules_of
from tenants.models import Host, Stack
from tenants.models.hosts import fingerprint

TOLD = (*FIELDS[1:], "host_key")
# What a host is by; where one of these is another, the key that was known is another machine's.
PLACE = ("address", "port")
KEY_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")


@dataclass
class Changes:
    """What became of a stack's hosts: their names."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def sync_hosts(actor: Actor, stack: Stack, told: Any, run: Any) -> Changes:
    """Make the stack's hosts be those that the output tells; None tells that there are none.

    One transaction with an audit entry for each host that was made, changed or removed. Raises
    HostsUntold for an output that tells no hosts: then everything stays.
    """
    wanted = _read(stack, {} if told is None else told)
    found = Changes()
    with transaction.atomic():
        rows = stack.hosts.living().select_for_update(of=("self",))
        there = {host.name: host for host in rows}
        for name, host in there.items():
            if host.is_made and name not in wanted:
                _remove(actor, host, run)
                found.removed.append(name)
        for name, fields in wanted.items():
            host = there.get(name)
            if host is None:
                _keep(actor, Host(stack=stack, name=name), fields, run)
                found.added.append(name)
            elif _keep(actor, host, fields, run):
                found.changed.append(name)
    return found


def _read(stack: Stack, told: Any) -> dict[str, dict[str, Any]]:
    """Return the columns of each host by its name. Raises HostsUntold."""
    output = rules_of(stack).from_output

    def untold(why: str) -> HostsUntold:
        return HostsUntold(output=output, stack=stack, why=why)

    if not isinstance(told, Mapping):
        raise untold(_("it is no map of hosts by their names."))
    found = {}
    for name, one in told.items():
        if not isinstance(one, Mapping) or not one.get("role") or not one.get("address"):
            raise untold(_("“%s” lacks a role or an address.") % name)
        if unknown := sorted(set(one) - set(TOLD)):
            words = {"name": name, "key": unknown[0], "known": ", ".join(TOLD)}
            text = _("“%(name)s” has an unknown key “%(key)s”. Known: %(known)s.")
            raise untold(text % words)
        try:
            found[name] = _columns(stack, name, one)
        except HostRefused as refusal:
            raise untold(str(refusal)) from refusal
        except (TypeError, ValueError):
            raise untold(_("the port or the host key of “%s” is none.") % name) from None
    return found


def _columns(stack: Stack, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a host's columns. Raises HostRefused; ValueError for a port or key that is none."""
    fields = {
        "role": str(one["role"]),
        "address": str(one["address"]),
        "lan_address": str(one.get("lan_address") or ""),
        "port": int(one.get("port") or 22),
        "user": str(one.get("user") or "root"),
        "python": str(one.get("python") or ""),
    }
    check_host(Host(stack=stack, name=name, **fields), stack)
    return {**fields, "host_key": _public_key(str(one.get("host_key") or ""))}


def _public_key(text: str) -> str:
    """Return a host's key as `type base64`; it becomes one line of a file that ssh trusts."""
    words = text.split()
    if not words:
        return ""
    if len(text.strip().splitlines()) > 1 or len(words) < 2 or words[0] not in KEY_KINDS:
        raise ValueError(text)
    key = " ".join(words[:2])
    if not fingerprint(key):
        raise ValueError(text)
    return key


def _keep(actor: Actor, host: Host, fields: dict[str, Any], run: Any) -> bool:
    """Write a host as it is told, with its audit entries; tell whether anything differs."""
    is_new = host.pk is None
    told_key = fields["host_key"]
    plain = {name: value for name, value in fields.items() if name != "host_key"}
    old = {} if is_new else {name: getattr(host, name) for name in plain}
    before, after = audit.changes(old, plain)
    moves = any(name in after for name in PLACE)
    old_key = host.host_key
    key = told_key or ("" if moves else old_key)
    if not (is_new or after or key != old_key or not host.is_made):
        return False
    for name, value in plain.items():
        setattr(host, name, value)
    host.is_made = True
    if key != old_key or moves:
        host.host_key, host.offered_key = key, ""
        host.pinned_at = timezone.now() if key else None
        host.pinned_by = actor.name if key else ""
    host.save()
    if is_new or before or after:
        action = "machine.add" if is_new else "machine.change"
        audit.record(actor, action, host, before=before, after=after, run=run)
    if key and key != old_key:
        shown = {"host_key": fingerprint(old_key)} if old_key else {}
        told = {"host_key": host.fingerprint}
        audit.record(actor, "machine.pin", host, before=shown, after=told, run=run)
    return True


def _remove(actor: Actor, host: Host, run: Any) -> None:
    reason = _("%s took it away.") % run
    host.archived_at, host.archived_by = timezone.now(), actor.name
    host.archived_reason = reason[:500]
    host.save(update_fields=["archived_at", "archived_by", "archived_reason"])
    audit.record(actor.because(reason), "machine.remove", host, run=run)
