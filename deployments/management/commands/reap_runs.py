"""`manage.py reap_runs`: what beat does every few seconds, for cron."""

from typing import Any

from django.utils.translation import gettext as _

from deployments import housekeeping, sealing
from deployments.management.output import CronCommand
from tenants import actors


class Command(CronCommand):
    """Judge silent hosts, let expired plans go, let waiting runs in."""

    help = "Judge silent hosts and expired plans. Exit 0: done, or running already; 1: no database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it once and tell what was done."""
        self.alone("reap_runs", options, lambda: self.reap(options))

    def reap(self, options: dict[str, Any]) -> None:
        """Do it as the system's cron."""
        done = housekeeping.reap(actors.from_shell("system:cron"))
        done |= {"sealed": sealing.seal_and_forward()["sealed"]}
        words = _(
            "silent hosts: %(silent_hosts)s, lost runs: %(lost_runs)s, expired plans: "
            "%(expired_plans)s, let in: %(admitted)s, audit entries sealed: %(sealed)s"
        )
        self.tell(options, {**done, "exit_code": 0}, words % done)
