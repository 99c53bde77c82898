"""What of a plan's `resource_drift` was changed by people: the rest a provider filled in itself.

A provider reads back more than it was given: null comes back as "", a security group shows the
rules that are resources of their own, a role the policies that hang on it. Such differences are
no drift, nobody can put them back. What counts is what the configuration itself sets, what the
plan would put back, and what is gone.
Format: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .masking import without_keys

EMPTY = (None, "", [], {})
_NAME = re.compile(r"[^.\[]*")


class Drift:
    """Judges the differences of one plan; made from its `show -json`."""

    def __init__(self, plan: dict) -> None:
        self._root = (plan.get("configuration") or {}).get("root_module")
        self._planned = {
            found.get("address", ""): found.get("change") or {}
            for found in plan.get("resource_changes") or []
            if not found.get("deposed")
        }

    def counting(self, found: dict) -> Callable[[dict], bool]:
        """Return what tells of a row of a drifted resource's differences whether it counts."""
        change = found["change"]
        before, after = change.get("before"), change.get("after")
        if self._root is None or not (isinstance(before, dict) and isinstance(after, dict)):
            return lambda _row: True
        expressions = self._expressions(found)
        names = set(self._put_back(found.get("address", ""), before, after))
        names |= {name for name in expressions if _differs(before, after, name, expressions)}
        return lambda row: _NAME.match(row["path"])[0] in names and not _both_empty(row)

    def _expressions(self, found: dict) -> dict:
        """Return what the configuration sets for a resource; its instances share that."""
        module = self._root
        # module.NAME.module.NAME.TYPE.NAME
        for name in without_keys(found.get("address", "")).split(".")[1:-2:2]:
            call = (module.get("module_calls") or {}).get(name) or {}
            module = call.get("module") or {}
        wanted = tuple(found.get(key) for key in ("mode", "type", "name"))
        for resource in module.get("resources") or []:
            if tuple(resource.get(key) for key in ("mode", "type", "name")) == wanted:
                return resource.get("expressions") or {}
        return {}

    def _put_back(self, address: str, before: dict, after: dict) -> Iterator[str]:
        """Yield attributes that the plan gives their former value again.

        The configuration in a plan's JSON lacks dynamic blocks and a provider's default tags.
        """
        planned = self._planned.get(address, {})
        now, then = planned.get("before"), planned.get("after")
        if not (isinstance(now, dict) and isinstance(then, dict)):
            return
        for name in before.keys() | after.keys():
            was, found = _plain(before.get(name)), _plain(after.get(name))
            is_back = _plain(then.get(name)) == was and _plain(now.get(name)) == found
            if was != found and is_back and name in then:
                yield name


def _both_empty(row: dict) -> bool:
    return _plain(row["before"]) is None and _plain(row["after"]) is None


def _differs(before: dict, after: dict, name: str, expressions: dict) -> bool:
    told = expressions[name]
    return _set_part(before.get(name), told) != _set_part(after.get(name), told)


def _set_part(value: object, told: object) -> object:
    """Return of a value what the configuration sets: of a block the attributes that it names."""
    blocks = _blocks(told)
    if blocks is None:
        return _plain(value)
    named = _together(blocks)
    items = value if isinstance(value, list) else [value]
    parts = [
        {key: _set_part(item.get(key), expression) for key, expression in named.items()}
        for item in items
        if isinstance(item, dict)
    ]
    # The JSON does not say whether blocks have an order: a provider sorts those without anew.
    return sorted((_plain(part) for part in parts if _plain(part) is not None), key=repr)


def _together(blocks: list[dict]) -> dict:
    """Return what blocks of one name set: which of them an item came from is not known."""
    named: dict = {}
    for block in blocks:
        for key, told in block.items():
            inner, more = _blocks(named.get(key)), _blocks(told)
            named[key] = told if inner is None or more is None else inner + more
    return named


def _blocks(told: object) -> list[dict] | None:
    """Return the blocks that stand under a name in the configuration; None for an attribute."""
    if isinstance(told, list):
        return told
    if isinstance(told, dict) and not {"constant_value", "references"} & told.keys():
        # An attribute of functions alone is an empty object, like a block that sets nothing.
        return [told] if told else None
    return None


def _plain(value: object) -> object:
    """Return a value in which all that is empty is None: null, "", no item, no key."""
    if isinstance(value, dict):
        kept = {key: plain for key, item in value.items() if (plain := _plain(item)) is not None}
        return dict(sorted(kept.items())) or None
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return items if any(item is not None for item in items) else None
    return None if value in EMPTY else value
