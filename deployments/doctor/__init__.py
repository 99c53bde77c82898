"""The doctor: looks at everything that the portal needs and says what is wrong, with a way out.

Without a database it says so and still looks at the rest.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import partial

from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from deployments.doctor import cloud, contents, database, doors, hosts, trail
from deployments.doctor.findings import FAILED, OK, RANK, WARNING, Check, Finding, bad, warn

__all__ = ["CHECKS", "FAILED", "OK", "WARNING", "Finding", "examine", "worst"]

CHECKS = (
    "terraform", "database", "broker", "worker", "websocket", "disk", "workdirs", "clock",
    "keys", "blueprints", "stuck", "logs", "static", "cloud", "instances",
    "audit",
)  # fmt: skip
log = logging.getLogger(__name__)


def examine(names: Iterable[str] = (), *, url: str = "") -> Iterator[tuple[str, Finding]]:
    """Yield (check, finding) for each named check, all of them when none is named.

    `url` is the portal's own address where it is another than HOST and PORT.
    """
    wanted = set(names) or set(CHECKS)
    why = database.why_unreachable()
    for check in _checks(not why, url):
        if check.name not in wanted:
            continue
        if why and check.name == "database":
            yield check.name, database.unreachable(why)
        elif why and check.needs_database:
            text = _("This could not be looked at: the database cannot be reached.")
            yield check.name, warn("unknown", text, _("Bring the database back first."))
        else:
            for finding in _look(check):
                yield check.name, finding


def _checks(has_database: bool, url: str) -> tuple[Check, ...]:
    return (
        Check(
            "terraform", hosts.look_at_terraform if has_database else hosts.terraform_here, False
        ),
        Check("database", database.look),
        Check("broker", partial(doors.look_at_broker, has_database), False),
        Check("worker", hosts.look),
        Check("websocket", partial(doors.look_at_websocket, url), False),
        Check("disk", partial(hosts.look_at_disks, has_database), False),
        Check("workdirs", hosts.look_at_workdirs),
        Check("clock", database.look_at_clocks),
        Check("keys", contents.look_at_keys),
        Check("blueprints", contents.look_at_blueprints, False),
        Check("stuck", contents.look_at_stuck),
        Check("logs", contents.look_at_logs),
        Check("static", doors.look_at_static, False),
        Check("cloud", cloud.look_at_cloud),
        Check("instances", cloud.look_at_instances),
        Check("audit", trail.look_at_trail),
    )


def _look(check: Check) -> Iterator[Finding]:
    """Yield what a check finds; one that fails itself is a finding, and stops no other."""
    try:
        yield from check.look()
    except DatabaseError as error:
        text = _("The database failed in the middle: %(why)s") % {"why": error}
        yield bad("database", text, _("Look at the database check."))
    except Exception as error:
        log.exception("the check %s failed", check.name)
        words = {"kind": type(error).__name__, "why": error}
        text = _("This check itself failed (%(kind)s: %(why)s).") % words
        yield bad("broken", text, _("Report it with the lines above."))


def worst(statuses: Iterable[str]) -> str:
    """Return the worst of some statuses; ok for none."""
    return max(statuses, key=RANK.__getitem__, default=OK)
