"""audit_seal_rows_s, audit_verify_rows_s: how fast the trail is sealed, and checked whole."""

import json
import os
import signal
import time

from bench.figures import say
from bench.portal import BenchFailed, Portal
from bench.rig import Rig

ROWS = 20_000
REPEATS = 3
# The entries are committed together, so nothing of them is sealed before the clock runs; sealing
# is done as the worker does it every few seconds, which has no command of its own.
WRITE_AND_SEAL = """
import json, time
from django.db import transaction
from tenants import actors, audit, auditchain
actor = actors.system("bench")
with transaction.atomic():
    for number in range({rows}):
        after = {{"number": number, "why": "a line of the usual length, such as a reason has"}}
        audit.record(actor, "export", audit.PORTAL, after=after)
begun, sealed = time.perf_counter(), 0
while count := auditchain.seal():
    sealed += count
print(json.dumps({{"rows": sealed, "seconds": time.perf_counter() - begun}}))
"""


def _done(portal: Portal, *arguments: str) -> tuple[str, float]:
    """Return what a command printed and the seconds that it took, its start among them."""
    begun = time.monotonic()
    done = portal.manage(*arguments, seconds=300)
    seconds = time.monotonic() - begun
    if done.returncode:
        raise BenchFailed(f"{arguments[0]}: {done.stderr[-1000:]}{done.stdout[-1000:]}")
    return done.stdout, seconds


def measure(rig: Rig) -> None:
    """Seal 20,000 entries, three times, then check the whole trail with the command for cron."""
    rig.release()
    with Portal() as portal:
        # Nobody else seals meanwhile; whoever stops the portal lets them go on.
        for process in (portal.beat(), portal.worker()):
            os.kill(process.pid, signal.SIGSTOP)
        sealing = []
        for _ in range(REPEATS):
            script = WRITE_AND_SEAL.format(rows=ROWS)
            told = json.loads(_done(portal, "shell", "--no-imports", "-c", script)[0])
            if told["rows"] < ROWS:
                raise BenchFailed(f"{told['rows']} entries were sealed, {ROWS} are wanted")
            sealing.append(told["rows"] / told["seconds"])
        checking, rows = [], 0
        for _ in range(REPEATS):
            # The same command without the checking: what is left is the check itself.
            start = _done(portal, "verify_audit", "--anchor")[1]
            text, whole = _done(portal, "verify_audit", "--json")
            rows = json.loads(text)["checked"]
            checking.append(rows / max(whole - start, 0.001))
        if rows < ROWS * REPEATS:
            raise BenchFailed(f"{rows} entries were checked, {ROWS * REPEATS} are wanted")
    say(f"{rows} entries checked; sealed {min(sealing):.0f} to {max(sealing):.0f} rows/s")
    rig.report.tell("audit_seal_rows_s", sealing, rows=ROWS)
    rig.report.tell("audit_verify_rows_s", checking, rows=rows)
