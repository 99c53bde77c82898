"""The only writers of hosts. Each is one transaction with its audit entry."""

from typing import Any

from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import access, audit, blueprints, secrets
from tenants.actors import Actor
from tenants.errors import ArchivedAlready, HostKeyNotOffered, HostMadeWithStack, HostRefused
from tenants.models import Host, Stack
from tenants.models.hosts import fingerprint
from tenants.rows import change, create_row

# Ansible's own names: a pattern, a group, and the machine that runs the playbook. What the
# blueprint calls a group is none for a host either: “limit: [app]” would mean both.
RESERVED = ("all", "ungrouped", "localhost")
FIELDS = ("name", "role", "address", "lan_address", "port", "user", "python")


def rules_of(stack: Stack) -> blueprints.HostRules:
    """Return which hosts the stack may have. Raises HostRefused where it has none."""
    rules = blueprints.load(stack.blueprint).kinds[stack.kind].hosts
    if rules is None:
        text = _("the blueprint %s configures no hosts.")
        raise HostRefused(name=stack.name, why=text % stack.blueprint)
    return rules


def add_host(
    actor: Actor, stack: Stack, *, name: str, role: str, ssh_key: str = "", **fields: Any
) -> Host:
    """Add a host to a stack; nothing is asked of it yet.

    Raises HostRefused, NameTaken, and HostMadeWithStack where the infrastructure makes them.
    """
    access.require(actor, "change", stack)
    _known(fields)
    if rules_of(stack).from_output:
        raise HostMadeWithStack(stack=stack)
    host = Host(stack=stack, name=name, role=role, **fields)
    check_host(host, stack)
    if key := checked_key(name, ssh_key):
        secrets.keep_own(host, key)
    return create_row(actor, host, "machine.add")


def add_hosts(actor: Actor, stack: Stack, wanted: list[dict[str, Any]]) -> list[Host]:
    """Add several hosts, all of them or none."""
    with transaction.atomic():
        return [add_host(actor, stack, **fields) for fields in wanted]


def change_host(actor: Actor, host: Host, *, ssh_key: str | None = "", **fields: Any) -> Host:
    """Change a host. An empty `ssh_key` keeps the one that it has, None removes it.

    Another address or port is another machine until somebody says otherwise: the pinned key goes.
    """
    _known(fields)
    _refuse_removed(host)
    _refuse_made(host)
    moves = any(fields.get(name, getattr(host, name)) != getattr(host, name)
                for name in ("address", "port"))  # fmt: skip
    for name, value in fields.items():
        setattr(host, name, value)
    check_host(host, host.stack)
    own = checked_key(host.name, ssh_key) if ssh_key else ssh_key
    if moves:
        fields |= {"host_key": "", "offered_key": "", "pinned_at": None, "pinned_by": ""}
    return change(actor, host, "machine.change", own_secret=own, **fields)


def remove_host(actor: Actor, host: Host, reason: str) -> Host:
    """Take a host out of its stack; what runs on it stays as it is."""
    access.require(actor, "destroy", host)
    _refuse_made(host)
    with transaction.atomic():
        row = Host.objects.select_for_update(of=("self",)).get(pk=host.pk)
        if not row.is_archived:
            row.archived_at, row.archived_by, row.archived_reason = (
                timezone.now(), actor.name, reason,
            )  # fmt: skip
            row.save(update_fields=["archived_at", "archived_by", "archived_reason"])
            audit.record(actor.because(reason), "machine.remove", row)
    return row


def note_key(host: Host, key: str) -> bool:
    """Keep the key that a host showed; tell whether a person has to look at it.

    The pinned key stays what it is, whatever the host shows.
    """
    is_new = key != host.host_key
    host.offered_key = key if is_new else ""
    host.save(update_fields=["offered_key"])
    return is_new


def pin_key(actor: Actor, host: Host, shown: str) -> Host:
    """Accept the key that a host showed, by the fingerprint that a person compared.

    Raises HostKeyNotOffered when the host showed another one since, and ArchivedAlready.
    """
    access.require(actor, "change", host)
    with transaction.atomic():
        row = Host.objects.select_for_update(of=("self",)).get(pk=host.pk)
        _refuse_removed(row)
        if not row.offered_key or fingerprint(row.offered_key) != shown.strip():
            raise HostKeyNotOffered(host=row.name, fingerprint=shown.strip() or "–")
        before = {"host_key": row.fingerprint} if row.is_pinned else {}
        row.host_key, row.offered_key = row.offered_key, ""
        row.pinned_at, row.pinned_by = timezone.now(), actor.name
        row.save(update_fields=["host_key", "offered_key", "pinned_at", "pinned_by"])
        after = {"host_key": row.fingerprint}
        audit.record(actor, "machine.pin", row, before=before, after=after)
    return row


def checked_key(name: str, text: str | None) -> str:
    """Return a private key as ssh reads it: whole lines. Raises HostRefused, never quotes it."""
    lines = [line.rstrip() for line in (text or "").strip().splitlines()]
    if not lines:
        return ""
    key = "\n".join([*lines, ""])
    load = load_ssh_private_key if "OPENSSH" in lines[0] else load_pem_private_key
    try:
        load(key.encode(), password=None)
    except TypeError:
        why = _("its SSH key asks for a passphrase. Give one without, or use the worker's agent.")
        raise HostRefused(name=name, why=why) from None
    except Exception:  # the library names no common class for what it cannot read
        why = _("its SSH key is no private key in OpenSSH's or PEM format. Paste the whole file.")
        raise HostRefused(name=name, why=why) from None
    return key


def _known(fields: dict[str, Any]) -> None:
    if unknown := set(fields) - set(FIELDS):
        raise TypeError(f"hosts have no {sorted(unknown)}")


def _refuse_removed(host: Host) -> None:
    if host.is_archived:
        raise ArchivedAlready(name=host.name, when=host.archived_at.date())


def _refuse_made(host: Host) -> None:
    if host.is_made:
        raise HostMadeWithStack(stack=host.stack)


def check_host(host: Host, stack: Stack) -> None:
    """Raise HostRefused for a host that cannot be kept so."""
    rules = rules_of(stack)
    if host.role not in rules.roles:
        text = _("there is no role “%(role)s”. Known: %(known)s.")
        known = ", ".join(rules.roles)
        raise HostRefused(name=host.name, why=text % {"role": host.role, "known": known})
    if host.name in {*RESERVED, *rules.groups}:
        text = _("playbooks mean something else by this name. Call it %s-1, for example.")
        raise HostRefused(name=host.name, why=text % host.name)
    try:
        host.clean_fields(exclude=["stack", "public_id"])
    except ValidationError as error:
        field, problems = next(iter(error.message_dict.items()))
        label = host._meta.get_field(field).verbose_name
        raise HostRefused(name=host.name, why=f"{label}: {problems[0]}") from error
