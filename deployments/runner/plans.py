"""The picture of a plan for people: what happens to which resource, the dangerous first.

Made of `show -json` of the plan file, masked before anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .drift import Drift
from .masking import has_mark, mask_plan
from .redact import DOTS

# Most dangerous first.
ACTIONS = ("delete", "replace", "forget", "update", "create", "import", "read", "no-op")
MAX_ATTRIBUTES = 300  # of one resource, then a count
MAX_STRING = 4_000


def plan_view(show_json: dict, sensitive_variables: Iterable[str] = ()) -> dict:
    """Return {"masked": the plan's JSON without sensitive values, "view": the page's structure}.

    view: has_changes (an apply would do something, if only to the state), counts (by each of
    ACTIONS, and Terraform's own add, change, destroy),
    resources (without no-op, unless moved or imported), drift (resources that were changed
    outside), filled_in (attributes that only the provider changed), outputs, unchanged (resources
    that stay as they are), terraform_version, complete, errored, checks (failed ones).
    A resource: address, previous_address, module, type, name, mode, action, importing, deposed,
    creates_first (of a replacement), reason, replace_paths, attributes, more (attributes beyond
    MAX_ATTRIBUTES), unchanged (attributes). An attribute: path, before, after, unknown,
    sensitive (before and after are dots then), forces (a replacement).
    """
    masked = mask_plan(show_json, sensitive_variables)
    pairs = list(_pairs(show_json, masked, "resource_changes"))
    resources = [_resource(real, shown) for real, shown in pairs]
    outputs = _outputs(show_json, masked)
    counts = _counts(resources)
    visible = [r for r in resources if r["action"] != "no-op" or r["previous_address"]]
    has_changes = bool(visible) or any(o["action"] != "no-op" for o in outputs)
    view = {
        "has_changes": show_json.get("applyable", has_changes),
        "counts": counts,
        "resources": sorted(visible, key=_danger),
        **_drift(show_json, masked),
        "outputs": outputs,
        "unchanged": counts["no-op"],
        "terraform_version": show_json.get("terraform_version", ""),
        "complete": show_json.get("complete", True),
        "errored": show_json.get("errored", False),
        "checks": _failed_checks(masked),
    }
    return {"masked": masked, "view": view}


def _pairs(real: dict, masked: dict, part: str) -> Iterator[tuple[dict, dict]]:
    return zip(real.get(part) or [], masked.get(part) or [], strict=True)


def _drift(real: dict, masked: dict) -> dict:
    """Return the resources that were changed outside, with what counts of them."""
    judge, found, filled_in = Drift(real), [], 0
    for one, shown in _pairs(real, masked, "resource_drift"):
        if _action(one["change"]) == "no-op":
            continue
        counts = judge.counting(one)
        attributes, unchanged = _diff(one["change"], shown["change"], [])
        kept = [row for row in attributes if counts(row)]
        filled_in += len(attributes) - len(kept)
        if kept or _action(one["change"]) != "update":
            found.append(_row(one, kept, unchanged))
    return {"drift": found, "filled_in": filled_in}


def _danger(resource: dict) -> tuple[int, bool, str]:
    is_data = resource["mode"] == "data"
    return ACTIONS.index(resource["action"]), is_data, resource["address"]


def _counts(resources: list[dict]) -> dict[str, int]:
    counts = dict.fromkeys(ACTIONS, 0)
    for resource in resources:
        counts[resource["action"]] += 1
    counts["add"] = counts["create"] + counts["replace"]
    counts["change"] = counts["update"]
    counts["destroy"] = counts["delete"] + counts["replace"]
    counts["imports"] = sum(resource["importing"] for resource in resources)
    return counts


def _action(change: dict) -> str:
    actions = change.get("actions") or ["no-op"]
    if len(actions) > 1:  # delete and create in either order, or forget and create
        return "replace"
    if actions == ["no-op"] and change.get("importing"):
        return "import"
    return actions[0] if actions[0] in ACTIONS else "update"


def _resource(real: dict, masked: dict) -> dict:
    forcing = real["change"].get("replace_paths") or []
    return _row(real, *_diff(real["change"], masked["change"], forcing))


def _row(real: dict, attributes: list[dict], unchanged: int) -> dict:
    change = real["change"]
    return {
        "address": real.get("address", ""),
        "previous_address": real.get("previous_address", ""),
        "module": real.get("module_address", ""),
        "type": real.get("type", ""),
        "name": real.get("name", ""),
        "mode": real.get("mode", ""),
        "action": _action(change),
        "importing": bool(change.get("importing")),
        "deposed": real.get("deposed", ""),
        "creates_first": (change.get("actions") or [""])[0] == "create",
        "reason": real.get("action_reason", ""),
        "replace_paths": [path_text(path) for path in change.get("replace_paths") or []],
        "attributes": attributes[:MAX_ATTRIBUTES],
        "more": max(0, len(attributes) - MAX_ATTRIBUTES),
        "unchanged": unchanged,
    }


def _outputs(real: dict, masked: dict) -> list[dict]:
    rows = []
    for name, change in sorted((real.get("output_changes") or {}).items()):
        shown = masked["output_changes"][name]
        marks = (change.get("before_sensitive"), change.get("after_sensitive"))
        rows.append(
            {
                "name": name,
                "action": _action(change),
                "before": _short(shown.get("before")),
                "after": _short(shown.get("after")),
                "unknown": has_mark(change.get("after_unknown")),
                "sensitive": any(has_mark(mark) for mark in marks),
            }
        )
    return rows


def _failed_checks(masked: dict) -> list[dict]:
    return [
        {
            "address": (check.get("address") or {}).get("to_display", ""),
            "status": check["status"],
            "messages": [
                problem.get("message", "")
                for instance in check.get("instances") or []
                for problem in instance.get("problems") or []
            ],
        }
        for check in masked.get("checks") or []
        if check.get("status") in ("fail", "error")
    ]


# -- attributes ----------------------------------------------------------------------------


def _diff(real: dict, masked: dict, forcing: list[list]) -> tuple[list[dict], int]:
    """Return the attributes that change, those that force a replacement first; count the rest.

    What has changed is seen in the real values, what is shown comes from the masked ones.
    """
    found = _Diff(forcing)
    found.compare(
        (),
        (real.get("before"), real.get("after")),
        (masked.get("before"), masked.get("after")),
        real.get("after_unknown"),
        (real.get("before_sensitive"), real.get("after_sensitive")),
    )
    return sorted(found.rows, key=lambda row: not row["forces"]), found.unchanged


class _Diff:
    """Walks two values side by side, down to the places where they differ."""

    def __init__(self, forcing: list[list]) -> None:
        self.forcing = [tuple(path) for path in forcing]
        self.rows: list[dict] = []
        self.unchanged = 0

    def compare(self, path: tuple, real: tuple, shown: tuple, unknown, marks: tuple) -> None:
        is_masked = any(s == DOTS != r for s, r in zip(shown, real, strict=True))
        is_secret = is_masked or True in marks
        if path == () and real == (None, None):
            return
        if not is_secret and unknown is not True:
            keys = _keys(path, real, unknown)
            if keys is not None:
                for key in keys:
                    self.compare(
                        (*path, key),
                        _below(real, key),
                        _below(shown, key),
                        _item(unknown, key),
                        _below(marks, key),
                    )
                return
        if real[0] == real[1] and not has_mark(unknown):
            self.unchanged += real[0] is not None
            return
        self.add(path, real, shown, has_mark(unknown), is_secret or has_mark(list(marks)))

    def add(self, path: tuple, real: tuple, shown: tuple, unknown: bool, is_secret: bool) -> None:
        before, after = (
            (None if value is None else DOTS) if is_secret else _short(masked)
            for value, masked in zip(real, shown, strict=True)
        )
        forces = any(path[: len(forced)] == forced for forced in self.forcing)
        row = {"path": path_text(path), "before": before, "after": None if unknown else after}
        self.rows.append({**row, "unknown": unknown, "sensitive": is_secret, "forces": forces})


def _keys(path: tuple, real: tuple, unknown: object) -> Iterable | None:
    """Return the keys to go down by; None where the value is compared as a whole.

    Objects and lists of objects are walked; a list of plain values is one attribute.
    """
    sides = [side for side in real if side is not None]
    if not all(isinstance(side, dict) for side in sides):
        if not all(isinstance(side, list) for side in sides):
            return None
        if not any(isinstance(item, dict) for side in sides for item in side):
            return None
        hidden = len(unknown) if isinstance(unknown, list) else 0
        return range(max(hidden, *(len(side) for side in sides)))
    hidden = list(unknown) if isinstance(unknown, dict) else []
    keys = {key: None for part in (*sides, hidden) for key in part}
    # An empty object is a value of its own, and a null on both sides is nothing at all.
    return sorted(keys) if keys or path == () else None


def _item(tree: object, key: object) -> object:
    if isinstance(tree, dict):
        return tree.get(key)
    if isinstance(tree, list) and isinstance(key, int):
        return tree[key] if key < len(tree) else None
    return True if tree is True else None


def _below(pair: tuple, key: object) -> tuple:
    return _item(pair[0], key), _item(pair[1], key)


def _short(value: object) -> object:
    """Cut long strings: the page is for reading, the masked JSON has them whole."""
    if isinstance(value, str) and len(value) > MAX_STRING:
        return f"{value[:MAX_STRING]} … [{len(value)} characters]"
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return value


def path_text(path: Iterable) -> str:
    """Return a path as HCL writes it: tags["a.b"], ingress[0].port."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, str) and part.replace("-", "_").isidentifier():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
