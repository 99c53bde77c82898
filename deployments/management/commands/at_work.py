"""`manage.py at_work`: what is running; with --cancel, ask it to stop and wait."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from deployments.models import Run
from deployments.runstatus import AT_WORK, PHASES, RunStatus
from deployments.services import cancel_run
from omlsaas.lib.refusals import Refusal
from tenants import actors

LOOK_S = 0.5


class Command(BaseCommand):
    """List the runs whose processes are at work."""

    help = "List runs at work. Exit 0: none (left); 1: some are still at work after --timeout."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the output form and whether to stop them."""
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--cancel", action="store_true", help="ask them to stop, and wait")
        parser.add_argument("--timeout", type=float, default=300.0, help="seconds to wait")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per run, or one JSON list."""
        runs = list(Run.objects.with_stack().filter(status__in=AT_WORK).order_by("id"))
        if options["json"]:
            self.stdout.write(json.dumps([self.row(run) for run in runs]))
        else:
            for run in runs:
                self.stdout.write(f"run {run.number} ({run.stack.name}, {self.phase(run)})")
        if options["cancel"] and not self.cancel(runs, options["timeout"]):
            raise SystemExit(1)

    def cancel(self, runs: list[Run], timeout: float) -> bool:
        """Ask each to stop; tell whether all have ended in time."""
        actor = actors.system("shutdown", origin="the portal was stopped with Ctrl-C")
        for run in runs:
            try:
                cancel_run(actor, run, comment="The portal was stopped.")
            except Refusal as refusal:
                self.stderr.write(f"{run}: {refusal}")
        until = time.monotonic() + timeout
        left = [run.pk for run in runs]
        while left and time.monotonic() < until:
            time.sleep(LOOK_S)
            left = list(
                Run.objects.filter(pk__in=left, status__in=AT_WORK).values_list("pk", flat=True)
            )
        return not left

    def row(self, run: Run) -> dict[str, Any]:
        """Return what the launcher says of a run."""
        return {
            "run": run.number,
            "run_id": run.public_id,
            "stack": run.stack.name,
            "phase": self.phase(run),
        }

    def phase(self, run: Run) -> str:
        """Return the phase at work."""
        return PHASES[RunStatus(run.status)]
