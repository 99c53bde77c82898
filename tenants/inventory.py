"""The inventory of a stack: made from its hosts for each run, shown, and exported."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from tenants.blueprints import HostRules
from tenants.inventoryfile import ADDRESS, PORT, PYTHON, USER
from tenants.models import Host


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
