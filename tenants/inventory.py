"""The inventory of a stack: made from its hosts for each run, shown, exported, read back."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from django.utils.translation import gettext as _

from tenants.blueprints import HostRules
from tenants.errors import InventoryUnreadable
from tenants.models import Host

# What each tool called the way to a host: ours first.
ADDRESS, PORT, USER = "ansible_host", "ansible_port", "ansible_user"
PYTHON = "ansible_python_interpreter"
OLD_PORTS = (PORT, "ansible_ssh_port")


def render(
    hosts: Iterable[Host],
    rules: HostRules,
    private: Mapping[str, Mapping[str, Any]] | None = None,
    more_groups: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:
    """Return the inventory of these hosts alone, as a document.

    `private` adds variables of a run to hosts by name (the file of the key, say), `more_groups`
    groups of hosts by name.
    """
    hosts = list(hosts)
    private = private or {}
    every = {host.name: _variables(host, hosts, rules) | dict(private.get(host.name, {}))
             for host in hosts}  # fmt: skip
    groups = {
        group: {"hosts": {h.name: {} for h in hosts if group in rules.groups_of(h.role)}}
        for group in rules.groups
    }
    for group, names in (more_groups or {}).items():
        groups[group] = {"hosts": {name: {} for name in names if name in every}}
    return {"all": {"hosts": every, "children": groups}}


def _variables(host: Host, hosts: list[Host], rules: HostRules) -> dict[str, Any]:
    attributes = {
        "name": host.name, "role": host.role, "address": host.address,
        "lan_address": host.lan, "port": host.port, "user": host.user,
    }  # fmt: skip
    found: dict[str, Any] = {ADDRESS: host.address, PORT: host.port, USER: host.user}
    if host.user != "root":
        found["ansible_become"] = True
    if host.python:
        found[PYTHON] = host.python
    found |= {name: attributes[source] for name, source in rules.variables.items()}
    mine = rules.groups_of(host.role)
    for name, group in rules.peers.items():
        first = next((h for h in hosts if group in rules.groups_of(h.role)), None)
        if first is not None and group not in mine:
            found[name] = first.lan
    return found


def export(hosts: Iterable[Host], rules: HostRules, inputs: Mapping[str, Any]) -> str:
    """Return `inventory.yml` as operators keep it: hosts, groups and plain inputs, no secret."""
    document = render(hosts, rules)
    document["all"]["vars"] = dict(inputs)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def hosts_only(found: Iterable[Mapping[str, Any]], rules: HostRules) -> str:
    """Return what `read` found as an inventory without anything else that stood in there."""
    hosts = [Host(**fields) for fields in found]
    return yaml.safe_dump(render(hosts, rules), sort_keys=False, allow_unicode=True)


def read(text: str, rules: HostRules) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return hosts and variables of an `inventory.yml`: (fields of add_host, plain variables).

    Raises InventoryUnreadable with the line, or with what cannot be told of a host.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = _("line %s: ") % (mark.line + 1) if mark is not None else ""
        raise InventoryUnreadable(why=where + str(getattr(error, "problem", error))) from None
    every = document.get("all") if isinstance(document, Mapping) else None
    if not isinstance(every, Mapping):
        raise InventoryUnreadable(why=_("it has no “all” at its top."))
    members, variables = _walk(every)
    if not members:
        raise InventoryUnreadable(why=_("it names no host."))
    asked = {
        group for v, group in rules.peers.items() if any(v in told for told in members.values())
    }
    asked |= set(rules.needs)
    return [_host(name, told, rules, asked) for name, told in members.items()], variables


def _walk(every: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return each host with its variables and its `groups`, and the variables of all."""
    members: dict[str, dict[str, Any]] = {}
    waiting: list[tuple[str, Mapping[str, Any]]] = [("all", every)]
    while waiting:
        group, node = waiting.pop(0)
        for name, told in (node.get("hosts") or {}).items():
            one = members.setdefault(str(name), {"groups": []})
            one.update(told or {})
            if group != "all":
                one["groups"].append(group)
        waiting += [(str(n), c or {}) for n, c in (node.get("children") or {}).items()]
    return members, dict(every.get("vars") or {})


def _host(name: str, told: dict[str, Any], rules: HostRules, asked: set[str]) -> dict[str, Any]:
    role = _role(name, told, rules, asked)
    if not told.get(ADDRESS):
        text = _("%(name)s has no %(key)s.") % {"name": name, "key": ADDRESS}
        raise InventoryUnreadable(why=text)
    lan = next(
        (told[n] for n, a in rules.variables.items() if a == "lan_address" and n in told), ""
    )
    port = next((told[key] for key in OLD_PORTS if told.get(key)), 22)
    if not str(port).isdigit():
        raise InventoryUnreadable(why=_("the port of %s is no number.") % name)
    address = str(told[ADDRESS])
    return {
        "name": name.replace("_", "-").lower(), "role": role, "address": address,
        "lan_address": "" if lan == address else str(lan), "port": int(port),
        "user": str(told.get(USER, "root")), "python": str(told.get(PYTHON, "")),
    }  # fmt: skip


def _role(name: str, told: dict[str, Any], rules: HostRules, asked: set[str]) -> str:
    """Return the role whose groups are the host's.

    Where an inventory has no groups, a host is what no other host's address is told to it of:
    a host that is told where the voice host is, is not the voice host. Only groups that are
    `asked` for count: the needed ones, and those of which any host of the inventory is told.
    """
    groups = {group for group in told["groups"] if group in rules.groups}
    if not groups:
        groups = {g for variable, g in rules.peers.items() if g in asked and variable not in told}
    found = [r.name for r in rules.roles.values() if set(r.groups) == groups]
    if len(found) != 1:
        text = _("what %(name)s is cannot be told. Put it into one of the groups %(known)s.")
        raise InventoryUnreadable(why=text % {"name": name, "known": ", ".join(rules.groups)})
    return found[0]
