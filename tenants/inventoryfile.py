"""An `inventory.yml` as operators of the published tool keep it, read back: hosts and variables.

https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from tenants import plainyaml
from tenants.blueprints import HostRules
from tenants.errors import InventoryUnreadable

# The way to a host, and what older inventories call it.
ADDRESS, PORT, USER = "ansible_host", "ansible_port", "ansible_user"
PYTHON = "ansible_python_interpreter"
OLD_WAYS = {ADDRESS: "ansible_ssh_host", PORT: "ansible_ssh_port", USER: "ansible_ssh_user"}
WAYS = {*OLD_WAYS, *OLD_WAYS.values(), PYTHON}
# A user other than root becomes root anyway.
BECOME, YES = "ansible_become", ("true", "yes", "on", "1")
ALL, UNGROUPED = "all", "ungrouped"


class InventoryFile(NamedTuple):
    """What stands in an inventory.

    `hosts` are the fields of `add_host`, `variables` those of all hosts, of groups and of hosts
    without what says how to reach one; values are texts, lists, mappings or None. `differing`
    names variables that have more than one value in it. `unused` names variables of Ansible's own
    that say otherwise how a host is reached.
    """

    hosts: list[dict[str, Any]]
    variables: dict[str, Any]
    differing: list[str]
    unused: list[str]


def read(text: str, rules: HostRules) -> InventoryFile:
    """Return hosts and variables of an `inventory.yml`.

    Raises InventoryUnreadable with the line, or with what cannot be told of a host.
    """
    try:
        document = plainyaml.read(text)
    except plainyaml.Unreadable as problem:
        raise InventoryUnreadable(why=str(problem)) from None
    every = document.get(ALL) if isinstance(document, Mapping) else None
    if not isinstance(every, Mapping):
        raise InventoryUnreadable(why=_("it has no “all” at its top."))
    walk = _Walk(rules)
    walk.group(ALL, every)
    if not walk.members:
        raise InventoryUnreadable(why=_("it names no host."))
    asked = {
        group
        for variable, group in rules.peers.items()
        if any(variable in told for told in walk.members.values())
    } | set(rules.needs)
    hosts = [_host(name, walk, rules, asked) for name in walk.members]
    differing = sorted(name for name, values in walk.values.items() if len(values) > 1)
    variables = {name: values[0] for name, values in walk.values.items() if len(values) == 1}
    return InventoryFile(hosts, variables, differing, sorted(walk.unused))


class _Walk:
    """Goes through groups and hosts, and notes who is in which and what they are told."""

    def __init__(self, rules: HostRules) -> None:
        self.rules = rules
        self.members: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}
        # Each group's variables, the groups right above it, and how deep it stands.
        self.shared: dict[str, dict[str, Any]] = {}
        self.above: dict[str, set[str]] = {}
        self.depth: dict[str, int] = {}
        self.unused: set[str] = set()
        self.values: dict[str, list[Any]] = {}

    def group(self, name: str, node: Mapping[str, Any], depth: int = 0, above: str = "") -> None:
        self.depth[name] = max(depth, self.depth.get(name, 0))
        if above:
            self.above.setdefault(name, set()).add(above)
        for host, told in _mapping(node, "hosts", name).items():
            member = self.members.setdefault(host, {})
            own = _as_mapping(told, host)
            member.update(_named_now(own))
            self.note(own)
            if name not in (ALL, UNGROUPED):
                self.groups.setdefault(host, []).append(name)
        told = _mapping(node, "vars", name)
        self.note(told)
        self.shared.setdefault(name, {}).update(_named_now(told))
        for child, content in _mapping(node, "children", name).items():
            self.group(child, _as_mapping(content, child), depth + 1, name)

    def note(self, told: Mapping[str, Any]) -> None:
        """Keep what is for the stack: neither the way to a host, nor what we tell a host anyway."""
        ours = {*self.rules.variables, *self.rules.peers}
        for name, value in told.items():
            if name.startswith("ansible_"):
                if name not in WAYS and not (name == BECOME and str(value).lower() in YES):
                    self.unused.add(name)
                continue
            if name in ours:
                continue
            values = self.values.setdefault(name, [])
            if value not in values:
                values.append(value)

    def told(self, host: str) -> dict[str, Any]:
        """Return what a host is told: by itself, else by its nearest group, else as all are."""
        told: dict[str, Any] = {}
        for group in sorted(self._groups_of(host), key=lambda name: (self.depth[name], name)):
            told |= self.shared.get(group, {})
        return told | self.members[host]

    def _groups_of(self, host: str) -> set[str]:
        found, next_ones = {ALL}, list(self.groups.get(host, ()))
        while next_ones:
            group = next_ones.pop()
            if group not in found:
                found.add(group)
                next_ones += self.above.get(group, ())
        return found


def _named_now(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return it with the way to a host by the names of today."""
    found = dict(told)
    for name, old in OLD_WAYS.items():
        if found.get(old) and not found.get(name):
            found[name] = found[old]
    return found


def _mapping(node: Mapping[str, Any], part: str, group: str) -> Mapping[str, Any]:
    return _as_mapping(node.get(part), f"{group}: {part}")


def _as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        text = _("“%s” holds names with what each has, written as name: value.")
        raise InventoryUnreadable(why=text % where)
    return value


def _host(name: str, walk: _Walk, rules: HostRules, asked: set[str]) -> dict[str, Any]:
    told = walk.told(name)
    role = _role(name, walk, rules, asked)
    if not told.get(ADDRESS):
        text = _("%(name)s has no %(key)s.") % {"name": name, "key": ADDRESS}
        raise InventoryUnreadable(why=text)
    lan = next(
        (told[n] for n, a in rules.variables.items() if a == "lan_address" and told.get(n)), ""
    )
    port = str(told.get(PORT) or 22)
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        text = _("the port of %s is no number from 1 to 65535.")
        raise InventoryUnreadable(why=text % name)
    address = _text(told, ADDRESS, name)
    return {
        "name": name.replace("_", "-").lower(), "role": role, "address": address,
        "lan_address": "" if lan == address else str(lan), "port": int(port),
        "user": _text(told, USER, name) or "root", "python": _text(told, PYTHON, name),
    }  # fmt: skip


def _text(told: Mapping[str, Any], key: str, name: str) -> str:
    value = told.get(key) or ""
    if not isinstance(value, str):
        text = _("%(key)s of %(name)s is no text.") % {"key": key, "name": name}
        raise InventoryUnreadable(why=text)
    return value


def _role(name: str, walk: _Walk, rules: HostRules, asked: set[str]) -> str:
    """Return the role whose groups are the host's.

    Where an inventory has no groups, a host is what no other host's address is told to it of:
    a host that is told where the voice host is, is not the voice host. Only groups that are
    `asked` for count: the needed ones, and those of which any host of the inventory is told.
    """
    groups = set(walk.groups.get(name, ())) & set(rules.groups)
    if not groups:
        told = walk.members[name]
        groups = {g for variable, g in rules.peers.items() if g in asked and variable not in told}
    found = [r.name for r in rules.roles.values() if set(r.groups) == groups]
    if len(found) != 1:
        text = _("what %(name)s is cannot be told. Put it into one of the groups %(known)s.")
        raise InventoryUnreadable(why=text % {"name": name, "known": ", ".join(rules.groups)})
    return found[0]
