"""`manage.py prepare`: everything that must be there before the portal starts, in one process."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Migrate, collect static files, and bootstrap an empty portal."""

    help = "Migrate the database, collect static files and make the first admin and the lab."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what may be left out."""
        parser.add_argument("--no-static", action="store_true", help="static files are there")
        parser.add_argument("--no-bootstrap", action="store_true", help="create nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the parts, each of which does nothing where nothing is to be done."""
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        if not options["no_static"]:
            call_command(
                "collectstatic", interactive=False, verbosity=0, skip_checks=True, ignore=["*.map"]
            )
        if not options["no_bootstrap"]:
            call_command("bootstrap", stdout=self.stdout)
