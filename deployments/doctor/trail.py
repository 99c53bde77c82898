"""Looks at the audit trail: keys, guards, seals, its end, and the copy that is forwarded."""

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils.translation import gettext as _

from deployments import auditforward
from deployments.doctor.findings import Finding, bad, good, warn
from tenants import auditkeys
from tenants.auditchain import head
from tenants.auditverify import late_entries, read_head_file
from tenants.models import AuditCursor, AuditSeal

TABLES = ("tenants_auditentry", "tenants_auditseal", "tenants_auditanchor")


def look_at_trail() -> Iterator[Finding]:
    """Look at what `verify_audit` needs; the chain itself is checked there."""
    try:
        have = auditkeys.keys()
    except ImproperlyConfigured as error:
        yield bad("keys", error, _("Set it from your copy: nothing is recorded without it."))
        return
    used = set(AuditSeal.objects.order_by().values_list("key_id", flat=True).distinct())
    if missing := sorted(used - set(have)):
        words = {"keys": ", ".join(missing)}
        text = _("Keys of the audit trail are missing: %(keys)s.") % words
        yield bad("keys", text, _("Add them to AUDIT_KEYS again, behind the first."), **words)
    yield from _guards()
    yield _seals()
    yield from _end()
    yield from _forwarding()


def _guards() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger"
            " WHERE tgname LIKE 'omlsaas_audit_%%' AND tgenabled = 'A' GROUP BY 1"
        )
        found = dict(cursor.fetchall())
    open_ = [table for table in TABLES if found.get(table, 0) < 2]
    if open_:
        words = {"tables": ", ".join(open_)}
        text = _("The database no longer refuses to change the audit trail: %(tables)s.") % words
        way_out = _("Ask who dropped the triggers, run verify_audit, and put them back: "
                    "docs/security.md.")  # fmt: skip
        yield bad("guards", text, way_out, **words)
    else:
        yield good("guards", _("The database refuses to change the audit trail."))


def _seals() -> Finding:
    late, (seq, _mac) = late_entries(), head()
    words = {"count": late, "number": seq}
    if not late:
        return good("seals", _("Sealed up to number %(number)s.") % words, **words)
    text = _("%(count)s entries of the audit trail wait longer than a minute for their seal.")
    way_out = _("Look whether beat and a worker run; run verify_audit: it names entries that were "
                "put in from outside.")  # fmt: skip
    return warn("unsealed", text % words, way_out, **words)


def _end() -> Iterator[Finding]:
    kept, (seq, mac) = read_head_file(), head()
    if kept is not None and (kept[0] > seq or (kept[0] == seq and kept[1] != mac)):
        words = {"kept": kept[0], "number": seq}
        text = _("The audit trail ends at number %(number)s, but this host saw %(kept)s.") % words
        way_out = _("Run verify_audit. After a restore of the database: docs/security.md.")
        yield bad("end", text, way_out, **words)


def _forwarding() -> Iterator[Finding]:
    url = settings.AUDIT_FORWARD
    if not url:
        return
    cursor = AuditCursor.objects.filter(name=auditforward.NAME).first()
    detail = cursor.detail if cursor else {}
    words = {"target": auditforward.shown(url), "why": detail.get("error", "")}
    if problem := auditforward.why_not(url):
        yield bad("forward", problem, _("Correct it, then start the portal again."))
    elif detail.get("failures"):
        words["behind"] = head()[0] - cursor.position
        text = _("The audit trail does not reach %(target)s (%(behind)s behind): %(why)s") % words
        yield warn("forward", text, _("Look at that server; nothing is lost meanwhile."), **words)
    else:
        yield good("forward", _("The audit trail is forwarded to %(target)s.") % words, **words)
