"""Rows of the lists as markup, made by Python: a template pays for each of its parts in each row.

Every text from the database, ids included, goes through `escape`: what does not is ours, or a
number.
Rows are named tuples of the columns that the list's page asks for.
"""

from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from deployments import looks
from deployments.links import link, owner_page
from deployments.templatetags.portal import ago, day, duration, hours
from omlsaas.lib.refusals import sentence

NOTHING = "–"
_NO_RUN = f'<span class="text-secondary">{NOTHING}</span>'


def joined(parts: Iterable[str]) -> SafeString:
    """Return parts that were escaped when they were made as one markup."""
    return mark_safe("\n".join(parts))  # noqa: S308


def _condition(row: Any) -> str:
    if row.archived_at:
        return looks.tag(looks.ARCHIVED)
    found = looks.tag(looks.CONDITION_LOOKS[row.stack__condition])
    return f"{found} {looks.tag(looks.SUSPECT)}" if row.stack__state_suspect else found


def _last_run(run: Any) -> str:
    if run is None:
        return _NO_RUN
    return (
        f'<a class="text-reset" href="{_href("run", run.public_id)}">{escape(run.action_label)}</a>'
        f' <span class="text-secondary">{ago(run.created_at)}</span>'
    )


def _href(page: str, public_id: str) -> str:
    return escape(link(page, public_id))


def _small(text: str, css: str = "") -> str:
    return f"<small{css}>{escape(text)}</small>" if text else ""


# --- tenants ---------------------------------------------------------------------------------
def tenant_rows(tenants: Iterable[Any], runs: dict[int, Any], *, may_bulk: bool) -> SafeString:
    """Return the tenants of a page; `runs` are the newest ones by the stack's id."""
    select, release = escape(_("Select")), escape(_("Release"))
    parts = []
    for row in tenants:
        name = escape(row.name)
        check = (
            f'<td class="is-check"><input class="form-check-input m-0" type="checkbox" name="id"'
            f' value="{escape(row.public_id)}" aria-label="{select} {name}"></td>'
            if may_bulk
            else ""
        )
        labels = " ".join(_label(key, value) for key, value in row.labels.items())
        parts.append(
            f'<tr id="{escape(row.public_id)}">{check}<td class="is-line text-nowrap">'
            f'<a class="fw-semibold text-reset" href="{_href("tenant", row.public_id)}">{name}</a>'
            f'{_small(row.title)}</td><td class="is-line">{_condition(row)}</td>'
            f'<td class="o-num text-nowrap" data-l="{release}">{_release(row)}</td>'
            f'<td class="is-drop">{escape(row.shared_environment__name or NOTHING)}</td>'
            f'<td class="is-drop o-xl">{escape(row.region__slug)}</td>'
            f'<td class="is-drop o-xl">{labels}</td>'
            f'<td class="is-drop text-nowrap">{_last_run(runs.get(row.stack__pk))}</td>'
            f'<td class="is-drop o-xl text-secondary text-nowrap">{ago(row.stack__applied_at)}</td>'
            "</tr>"
        )
    return joined(parts)


def _release(row: Any) -> str:
    applied, wanted = row.stack__applied_release, row.release__name
    if not applied:
        return f'<span class="text-secondary">{escape(wanted or NOTHING)}</span>'
    if not wanted or wanted == applied:
        return escape(applied)
    return f'{escape(applied)} <span class="o-fg small" data-tone="wait">→ {escape(wanted)}</span>'


def _label(key: str, value: Any) -> str:
    # Quoted for the address, escaped for the page.
    query = f"{quote(key)}%3D{quote(str(value))}" if value else quote(key)
    text = escape(str(value or key))
    return f'<a class="o-tag" data-tone="idle" href="?label={query}">{text}</a>'


# --- shared environments ---------------------------------------------------------------------
def environment_rows(
    environments: Iterable[Any], runs: dict[int, Any], counts: dict[int, int]
) -> SafeString:
    """Return the shared environments of a page; `counts` are their tenants by the id."""
    region, tenants, list_href = escape(_("Region")), escape(_("Tenants")), reverse("tenants")
    return joined(
        f'<tr id="{escape(row.public_id)}"><td class="is-line"><a class="fw-semibold text-reset" '
        f'href="{_href("environment", row.public_id)}">{escape(row.name)}</a>{_small(row.title)}'
        f'</td><td class="is-line">{_condition(row)}</td>'
        f'<td data-l="{region}">{escape(row.region__slug)}</td>'
        f'<td class="o-num text-end" data-l="{tenants}"><a class="text-reset" '
        f'href="{list_href}?environment={quote(row.name)}">{counts.get(row.pk, 0)}</a></td>'
        f'<td class="is-drop text-nowrap">{_last_run(runs.get(row.stack__pk))}</td>'
        '<td class="is-drop o-xl text-secondary text-nowrap">'
        f"{ago(row.stack__applied_at)}</td></tr>"
        for row in environments
    )


# --- runs ------------------------------------------------------------------------------------
def run_rows(runs: Iterable[Any]) -> SafeString:
    """Return the runs of a page."""
    by, now, parts = escape(_("By")), timezone.now(), []
    for row in runs:
        reason = escape(row.reason)
        lasted = (row.ended_at or now) - row.started_at if row.started_at else None
        parts.append(
            f'<tr id="{escape(row.public_id)}"><td class="is-line text-nowrap">'
            f'<a class="fw-semibold text-reset" href="{_href("run", row.public_id)}">'
            f'{escape(row.action_label)}</a> <span class="text-secondary o-num">#{row.number}'
            f'</span></td><td class="is-line text-nowrap"><a class="text-reset" '
            f'href="{_stack_href(row)}">{escape(row.stack__name)}</a>'
            f'<small class="o-xs-none">{escape(row.region__slug)}</small></td>'
            f'<td class="is-line">{looks.tag(looks.run_look(row))}{_waiting(row)}</td>'
            f'<td>{_changes(row)}</td><td data-l="{by}" class="text-nowrap">'
            f'{escape(row.actor_name)}</td><td class="is-drop o-xl">'
            f'<div class="o-truncate text-secondary" title="{reason}">{reason}</div></td>'
            f'<td class="is-drop text-nowrap text-secondary">{ago(row.created_at)}</td>'
            f'<td class="text-end is-end o-num">{duration(lasted)}</td></tr>'
        )
    return joined(parts)


def _stack_href(row: Any) -> str:
    tenant, environment = row.stack__tenant__public_id, row.stack__shared_environment__public_id
    return escape(owner_page(tenant, environment))


def _waiting(row: Any) -> str:
    if row.status != "pending" or not row.waiting:
        return ""
    text = escape(sentence(row.waiting))
    return f'<small class="o-truncate" title="{text}">{text}</small>'


def _changes(row: Any) -> str:
    counts = row.to_create, row.to_update, row.to_replace, row.to_destroy
    if row.has_changes is None and not any(counts):
        return ""
    create, update, replace, destroy = counts
    replaced = f' <b class="o-fg" data-tone="bad">±{replace}</b>' if replace else ""
    destroyed = f'<b class="o-fg" data-tone="bad">−{destroy}</b>' if destroy else "−0"
    return f'<span class="o-mono text-nowrap">+{create} ~{update}{replaced} {destroyed}</span>'


# --- the audit trail -------------------------------------------------------------------------
def audit_rows(entries: Iterable[Any], *, user_id: str, by_day: bool) -> SafeString:
    """Return the entries of a page, given by `dress`; with a line for each day if `by_day`."""
    parts, last = [], None
    for entry in entries:
        if by_day:
            today = timezone.localtime(entry.created_at).date()
            if today != last:
                words = escape(day(entry.created_at))
                parts.append(f'<tr class="o-group"><td colspan="8">{words}</td></tr>')
            last = today
        parts.append(_entry(entry, user_id, hours if by_day else ago))
    return joined(parts)


def _entry(entry: Any, user_id: str, time: Any) -> str:
    tone = "run" if entry.actor_id == user_id else "idle"
    who = '<i class="ti ti-robot"></i>' if entry.is_machine else escape(entry.initials)
    where = entry.tenant_name if entry.tenant_name != entry.target_name else ""
    ids = " ".join(map(str, (entry.request_id, entry.operation_id, entry.origin)))
    request = escape(entry.request_id[-8:] or NOTHING)
    door = _cut(str(entry.ip or entry.origin or NOTHING), 24)
    reason = escape(entry.reason)
    if entry.approver_name:
        reason += _small(_("approved by %s") % entry.approver_name)
    if entry.operation_id:
        words = escape(_("one operation"))
        door += f' <a href="?operation={quote(entry.operation_id)}">{words}</a>'
    run = (
        f'<a href="{escape(entry.run_href)}" class="o-num">{escape(entry.run_name)}</a>'
        if entry.run_href
        else ""
    )
    return (
        f'<tr id="{escape(entry.public_id)}"><td class="o-num text-secondary is-end text-nowrap">'
        f'{time(entry.created_at)}</td><td class="is-line"><div class="d-flex gap-2 '
        f'align-items-center"><span class="o-ava" data-tone="{tone}" aria-hidden="true">{who}'
        f'</span><div><a class="text-reset" href="?actor={quote(entry.actor_id)}">'
        f"{escape(entry.actor_name)}</a><small>{escape(entry.role or entry.actor_kind)}</small>"
        f'</div></div></td><td class="is-line"><span class="o-tag is-plain" '
        f'data-tone="{entry.tone}"><i class="ti ti-{entry.icon}" aria-hidden="true"></i>'
        f"{escape(str(entry.words))}</span></td><td>{_target(entry)}{_small(where)}</td>"
        f'<td class="is-line">{reason}</td><td class="is-line">{_change(entry)}</td>'
        f'<td class="text-nowrap">{run}</td><td class="o-mono text-secondary is-drop" '
        f'title="{escape(ids)}">{request}<small class="o-mono">{door}</small></td></tr>'
    )


def _target(entry: Any) -> str:
    name = escape(entry.target_name)
    if entry.href:
        return f'<a class="text-reset fw-semibold" href="{escape(entry.href)}">{name}</a>'
    return f'<span class="fw-semibold">{name}</span>'


def _cut(text: str, length: int) -> str:
    return escape(text if len(text) <= length else truncatechars(text, length))


def _change(entry: Any) -> str:
    """Return what changed: one value in its line, several folded away."""
    if entry.sentence or not entry.changes:
        return escape(entry.sentence)
    if len(entry.changes) > 1:
        return _folded(entry.changes)
    name, old, new = entry.changes[0]
    new = NOTHING if new is None else new
    was = (
        ""
        if old is None
        else f'<span class="o-was">{_cut(old, 60)}</span> '
        '<i class="ti ti-arrow-right text-secondary" aria-hidden="true"></i> '
    )
    return (
        f'<span class="o-mono"><span class="text-secondary">{escape(name)}</span> {was}'
        f'<span title="{escape(new)}">{_cut(new, 60)}</span></span>'
    )


def _folded(changes: list[tuple[str, str | None, str | None]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td class="o-old">{"" if old is None else f"<del>{escape(old)}</del>"}</td>'
        f'<td class="o-new">{"" if new is None else escape(new)}</td></tr>'
        for name, old, new in changes
    )
    words = escape(_("%(n)s values") % {"n": len(changes)})
    return (
        f'<details class="o-more"><summary>{words}</summary>'
        f'<table class="o-diff o-flush"><tbody>{lines}</tbody></table></details>'
    )
