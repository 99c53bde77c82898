"""`manage.py prune_logs`: the retention settings, applied."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from deployments import housekeeping
from deployments.management.output import CronCommand
from tenants import actors

# 500 logs each: what is left after them waits for the next night.
ROUNDS = 200


class Command(CronCommand):
    """Remove old logs, surplus states, old history and dead sessions."""

    help = "Apply the retention settings. Exit 0: done, or running already; 1: no database."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to look only."""
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help=_("count only, remove nothing"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and tell what was done."""
        self.alone("prune_logs", options, lambda: self.prune(options))

    def prune(self, options: dict[str, Any]) -> None:
        """Do it part by part: each is one transaction with its audit entry."""
        actor, total = actors.from_shell("system:cron"), Counter()
        more = True
        for _round in range(1 if options["dry_run"] else ROUNDS):
            done = housekeeping.prune(actor, dry_run=options["dry_run"])
            more = done.pop("more")
            total.update(done)
            if not more:
                break
        row = {name: total[name] for name in ("logs", "bytes", "states", "runs", "sessions")}
        words = _("logs: %(logs)s (%(bytes)s bytes), states: %(states)s, runs: %(runs)s, "
                  "sessions: %(sessions)s")  # fmt: skip
        text = words % row
        if options["dry_run"]:
            text = _("would remove: %(what)s") % {"what": text}
        if more:
            text += " " + _("(and more)")
        row |= {"dry_run": options["dry_run"], "more": more, "exit_code": 0}
        self.tell(options, row, text)
