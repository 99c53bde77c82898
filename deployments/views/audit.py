"""The audit trail: who did what, to what and why; for one person with `?actor=`."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from deployments import auditexport
from deployments.filters import AuditFilter
from deployments.links import link
from deployments.listing import Column, Listing, show
from deployments.rows import NOTHING, audit_rows
from deployments.templatetags.portal import query_with
from omlsaas.lib.refusals import sentence
from tenants.audit import ACTIONS
from tenants.models import AuditEntry, User

COLUMNS = (
    Column("time", _("Time"), ("pk",)),
    Column("actor", _("Actor and role"), ("actor_name",)),
    Column("action", _("Action"), ("action",)),
    Column("target", _("Target"), ("target_name",)),
    Column("reason", _("Reason")),
    Column("change", _("Before and after")),
    Column("run", _("Run")),
    Column("request", _("Request")),
)
PAGES = {"tenant": "tenant", "sharedenvironment": "environment", "region": "region", "run": "run"}
LOUD = {"refused": ("bad", "ban"), "sign_in_failed": ("bad", "lock-x"),
        "sign_in.locked": ("bad", "lock-x"), "mfa.reset": ("wait", "shield-x"), "run.lost": ("lost",
        "help-octagon"), "stack.suspect": ("lost", "alert-octagon")}  # fmt: skip
ICONS = {
    "run.queue": "player-play",
    "run.confirm": "checks",
    "run.discard": "circle-minus",
    "run.cancel": "ban",
    "run.force_cancel": "bolt",
    "run.end": "flag",
    "export": "file-export",
    "sign_in": "login",
    "sign_out": "logout",
    "stack.inputs": "adjustments",
    "stack.secret_shown": "lock-open",
    "state.rollback": "restore",
    "role.grant": "user-plus",
    "role.revoke": "user-minus",
    "role.follow": "users",
    "session.end": "logout",
    "password.change": "key",
    "mfa.add": "shield-check",
    "mfa.remove": "shield-off",
    "mfa.recovery_code": "lifebuoy",
    "invitation.create": "mail",
    "invitation.accept": "user-check",
    "invitation.revoke": "mail-off",
}


def audit_list(request: HttpRequest) -> HttpResponse:
    """Show the entries that the person may see, the newest first."""
    rows = AuditEntry.objects.visible_to(request.user)
    # What somebody did themselves is theirs to see, wherever it was.
    own = AuditEntry.objects.filter(actor_id=request.user.public_id)
    is_own = request.GET.get("actor") == request.user.public_id
    filters = AuditFilter(request.GET, own if is_own else rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="-time", tie="-pk")
    if kind := auditexport.wanted(listing):
        return auditexport.export(listing, kind)
    by_time = listing.sort[0][0] == "time"
    entries = [dress(entry) for entry in listing.rows]
    rows = audit_rows(entries, user_id=request.user.public_id, by_day=by_time)
    context = {"section": "audit", "rows": rows, "person": _person(request, listing)}
    context["ndjson_href"] = query_with(request, format="ndjson")
    return show(request, "deployments/audit_list.html", listing, context)


def _person(request: HttpRequest, listing: Listing) -> str:
    """Return the name of the one person whose trail this is; empty for everybody's."""
    actor = request.GET.get("actor", "")
    if not actor:
        return ""
    if listing.rows:
        return listing.rows[0].actor_name
    found = User.objects.filter(public_id=actor, pk=request.user.pk).first()
    return found.display_name if found else ""


def dress(entry: AuditEntry) -> AuditEntry:
    """Give an entry what the page shows of it: words, icon, links, what changed."""
    tone, icon = LOUD.get(entry.action, ("idle", ICONS.get(entry.action, "pencil")))
    entry.tone, entry.icon = ("bad", "ban") if entry.is_refused else (tone, icon)
    entry.words = ACTIONS.get(entry.action, entry.action)
    page = PAGES.get(entry.target_kind)
    entry.href = link(page, entry.target_id) if page else ""
    entry.run_href = link("run", entry.run_id) if entry.run_id else ""
    entry.is_machine = entry.actor_kind != "user"
    names = entry.actor_name.split()
    entry.initials = "".join(name[0] for name in (names[:1] + names[1:][-1:])).upper()
    entry.changes = changed(entry.before, entry.after)
    entry.sentence = ""
    if isinstance(entry.after, dict) and {"code", "params"} <= set(entry.after):
        entry.sentence, entry.changes = sentence(entry.after), []
    return entry


def changed(before: Any, after: Any) -> list[tuple[str, str | None, str | None]]:
    """Return (name, before, after) lines; None where there was nothing."""
    before = before if isinstance(before, dict) else {"value": before} if before else {}
    after = after if isinstance(after, dict) else {"value": after} if after else {}
    return [
        (name, _plain(before[name]) if name in before else None,
         _plain(after[name]) if name in after else None)
        for name in {**before, **after}
    ]  # fmt: skip


def _plain(value: Any) -> str:
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
