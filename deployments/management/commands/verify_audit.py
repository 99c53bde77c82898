"""`manage.py verify_audit`: whether the audit trail is what was written."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from deployments.management.output import CronCommand
from tenants.auditarchive import verify_file
from tenants.auditverify import Verdict, verify
from tenants.models import AuditAnchor, AuditSeal

BROKEN = 2


class Command(CronCommand):
    """Check the chain, or an archived day, and name what does not fit."""

    help = "Check the audit trail. Exit 0: whole; 2: something does not fit; 1: not checked."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to check, and against what."""
        super().add_arguments(parser)
        words = _("print the anchors (day number:head) to keep elsewhere; check nothing")
        parser.add_argument("--anchor", action="store_true", help=words)
        parser.add_argument("--from", dest="since", type=date.fromisoformat, help=_("first day"))
        parser.add_argument("--to", dest="until", type=date.fromisoformat, help=_("last day"))
        words = _("an anchor that was kept elsewhere, as number:head")
        parser.add_argument("--expect", default="", help=words)
        parser.add_argument("--file", type=Path, help=_("check this archived day"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Check; exit by what was found."""
        with self.reachable(options):
            if options["anchor"]:
                self._print_anchors(options)
                return
            try:
                verdict = self._check(options)
            except ImproperlyConfigured as error:
                raise CommandError(str(error)) from error
        code = 0 if verdict.is_whole else BROKEN
        self.tell(options, verdict.to_json() | {"exit_code": code}, _in_words(verdict))
        if code:
            raise SystemExit(code)

    def _check(self, options: dict[str, Any]) -> Verdict:
        if options["file"] is None:
            expected = _expected(options["expect"])
            return verify(since=options["since"], until=options["until"], expected=expected)
        try:
            return verify_file(options["file"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, StopIteration) as error:
            words = {"file": options["file"], "why": error}
            raise CommandError(_("%(file)s cannot be read: %(why)s") % words) from error

    def _print_anchors(self, options: dict[str, Any]) -> None:
        rows = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.DAY).order_by("id")
        found = [{"day": str(a.day), "number": a.last_seq, "head": a.head} for a in rows]
        last = AuditSeal.objects.order_by("-seq").first()
        if last is not None and (not found or found[-1]["number"] != last.seq):
            found.append({"day": str(last.day), "number": last.seq, "head": last.mac})
        lines = [f"{row['day']} {row['number']}:{row['head']}" for row in found]
        text = "\n".join(lines) or _("Nothing is sealed yet.")
        self.tell(options, {"anchors": found, "exit_code": 0}, text)


def _expected(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    number, _sign, head = text.partition(":")
    if not (number.isdecimal() and head):
        raise CommandError(_("--expect: give number:head, as --anchor printed it."))
    return int(number), head


def _in_words(verdict: Verdict) -> str:
    words = {"count": verdict.checked, "first": verdict.first, "last": verdict.last,
             "waiting": verdict.waiting, "flaws": verdict.flaw_count}  # fmt: skip
    text = _("Checked %(count)s entries, numbers %(first)s to %(last)s; waiting for their "
             "seal: %(waiting)s.") % words  # fmt: skip
    if verdict.is_whole:
        return text + " " + _("The trail is whole.")
    lines = [f"{flaw.code}: {flaw.text}" for flaw in verdict.flaws]
    if verdict.flaw_count > len(lines):
        lines.append(_("and %s more") % (verdict.flaw_count - len(lines)))
    way_out = _("Keep the database as it is, and compare it with a backup: docs/security.md.")
    return "\n".join([text, *lines, way_out])
