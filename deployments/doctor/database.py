"""Looks at PostgreSQL: version, migrations, notifications, sizes, and whose clock is right."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from deployments import notify
from deployments.doctor.findings import Finding, bad, good, warn
from deployments.doctor.hosts import live_hosts

OLDEST = 15
NOTIFY_WAIT_S = 3.0
CLOCK_WARN_S = 2.0
# So many dead rows, more than living ones, and autovacuum does not keep up.
DEAD_ROWS = 200_000


def why_unreachable() -> str:
    """Return why the database cannot be reached; empty when it can. Takes seconds at most."""
    try:
        psycopg.connect(**notify.connect_params()).close()
    except psycopg.Error as error:
        return str(error).strip().split("\n")[0]
    return ""


def unreachable(why: str) -> Finding:
    """Return what is found when there is no database."""
    return bad(
        "unreachable",
        _("The database cannot be reached: %(why)s") % {"why": why},
        _("Start it (make run), or set DATABASE_URL. Runs at work go on without it."),
    )


def look() -> Iterator[Finding]:
    """Look at the server, the migrations, the notifications and the big tables."""
    yield _version()
    yield _migrations()
    yield _listen()
    yield from _tables()


def _rows(sql: str, params: Any = ()) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def _version() -> Finding:
    ((number, words),) = _rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    text = _("PostgreSQL %(version)s.") % {"version": words}
    if number // 10_000 >= OLDEST:
        return good("version", text, version=words)
    way_out = _("Move to PostgreSQL %(wanted)s or newer: docs/operate.md.") % {"wanted": OLDEST}
    return bad("version", text, way_out, version=words)


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return good("migrations", _("All migrations are applied."))
    names = ", ".join(str(migration) for migration, _backwards in plan[:5])
    text = _("%(count)s migrations are missing: %(names)s.") % {"count": len(plan), "names": names}
    return bad("migrations", text, _("Run manage.py prepare, then start the portal again."))


def _listen() -> Finding:
    """Send a notification through the portal's connection and hear it on the listening one."""
    channel = "omlsaas_doctor"
    way_out = _(
        "Live pages look every few seconds instead. Set LISTEN_DATABASE_URL to the server itself: "
        "a transaction pooler cannot LISTEN."
    )
    try:
        with psycopg.connect(**notify.connect_params(listen=True), autocommit=True) as ear:
            ear.execute(f"LISTEN {channel}")
            _rows("SELECT pg_notify(%s, 'hello')", [channel])
            heard = next(ear.notifies(timeout=NOTIFY_WAIT_S, stop_after=1), None)
    except psycopg.Error as error:
        text = _("LISTEN does not work: %(why)s") % {"why": error}
        return bad("listen", text, way_out)
    if heard is None:
        return bad("listen", _("A notification did not arrive."), way_out)
    return good("listen", _("Notifications arrive."))


def _tables() -> Iterator[Finding]:
    rows = _rows(
        "SELECT relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup"
        " FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 5"
    )
    facts = [
        {"table": n, "bytes": size, "rows": live, "dead": dead} for n, size, live, dead in rows
    ]
    shown = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size, _live, _dead in rows[:3])
    yield good("tables", _("Biggest tables: %(names)s.") % {"names": shown}, tables=facts)
    for name, _size, live, dead in rows:
        if dead > DEAD_ROWS and dead > live:
            words = {"table": name, "dead": dead, "live": live}
            yield warn(
                "dead_rows",
                _("%(table)s has %(dead)s dead rows beside %(live)s living ones.") % words,
                _("Look for a transaction that was left open (pg_stat_activity), then VACUUM it."),
                **words,
            )


def look_at_clocks() -> Iterator[Finding]:
    """Compare this host's clock, and those of the worker hosts, with the database's."""
    before = time.time()
    ((theirs,),) = _rows("SELECT extract(epoch FROM clock_timestamp())::float8")
    ours = (before + time.time()) / 2
    yield _clock("here", _("this host"), ours - theirs)
    for host in live_hosts():
        told = parse_datetime(host.checks.get("clock") or "")
        if told is not None:
            # The heartbeat is the database's time of the same moment.
            yield _clock("hosts", host.name, (told - host.heartbeat_at).total_seconds())


def _clock(code: str, name: str, seconds: float) -> Finding:
    words = {"host": name, "seconds": f"{abs(seconds):.1f}"}
    if abs(seconds) <= CLOCK_WARN_S:
        text = _("The clock of %(host)s agrees with the database's.") % words
        return good(code, text, host=name, seconds=round(seconds, 3))
    side = _("%(host)s is %(seconds)s s ahead of the database.")
    if seconds < 0:
        side = _("%(host)s is %(seconds)s s behind the database.")
    kind = bad if abs(seconds) > settings.LEASE_S else warn
    way_out = _("Let NTP (chrony, systemd-timesyncd) set the clocks of both.")
    return kind(code, side % words, way_out, host=name, seconds=round(seconds, 3))
