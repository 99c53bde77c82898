"""burst: 600,000 lines, one write each, alone and under the portal; what its log takes."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bench.engine import LINES as PRINTER
from bench.figures import say
from bench.lab import Lab
from bench.measures.fanout import count_lost, cpu_meter, wait_over
from bench.portal import BenchFailed, wait_for
from bench.rig import Rig
from bench.watchers import Watcher

LINES, WATCHERS, PAIRS = 600_000, 20, 5
ALONE_S = 2.0
SIZES = """
SELECT count(*), coalesce(sum(pg_column_size(c.*)), 0), coalesce(sum(c.size), 0)
FROM deployments_logchunk c JOIN deployments_run r ON r.id = c.run_id WHERE r.public_id = %s
"""


def alone(folder: Path, rounds: int) -> tuple[float, float]:
    """Return how long the child takes into a file while the portal is idle, and its CPU time."""
    inputs = {"flood_lines": LINES, "flood_id": f"each:{rounds}"}
    (folder / "terraform.tfvars.json").write_text(json.dumps(inputs))
    with (folder / "raw.log").open("wb") as file:
        argv = [sys.executable, "-I", "-S", str(PRINTER), str(folder)]
        subprocess.run(argv, cwd=folder, stdout=file, check=True)
    note = json.loads((folder / "prints").read_text().splitlines()[-1])
    return (note["ended"] - note["begun"]) / 1e9, note["cpu_s"]


def enough_rounds(folder: Path) -> int:
    """Return how much work a line must be for the child to take at least ALONE_S alone."""
    for rounds in range(1, 40):
        # Its own time: a busy machine must not make it look slow.
        _, seconds = alone(folder, rounds)
        if seconds >= ALONE_S * 1.1:
            return rounds
    raise BenchFailed(f"the child takes only {seconds:.1f} s")


def through_portal(rig: Rig, lab: Lab, number: int, rounds: int) -> tuple[float, int, str]:
    """Return (how long the child took, lines lost, the run) with all watchers on it."""
    name = f"burst{number}"
    lab.tenant(name)
    before = time.time_ns()
    how = {"flood_lines": LINES, "flood_line_ms": 0, "flood_id": f"each:{rounds}"}
    run_id = lab.start(name, **how)
    watchers = [Watcher(lab.client, run_id) for _ in range(WATCHERS)]
    rig.loop.watch(watchers)
    meter = cpu_meter(lab)
    lab.client.wait_end(run_id, 180, 0.5)
    wait_over(watchers)
    lost = count_lost(watchers, lab.client.log(run_id), LINES)
    (printed,) = lab.engine.prints(before)
    say(f"CPU seconds: {meter.seconds()}, the child {printed['cpu_s']:.1f}")
    return (printed["ended"] - printed["begun"]) / 1e9, lost, run_id


def stored(lab: Lab, run_id: str) -> tuple[int, int]:
    """Return (bytes of the chunk rows, bytes of the log) once the log is compacted."""
    with psycopg.connect(lab.portal.runtime_env()["DATABASE_URL"]) as database:

        def look() -> tuple[int, int] | None:
            row = database.execute(
                "SELECT log_state FROM deployments_run WHERE public_id = %s", [run_id]
            ).fetchone()
            database.rollback()
            if row[0] != "compacted":
                return None
            _, taken, size = database.execute(SIZES, [run_id]).fetchone()
            return int(taken), int(size)

        return wait_for(look, 90, "the compaction of the log", 0.2)


def measure(rig: Rig) -> None:
    """Run the pairs; each log must arrive whole, and is weighed when it is compacted."""
    lab = rig.fake
    slower, losses, weights, alones = [], [], [], []
    with tempfile.TemporaryDirectory(dir=rig.folder) as name:
        folder = Path(name)
        rounds = enough_rounds(folder)
        for number in range(PAIRS):
            base, _ = alone(folder, rounds)
            seconds, lost, run_id = through_portal(rig, lab, number, rounds)
            taken, size = stored(lab, run_id)
            alones.append(base)
            slower.append(seconds / base)
            losses.append(lost)
            weights.append(taken / size)
            say(f"alone {base:.2f} s, under the portal {seconds:.2f} s, {lost} lines lost")
    void = "" if min(alones) >= ALONE_S else f"alone it takes {min(alones):.2f} s only"
    more = {"alone_s": [round(s, 2) for s in alones], "rounds": rounds}
    rig.report.tell("burst_slowdown_ratio", slower, void=void, **more)
    rig.report.tell("burst_lost", losses, value=max(losses))
    rig.report.tell("log_bytes_ratio", weights, log_bytes=size)
