"""How commands for cron speak: lines for people, one JSON object for programs, exit codes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from deployments.onlyone import only_one

NOT_RUNNING = "the portal is not running: make run, or set DATABASE_URL"


class CronCommand(BaseCommand):
    """A command for cron: quick to start, one at a time, never a traceback for an outage."""

    # A cron command starts fast; `manage.py check` and the servers do the checks.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the form of the output."""
        parser.add_argument("--json", action="store_true", help=_("one JSON object"))

    def tell(self, options: dict[str, Any], row: dict[str, Any], text: str) -> None:
        """Print the result."""
        self.stdout.write(json.dumps(row, default=str) if options["json"] else text)

    @contextmanager
    def reachable(self, options: dict[str, Any]) -> Iterator[None]:
        """Exit 1 with the way out when the database is not there."""
        try:
            yield
        except (DatabaseError, psycopg.OperationalError) as error:
            if options["json"]:
                row = {"error": "PortalNotRunning", "text": NOT_RUNNING, "exit_code": 1}
                self.stdout.write(json.dumps(row))
            else:
                self.stderr.write(NOT_RUNNING)
            raise SystemExit(1) from error

    def alone(self, name: str, options: dict[str, Any], act: Callable[[], None]) -> None:
        """Do it unless another does it now; that is told, and is no failure."""
        with self.reachable(options), only_one(name) as is_first:
            if is_first:
                act()
                return
            text = _("%(name)s is running already; nothing was done here.") % {"name": name}
            self.tell(options, {"already_running": True, "exit_code": 0}, text)
