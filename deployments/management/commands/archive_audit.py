"""`manage.py archive_audit`: days of the audit trail that are old enough go into files."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from deployments.management.output import CronCommand
from tenants import actors
from tenants.auditarchive import ArchiveFailed, archive_day, due_days


class Command(CronCommand):
    """Move whole sealed days to AUDIT_ARCHIVE_ROOT."""

    help = "Move old days of the audit trail to files. Exit 0: done; 1: not, with the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how many days stay."""
        super().add_arguments(parser)
        words = _("days that stay in the database; without it AUDIT_KEEP_DAYS")
        parser.add_argument("--keep-days", type=int, help=words)
        parser.add_argument("--dry-run", action="store_true", help=_("name the days only"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Move them and tell which."""
        self.alone("archive_audit", options, lambda: self.archive(options))

    def archive(self, options: dict[str, Any]) -> None:
        """Move day after day; each is one transaction with its entry."""
        given = options["keep_days"]
        keep = settings.AUDIT_KEEP_DAYS if given is None else given
        if keep <= 0:
            words = _("AUDIT_KEEP_DAYS is not set: nothing is moved. Name days: --keep-days 365")
            self.tell(options, {"days": [], "exit_code": 0}, words)
            return
        days = due_days(keep)
        done = []
        for day in [] if options["dry_run"] else days:
            try:
                done.append(archive_day(actors.from_shell("system:cron"), day))
            except (ArchiveFailed, OSError) as error:
                raise CommandError(str(error)) from error
        files = ", ".join(row["file"] for row in done)
        text = _("moved: %(files)s") % {"files": files or _("nothing")}
        if options["dry_run"]:
            text = _("would move: %s") % (", ".join(map(str, days)) or _("nothing"))
        row = {"days": [str(day) for day in days], "moved": done, "dry_run": options["dry_run"]}
        self.tell(options, row | {"exit_code": 0}, text)
