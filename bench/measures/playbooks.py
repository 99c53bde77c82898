"""What a playbook costs under the portal: its time, the lag of its events, what they leave."""

import bisect
import json
import time
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from bench.figures import percentile, say
from bench.hosts import HostsLab
from bench.portal import BenchFailed, Portal, wait_for
from bench.rig import Rig
from bench.watchers import Watcher

REPEATS = 5
BARE_S = (12, 60)
TASKS, HOSTS = 60, 2
MANY = 200
# The log's text is what people read, and grows with it. Seals of the audit trail come by the clock.
APART = {"deployments_logchunk", "tenants_auditseal"}
# Emptied by the clock, in the transaction that writes a run's notices.
OUTBOX = "deployments_happening"
SETTLED_S = 2


def through_portal(rig: Rig, lab: HostsLab, stack: str, place: Path) -> float:
    """Return the seconds from the click to the end of the run, as a browser sees both."""
    begun = time.monotonic()
    run_id = lab.client.start(stack, "work", {"place": place})
    (watcher,) = rig.watchers(lab, run_id, 1)
    _wait_applied(lab, run_id)
    seen = [at for at, told in watcher.events if told.get("status") == "applied"]
    if not seen:
        raise BenchFailed(f"the watcher of {run_id} never heard that it is applied")
    log = lab.client.log(run_id)
    if (count := log.count(b"Task: ")) != TASKS:
        raise BenchFailed(f"{count} tasks, {TASKS} are wanted")
    return seen[0] - begun


def _wait_applied(lab: HostsLab, run_id: str) -> None:
    status = lab.client.wait_end(run_id, 400, 0.5)
    if status != "applied":
        raise BenchFailed(f"{run_id} is {status}: {lab.client.log(run_id)[-500:]}")


def measure_ratio(rig: Rig) -> None:
    """Alternate bare and portal; the portal is up, and idle, in both."""
    lab = rig.hosts
    stack = lab.make_hosts("pairs", HOSTS)
    lab.keep_start()
    # Not counted: it shows how the portal starts Ansible, and warms both.
    through_portal(rig, lab, stack, rig.folder / "warm")
    started = lab.kept()
    alone, portal = [], []
    for number in range(-1, REPEATS):
        playbook, log = lab.playbooks / "work.yml", rig.folder / "bare.log"
        place = str(rig.folder / f"bare{number}")
        variables = started.folder / "variables.yml"
        variables.write_text(_with_place(variables.read_text(), place))
        seconds = started.again(rig.folder / f"by-hand{number}", playbook, log)
        if (count := log.read_text().count("\nTASK [")) != TASKS:
            raise BenchFailed(f"{count} tasks by hand, {TASKS} are wanted")
        if number < 0:
            continue
        alone.append(seconds)
        portal.append(through_portal(rig, lab, stack, rig.folder / f"portal{number}"))
        say(f"by hand {alone[-1]:.2f} s, through the portal {portal[-1]:.2f} s")
    bare_s = percentile(alone, 50)
    low, high = BARE_S
    void = "" if low <= bare_s <= high else f"bare Ansible takes {bare_s:.1f} s, not {low}–{high}"
    more = {"bare_s": [round(s, 3) for s in alone], "portal_s": [round(s, 3) for s in portal]}
    ratio = [a / b for a, b in zip(portal, alone, strict=True)]
    rig.report.tell("ansible_ratio", ratio, void=void, **more)


def _with_place(text: str, place: str) -> str:
    """Return the file of variables with another folder for the hosts' files."""
    lines = [
        f'"place": {json.dumps(place)}' + ("," if line.endswith(",") else "")
        if line.startswith('"place": ') else line
        for line in text.split("\n")
    ]  # fmt: skip
    return "\n".join(lines)


# --- events -------------------------------------------------------------------------------


def measure_events(rig: Rig) -> None:
    """Let 2 hosts tell their events, then 200; rows that the second run has more are counted."""
    lab = rig.hosts
    lab.be_verbose()
    few, many = lab.make_hosts("few", HOSTS), lab.make_hosts("many", MANY)
    tell(rig, lab, few)  # Not counted: what a first run of a worker leaves.
    few_rows = rows_of(lab.portal, lambda: tell(rig, lab, few))[1]
    watcher, more_rows = rows_of(lab.portal, lambda: tell(rig, lab, many))
    run_id = watcher.address.split("/")[-2]
    events = read_events(lab.raw_log)
    lines, counts = lags(watcher, lab.client.log(run_id), events)
    by = {
        name: {"p50": percentile(found, 50), "p99": percentile(found, 99), "worst": max(found)}
        for name, found in (("log", lines), ("counters", counts))
    }
    by = {name: {key: round(s, 3) for key, s in found.items()} for name, found in by.items()}
    span = events[-1][0] - events[0][0]
    say(f"{len(events)} events in {span:.0f} s: {by}")
    slow = [found["p99"] for found in by.values()]
    rig.report.tell("ansible_event_lag_s", slow, value=max(slow), events=len(events), by=by)
    growth = {name: more_rows[name] - few_rows.get(name, 0) for name in more_rows}
    growth = {name: count for name, count in growth.items() if count > 0 and name not in APART}
    rig.report.tell(
        "ansible_event_rows", [*growth.values()], value=sum(growth.values()), by=growth,
        rows={name: count for name, count in more_rows.items() if count},
    )  # fmt: skip


def tell(rig: Rig, lab: HostsLab, stack: str) -> Watcher:
    """Run the playbook of events; returns who watched it."""
    run_id = lab.client.start(stack, "tell")
    (watcher,) = rig.watchers(lab, run_id, 1)
    _wait_applied(lab, run_id)
    return watcher


def rows_of(portal: Portal, act) -> tuple[Watcher, dict[str, int]]:
    """Return what `act` does, and by how many rows each table has grown meanwhile."""
    before = settled_rows(portal)
    watcher = act()
    after = settled_rows(portal)
    return watcher, {name: count - before.get(name, 0) for name, count in after.items()}


def settled_rows(portal: Portal) -> dict[str, int]:
    """Return the rows of every table once notices and the like of what was done are written."""
    seen: list[dict[str, int]] = []

    def is_settled() -> bool:
        seen.append(count_rows(portal))
        return len(seen) > 1 and seen[-1] == seen[-2] and not seen[-1][OUTBOX]

    wait_for(is_settled, 60, "the end of all writing", SETTLED_S)
    return seen[-1]


def count_rows(portal: Portal) -> dict[str, int]:
    """Return the rows of every table."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(portal.runtime_env()["DATABASE_URL"], autocommit=True) as database:
        names = [name for (name,) in database.execute(tables).fetchall()]
        count = sql.SQL("SELECT count(*) FROM {}")
        return {
            name: database.execute(count.format(sql.Identifier(name))).fetchone()[0]
            for name in names
        }


def read_events(raw_log: Path) -> list[tuple[float, dict]]:
    """Return (time in s since the epoch, message) of each event, as the callback wrote it."""
    found = []
    for line in raw_log.read_bytes().splitlines():
        if line.startswith(b'{"@level"'):
            message = json.loads(line)
            found.append((datetime.fromisoformat(message["@timestamp"]).timestamp(), message))
    if len(found) < 5 * MANY:
        raise BenchFailed(f"{len(found)} events: the playbook has more")
    return found


def lags(watcher: Watcher, log: bytes, events: list) -> tuple[list[float], list[float]]:
    """Return the seconds to the watcher: of each event's text, of each result in the counters."""
    lines, place = [], 0
    ends = [end for _, end in watcher.frames]
    for at, message in events:
        text = message["@message"].encode()
        if not text:
            continue
        place = log.index(text, place) + len(text)
        arrived = watcher.frames[bisect.bisect_left(ends, place)][0] / 1e9
        lines.append(arrived - at)
    # The watcher's own clock, as a time of day.
    shift = time.time() - time.monotonic()
    told = [
        (sum(one["counts"].values()), at + shift)
        for at, one in watcher.events if one["type"] == "progress"
    ]  # fmt: skip
    results = [at for at, message in events if message["type"] == "ansible_result"]
    counts, last = [], told[-1][0] if told else 0
    # The end of the run is told by its status, and the page fetches everything then.
    over = watcher.over_ns / 1e9
    totals = [total for total, _ in told]
    for number, at in enumerate(results, start=1):
        arrived = told[bisect.bisect_left(totals, number)][1] if number <= last else over
        counts.append(arrived - at)
    return lines, counts
