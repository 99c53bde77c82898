"""`manage.py doctor`: is everything there that the portal needs, and what to do if not."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from deployments import doctor
from deployments.doctor import FAILED, OK, WARNING, Finding


class Command(BaseCommand):
    """Look at everything; change nothing."""

    help = "Check the installation. Exit 0: well, perhaps with warnings; 1: a failure; 2: usage."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to look at and how to tell about it."""
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--check", action="append", choices=doctor.CHECKS, default=[], metavar="NAME",
            help=f"only this one, may be repeated: {', '.join(doctor.CHECKS)}",
        )  # fmt: skip
        parser.add_argument("--url", default="", help="the portal's address, when not HOST:PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every finding as it is made; exit by the worst."""
        found: list[tuple[str, Finding]] = []
        for name, finding in doctor.examine(options["check"], url=options["url"]):
            found.append((name, finding))
            if not options["json"]:
                self.print_finding(name, finding)
        status = doctor.worst(finding.status for _name, finding in found)
        code = 1 if status == FAILED else 0
        if options["json"]:
            rows = [finding.to_json(name) for name, finding in found]
            self.stdout.write(json.dumps({"status": status, "exit_code": code, "checks": rows},
                                         default=str))  # fmt: skip
        if code:
            raise SystemExit(code)

    def print_finding(self, name: str, finding: Finding) -> None:
        """Print one line, and the way out below it."""
        style = {OK: self.style.SUCCESS, WARNING: self.style.WARNING, FAILED: self.style.ERROR}
        mark = style[finding.status](f"{finding.status:<8}")
        self.stdout.write(f"{mark} {name:<10} {finding.text}")
        if finding.way_out:
            self.stdout.write(f"{'':<20}→ {finding.way_out}")
        self.stdout.flush()
