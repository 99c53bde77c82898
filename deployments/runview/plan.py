"""The plan as a list to read: the dangerous first, what it would do to each attribute."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from deployments.models import Plan
from deployments.runview.words import address_markup, address_parts, listed
from tenants.blueprints import Kind

ROWS_SHOWN = 500
DRIFT_SHOWN = 100
OPEN_AT_FIRST = 3
SHORT_ENOUGH = 12  # attributes that an open row may have
LONG = 120  # characters of a value that stand in its line
_ID = re.compile(r"[0-9a-f]{8}(-|[0-9a-f]{4})")
_ENDING = {"delete": 0, "replace": 1}
FILTERS = {
    "replace": ("replace",),
    "destroy": ("delete", "forget"),
    "change": ("update",),
    "create": ("create", "import"),
    "read": ("read",),
}


def _looks() -> dict[str, tuple[str, str, str]]:
    """Return tone, icon and word of each action."""
    return {
        "delete": ("bad", "trash", _("Destroy")),
        "replace": ("bad", "replace", _("Replace")),
        "forget": ("bad", "unlink", _("Forget")),
        "update": ("wait", "pencil", _("Change")),
        "create": ("ok", "plus", _("Create")),
        "import": ("run", "download", _("Import")),
        "read": ("idle", "eye", _("Read")),
        "no-op": ("idle", "arrow-right", _("Move")),
    }


def _reasons() -> dict[str, str]:
    """Return Terraform's reasons in words.

    https://developer.hashicorp.com/terraform/internals/json-format#change-representation
    """
    return {
        "replace_because_tainted": _("half made by a run that failed"),
        "replace_by_request": _("asked for"),
        "replace_by_triggers": _("what it depends on is replaced"),
        "delete_because_no_resource_config": _("no longer in the blueprint"),
        "delete_because_no_module": _("its module is no longer in the blueprint"),
        "delete_because_wrong_repetition": _("counted in another way"),
        "delete_because_count_index": _("fewer of its kind are wanted"),
        "delete_because_each_key": _("no longer among those wanted"),
        "delete_because_no_move_target": _("moved to where nothing stands"),
        "read_because_config_unknown": _("depends on what is not known yet"),
        "read_because_dependency_pending": _("depends on a change"),
        "read_because_check_nested": _("part of a check"),
    }


@dataclass
class Chip:
    """One filter of the list."""

    label: str
    count: int
    href: str
    is_on: bool


@dataclass
class PlanCard:
    """The plan as the page shows it."""

    chips: list[Chip]
    rows: SafeString
    shown: int
    total: int
    unchanged: int
    pages: list[tuple[int, str, bool]]
    summary: str
    drift: SafeString
    drift_count: int
    drift_more: int
    filled_in: int
    outputs: SafeString
    output_count: int
    checks: list[dict[str, Any]]
    is_incomplete: bool
    is_empty: bool
    show: str
    page: int


@dataclass(frozen=True)
class Danger:
    """What a plan does to what cannot be made again."""

    names: list[str]
    holding: list[str]
    kept: bool


def card(
    plan: Plan, kind: Kind | None, show: str = "", page: int = 1, *, opened: bool = False
) -> PlanCard:
    """Return the part of the plan that the person asked for: `show` is one of FILTERS, or all.

    With `opened` the first replacements show at once what forces them.
    """
    view = plan.view
    resources = _data_first(view.get("resources", []), kind)
    show = show if show in FILTERS else ""
    wanted = FILTERS.get(show)
    rows = [r for r in resources if wanted is None or r["action"] in wanted]
    last = max(1, -(-len(rows) // ROWS_SHOWN))
    page = min(max(page, 1), last)
    part = rows[(page - 1) * ROWS_SHOWN : page * ROWS_SHOWN]
    drift = view.get("drift", [])
    outputs = [o for o in view.get("outputs", []) if o["action"] != "no-op"]
    return PlanCard(
        chips=_chips(resources, show),
        rows=_rows(part, kind, OPEN_AT_FIRST if opened else 0),
        shown=len(part),
        total=len(resources),
        unchanged=int(view.get("unchanged", 0)),
        pages=_pages(show, page, last),
        summary=_summary(view),
        drift=_rows(drift[:DRIFT_SHOWN], kind, 0, is_drift=True),
        drift_count=len(drift),
        drift_more=max(0, len(drift) - DRIFT_SHOWN),
        filled_in=view.get("filled_in", 0),
        outputs=_outputs(outputs),
        output_count=len(outputs),
        checks=view.get("checks", []),
        is_incomplete=not view.get("complete", True) or bool(view.get("errored")),
        is_empty=not resources,
        show=show,
        page=page,
    )


def _data_first(resources: list[dict[str, Any]], kind: Kind | None) -> list[dict[str, Any]]:
    """Return the resources with those whose data goes at the head of what is ended like them."""
    if kind is None or not kind.holds_data:
        return resources

    def rank(resource: Mapping[str, Any]) -> tuple[int, bool]:
        place = _ENDING.get(resource["action"], len(_ENDING))
        return place, place < len(_ENDING) and not kind.holds(resource["address"])

    return sorted(resources, key=rank)


def danger(view: Mapping[str, Any], kind: Kind | None) -> Danger:
    """Return what the plan ends, by name, and which of it holds data."""
    ending = [r for r in view.get("resources", []) if r["action"] in ("replace", "delete")]
    holding = [r for r in ending if kind is not None and kind.holds(r["address"])]
    return Danger(
        names=[address_parts(r["address"])[1] for r in ending],
        holding=[address_parts(r["address"])[1] for r in holding],
        kept=bool(kind and kind.holds_data) and not holding,
    )


def _chips(resources: list[dict[str, Any]], show: str) -> list[Chip]:
    labels = {
        "replace": _("Replace"),
        "destroy": _("Destroy"),
        "change": _("Change"),
        "create": _("Create"),
        "read": _("Read"),
    }
    chips = [Chip(_("All"), len(resources), "?#plan", not show)]
    for name, actions in FILTERS.items():
        count = sum(1 for r in resources if r["action"] in actions)
        if count or name == show:
            chips.append(Chip(labels[name], count, f"?show={name}#plan", name == show))
    return chips


def _pages(show: str, page: int, last: int) -> list[tuple[int, str, bool]]:
    if last < 2:
        return []
    kept = f"show={show}&" if show else ""
    return [(n, f"?{kept}page={n}#plan", n == page) for n in range(1, last + 1)]


def _summary(view: Mapping[str, Any]) -> str:
    """Return Terraform's own last line of a plan."""
    counts = view.get("counts", {})
    if not view.get("has_changes"):
        return _("No changes. The infrastructure matches the blueprint and its inputs.")
    imports = f"{counts['imports']} to import, " if counts.get("imports") else ""
    add, change = counts.get("add", 0), counts.get("change", 0)
    return (
        f"Plan: {imports}{add} to add, {change} to change, {counts.get('destroy', 0)} to destroy."
    )


def _rows(
    resources: Iterable[Mapping[str, Any]],
    kind: Kind | None,
    open_first: int,
    *,
    is_drift: bool = False,
) -> SafeString:
    """Return the rows as markup: a plan may have thousands, too many for template tags."""
    looks, reasons, parts, opened = _looks(), _reasons(), [], 0
    for resource in resources:
        holds = kind is not None and kind.holds(resource["address"])
        is_short = len(resource["attributes"]) <= SHORT_ENOUGH
        is_loud = resource["action"] in ("replace", "delete") and not is_drift
        is_open = is_short and is_loud and resource["action"] == "replace"
        is_open = is_open and opened < open_first
        opened += is_open
        parts.append(_row(resource, looks, reasons, holds and is_loud, is_open, is_drift))
    return mark_safe("".join(parts))  # noqa: S308 escaped where it is made


def _row(
    resource: Mapping[str, Any],
    looks: Mapping[str, tuple[str, str, str]],
    reasons: Mapping[str, str],
    holds: bool,
    is_open: bool,
    is_drift: bool,
) -> str:
    action = resource["action"]
    tone, icon, word = looks[action]
    if is_drift:
        tone = "drift"
        icon, word = ("trash", _("Gone")) if action == "delete" else ("git-compare", _("Differs"))
    loud = " is-loud" if action == "replace" and not is_drift else ""
    data = ""
    if holds:
        data = (
            '<span class="o-tag is-loud" data-tone="bad">'
            f'<i class="ti ti-database-x" aria-hidden="true"></i>{escape(_("holds data"))}</span>'
        )
    opened = " open" if is_open else ""
    return (
        f'<details class="o-res" data-act="{action}"{opened}><summary>'
        f'<span><span class="o-tag{loud}" data-tone="{tone}">'
        f'<i class="ti ti-{icon}" aria-hidden="true"></i>{escape(word)}</span></span>'
        f'<span class="o-addr o-mono" title="{escape(resource["address"])}">'
        f"{address_markup(resource['address'])}{data}</span>"
        f'<span class="o-why">{_why(resource, reasons)}</span>'
        '<i class="ti ti-chevron-right" aria-hidden="true"></i></summary>'
        f"{_attributes(resource)}</details>"
    )


def _why(resource: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """Return the few words at a row's end: what forces it, or what changes."""
    action, paths = resource["action"], resource["replace_paths"]
    if resource["previous_address"]:
        was = f'<b class="o-mono">{escape(resource["previous_address"])}</b>'
        return _("moved from %s") % was
    if action == "replace" and paths:
        return _("because of %s") % f'<b class="o-mono">{escape(listed(paths))}</b>'
    if reason := reasons.get(resource["reason"], ""):
        return escape(reason)
    if resource["deposed"]:
        return escape(_("left over by an earlier replacement"))
    if action == "update":
        changed = [a["path"] for a in resource["attributes"]]
        return f'<span class="o-mono">{escape(listed(changed))}</span>'
    if action == "create":
        told = [_told(a) for a in resource["attributes"] if _tells(a, resource["address"])]
        return f'<span class="o-mono">{escape(", ".join(told[:2]))}</span>'
    return ""


def _tells(attribute: Mapping[str, Any], address: str) -> bool:
    """Tell whether an attribute says in few letters what a new resource is."""
    value = attribute["after"]
    if attribute["sensitive"] or "[" in attribute["path"] or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    # What repeats the address says nothing new, and ids say nothing to people.
    is_short = isinstance(value, str) and 1 < len(value) <= 28
    return is_short and value not in address and not _ID.search(value)


def _told(attribute: Mapping[str, Any]) -> str:
    leaf = attribute["path"].rpartition(".")[2]
    return f"{leaf} {attribute['after']}"


def _attributes(resource: Mapping[str, Any]) -> str:
    is_new = resource["action"] in ("create", "import")
    rows = "".join(_attribute(a, is_new) for a in resource["attributes"])
    gaps = []
    if resource["more"]:
        gaps.append(
            _("%(n)s more attributes: they stand in the plan’s JSON") % {"n": resource["more"]}
        )
    if resource["unchanged"]:
        n = resource["unchanged"]
        one = n == 1
        gaps.append(
            _("1 attribute unchanged") if one else _("%(n)s attributes unchanged") % {"n": n}
        )
    if not rows and not gaps:
        gaps.append(_("No attribute changes."))
    foot = "".join(
        f'<tr class="o-gap"><td colspan="3"><em>{escape(gap)}</em></td></tr>' for gap in gaps
    )
    return f'<table class="o-diff"><tbody>{rows}{foot}</tbody></table>'


def _attribute(attribute: Mapping[str, Any], is_new: bool) -> str:
    forces = attribute["forces"]
    mark = f' <span class="o-force">{escape(_("forces replacement"))}</span>' if forces else ""
    css = ' class="is-force"' if forces else ""
    head = f'<tr{css}><th scope="row">{escape(attribute["path"])}{mark}</th>'
    before, after = attribute["before"], attribute["after"]
    if attribute["sensitive"]:
        new = _("(sensitive value)") if after is not None or attribute["unknown"] else "–"
        old = "–" if before is None else _("(sensitive value)")
        if is_new or before is None:
            return f'{head}<td colspan="2"><em>{escape(new)}</em></td></tr>'
        return (
            f'{head}<td class="o-old"><em>{escape(old)}</em></td>'
            f'<td class="o-new"><em>{escape(new)}</em></td></tr>'
        )
    new = f"<em>{escape(_('(known after apply)'))}</em>" if attribute["unknown"] else _value(after)
    if is_new:
        return f'{head}<td class="o-new" colspan="2">{new}</td></tr>'
    old = "<em>–</em>" if before is None else f"<del>{_value(before)}</del>"
    return f'{head}<td class="o-old">{old}</td><td class="o-new">{new}</td></tr>'


def _value(value: Any) -> str:
    """Return a value as HCL reads it; a long one is folded."""
    if value is None:
        return "<em>–</em>"
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and "\n" in value:
        text = value
    if len(text) <= LONG and "\n" not in text:
        return escape(text)
    if not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False, indent=2)
    lines = text.count("\n") + 1
    words = _("%(n)s lines") if lines > 1 else _("%(n)s characters")
    label = words % {"n": lines if lines > 1 else len(text)}
    return (
        f'<details class="o-fold"><summary>{escape(label)}</summary><pre>{escape(text)}</pre>'
        "</details>"
    )


def _outputs(outputs: Iterable[Mapping[str, Any]]) -> SafeString:
    rows = []
    for output in outputs:
        told = {**output, "path": output["name"], "forces": False}
        rows.append(_attribute(told, output["action"] == "create"))
    body = f'<table class="o-diff o-flush"><tbody>{"".join(rows)}</tbody></table>' if rows else ""
    return mark_safe(body)  # noqa: S308 escaped where it is made
