"""Reads a Terraform state of version 3 (to 0.11) or 4 (from 0.12 on), as far as we need it.

What it holds in clear (passwords, boot texts) never leaves this module but by attributes that
adopt.yaml names.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from tenants.errors import AdoptionUnreadable


@dataclass(frozen=True)
class OldInstance:
    """One resource that the old tool manages."""

    address: str
    type: str
    attributes: dict[str, Any]

    def get(self, path: str) -> Any:
        """Return an attribute by its dotted path (`tags.Name`); None when it has none."""
        if path in self.attributes:
            return self.attributes[path]
        value: Any = self.attributes
        for name in path.split("."):
            if isinstance(value, list) and name.isdigit() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, dict):
                value = value.get(name)
            else:
                return None
        return value


@dataclass(frozen=True)
class StateFacts:
    """What a state says about itself, and the SHA-256 of its file."""

    version: int
    terraform_version: str
    serial: int
    digest: str
    resource_count: int


@dataclass(frozen=True)
class OldState:
    """A state's facts and its managed resources."""

    facts: StateFacts
    instances: tuple[OldInstance, ...]

    def arns(self) -> Iterator[list[str]]:
        """Yield the parts of each resource's own ARN: arn, partition, service, region, account."""
        for instance in self.instances:
            arn = instance.attributes.get("arn")
            if isinstance(arn, str) and arn.count(":") >= 5:
                yield arn.split(":")


def read_state(name: str, content: bytes) -> OldState:
    """Return what a state says. Raises AdoptionUnreadable with the way out."""
    if b"\\u0000" in content:
        raise AdoptionUnreadable(file=name, why=_("it has a NUL character in a value."))
    try:
        raw = json.loads(content)
        version = raw["version"]
        readers = {3: _version_3, 4: _version_4}
        if version not in readers:
            why = _("states of version %s are not known; 3 and 4 are.") % version
            raise AdoptionUnreadable(file=name, why=why)
        instances = tuple(readers[version](raw))
        serial = int(raw["serial"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        why = _("it is no state of Terraform.")
        raise AdoptionUnreadable(file=name, why=why) from None
    if not instances:
        why = _("it holds no resources.")
        if "backend" in raw:
            why = _(
                "it only says where the state is. Run “terraform state pull > terraform.tfstate” "
                "there, and give that file."
            )
        raise AdoptionUnreadable(file=name, why=why)
    digest = hashlib.sha256(content).hexdigest()
    written_by = str(raw.get("terraform_version", ""))
    return OldState(StateFacts(version, written_by, serial, digest, len(instances)), instances)


def _version_4(raw: dict[str, Any]) -> Iterator[OldInstance]:
    for resource in raw.get("resources", []):
        if resource.get("mode", "managed") != "managed":
            continue
        parts = (resource.get("module"), resource["type"], resource["name"])
        base = ".".join(part for part in parts if part)
        for instance in resource.get("instances", []):
            key = instance.get("index_key")
            address = base if key is None else f"{base}[{json.dumps(key)}]"
            found = instance.get("attributes") or instance.get("attributes_flat") or {}
            yield OldInstance(address, resource["type"], found)


def _version_3(raw: dict[str, Any]) -> Iterator[OldInstance]:
    for module in raw.get("modules", []):
        prefix = "".join(f"module.{name}." for name in module["path"][1:])
        for key, resource in module.get("resources", {}).items():
            if key.startswith("data."):
                continue
            found = (resource.get("primary") or {}).get("attributes") or {}
            yield OldInstance(prefix + key, resource["type"], found)
