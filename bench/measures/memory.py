"""worker_mb_per_run: what one more run at work costs in memory."""

import statistics
import time

from bench.figures import say
from bench.lab import Lab
from bench.portal import BenchFailed, wait_for
from bench.processes import family, pss_mb, shims
from bench.rig import Rig

STEPS = (1, 10, 20, 30)
REPEATS = 5
# Long enough to be there through all looks; a slow pace, as an apply that mostly waits.
LINES, PAUSE_MS = 4000, 100


def supervised(lab: Lab) -> int:
    """Return how many engines print now."""
    return len(shims(str(lab.portal.folder)))


def look(lab: Lab) -> float:
    """Return the memory of the worker with its processes and all supervisors, no engines."""
    worker = lab.portal.worker()
    if worker is None:
        raise BenchFailed("there is no worker")
    return pss_mb([*family_without_engines(lab, worker), *shims(str(lab.portal.folder))])


def family_without_engines(lab: Lab, worker) -> list:
    """Return the worker's tree; supervisors are counted once, engines not at all."""
    known = {process.pid for process in shims(str(lab.portal.folder))}
    found = []
    for process in family(worker):
        ancestors = {parent.pid for parent in process.parents()}
        if process.pid not in known and not ancestors & known:
            found.append(process)
    return found


def measure(rig: Rig) -> None:
    """Let 1, 10, 20 and 30 runs stand at once; the slope of a straight line through all looks."""
    lab = rig.fake
    names = [f"memory{number}" for number in range(max(STEPS))]
    lab.tenants(names)
    started: list[str] = []
    looks: dict[int, list[float]] = {}
    try:
        for wanted in STEPS:
            while len(started) < wanted:
                name = names[len(started)]
                started.append(
                    lab.start(name, flood_lines=LINES, flood_line_ms=PAUSE_MS, flood_id="paced")
                )
            wait_for(
                lambda n=wanted: at_work(lab, started) >= n, 120, f"{wanted} runs at work", 0.5
            )
            time.sleep(2)
            looks[wanted] = [look(lab) for _ in range(REPEATS)]
            say(f"{wanted} runs: {statistics.median(looks[wanted]):.1f} MB")
    finally:
        for run_id in started:
            lab.client.cancel(run_id)
    for run_id in started:
        lab.client.wait_end(run_id, 120)
    counts = [count for count in STEPS for _ in range(REPEATS)]
    sizes = [size for count in STEPS for size in looks[count]]
    slope = statistics.linear_regression(counts, sizes).slope
    by_count = {count: [round(size, 1) for size in looks[count]] for count in STEPS}
    # Each repetition is one look at all four loads.
    slopes = [
        statistics.linear_regression(STEPS, [looks[count][n] for count in STEPS]).slope
        for n in range(REPEATS)
    ]
    rig.report.tell("worker_mb_per_run", slopes, value=slope, mb_at=by_count)


def at_work(lab: Lab, run_ids: list[str]) -> int:
    """Return how many of the runs print their lines by now."""
    return sum(1 for run_id in run_ids if lab.client.run(run_id)["status"] == "applying")
