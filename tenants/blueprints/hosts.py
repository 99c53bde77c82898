"""How a blueprint that configures hosts knows them: their roles, groups and variables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What a variable of the inventory may hold.
ATTRIBUTES = ("name", "role", "address", "lan_address", "port", "user")


@dataclass(frozen=True)
class HostRole:
    """What a host may be, and the groups of the inventory that it is in then."""

    name: str
    title: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class HostRules:
    """Which hosts a stack may have, and what a playbook is told of them.

    Each group of `needs` must have a host. `variables`: variable of the inventory → attribute of
    its host. `peers`: variable → group; a host outside of the group is told the LAN address of
    the group's first host. With `from_output` the stack's own infrastructure makes the hosts: the
    output of this name tells them. `ssh_key` is the secret input that lets the portal in there.
    `old_names`: variable of another tool's inventory → input, where they are not called the same.
    """

    roles: Mapping[str, HostRole]
    needs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    from_output: str = ""
    ssh_key: str = ""
    old_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Return every group, in the order of the roles."""
        found = (group for role in self.roles.values() for group in role.groups)
        return list(dict.fromkeys(found))

    def groups_of(self, role: str) -> tuple[str, ...]:
        """Return the groups of a role; none for one that the blueprint no longer knows."""
        return self.roles[role].groups if role in self.roles else ()

    def missing(self, roles: Iterable[str]) -> list[str]:
        """Return the needed groups that no host of these roles is in."""
        there = {group for role in roles for group in self.groups_of(role)}
        return [group for group in self.needs if group not in there]


def read(spec: Mapping[str, Any] | None) -> HostRules | None:
    """Return the rules as the manifest says them; None for a kind without hosts."""
    if spec is None:
        return None
    roles = {
        name: HostRole(name, role.get("title", name), tuple(role.get("groups", (name,))))
        for name, role in spec["roles"].items()
    }
    return HostRules(
        roles,
        tuple(spec.get("needs", ())),
        spec.get("variables", {}),
        spec.get("peers", {}),
        spec.get("from_output", ""),
        spec.get("ssh_key", ""),
        spec.get("old_names", {}),
    )


def unknown_groups(rules: HostRules) -> list[str]:
    """Return the groups that `needs` or `peers` name and no role is in."""
    named = dict.fromkeys([*rules.needs, *rules.peers.values()])
    return [group for group in named if group not in rules.groups]
