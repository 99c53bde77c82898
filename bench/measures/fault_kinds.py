"""Each kind of fault: does it to runs at work, returns the runs and the recoveries in seconds."""

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil

from bench.broker import Broker
from bench.lab import SECRET, Lab
from bench.measures.faulted import Faulted
from bench.portal import PROJECT, BenchFailed, wait_for
from bench.rig import Rig

WORKER_KILLS, RUNS_A_WAVE, MOST_WAVES = 20, 2, 10
# Enough is printed after a kill to see that the next worker reads it.
LEFT_S = 4
WEB_KILLS, ALONE_RUN_S, STOPS, SHIMS, BROKER_S = 20, 30, 3, 5, 60
# How long the first runs print; those after them as long as the kills that are left may take.
FIRST_RUN_S, STOPPED_RUN_S, PAUSES_S = 45, 58, (0.1, 0.4)
Found = tuple[list[Faulted], list[float]]


def kill(process: psutil.Process | None, what: str) -> int:
    """Kill a process with SIGKILL; returns when, in ns since the epoch."""
    if process is None:
        raise BenchFailed(f"there is no {what} to kill")
    moment = time.time_ns()
    os.kill(process.pid, signal.SIGKILL)
    return moment


def next_run_s(kills_left: int, recoveries: list[float]) -> float:
    """Return how long a run should print, so that nobody waits for one when the kills are done."""
    if not recoveries:
        return FIRST_RUN_S
    return kills_left * (statistics.mean(recoveries) + max(PAUSES_S)) + 2 * LEFT_S


def worker_kills(rig: Rig, lab: Lab, broker: Broker) -> Found:
    """Kill the worker 20 times while it minds applies; the launcher starts it again."""
    runs, recoveries, kills = [], [], 0
    for wave in range(MOST_WAVES):
        if kills == WORKER_KILLS:
            break
        seconds = next_run_s(WORKER_KILLS - kills, recoveries)
        now = [Faulted(rig, lab, f"kill{wave}x{n}", seconds) for n in range(RUNS_A_WAVE)]
        runs += now
        for run in now:
            run.wait_line()
        while kills < WORKER_KILLS and min(run.seconds_left for run in now) > LEFT_S:
            moment = kill(lab.portal.worker(), "worker")
            kills += 1
            recoveries += [run.recovery_s(moment) for run in now]
            time.sleep(random.uniform(*PAUSES_S))
        for run in now:
            run.judge()
    if kills < WORKER_KILLS:
        raise BenchFailed(
            f"the worker came back so late that it could be killed {kills} times only"
        )
    return runs, recoveries


def web_kills_without_broker(rig: Rig, lab: Lab, broker: Broker) -> Found:
    """Kill the web process 20 times while a run streams; for 60 s of it there is no broker.

    A run that is started without a broker is taken up as well.
    """
    runs, recoveries = [], []
    away = threading.Thread(target=broker.stop_for, args=(BROKER_S,))
    for kills in range(WEB_KILLS):
        if not runs or max(run.seconds_left for run in runs) < 2 * LEFT_S:
            seconds = next_run_s(WEB_KILLS - kills, recoveries)
            runs.append(Faulted(rig, lab, f"web{len(runs)}", seconds))
            runs[-1].wait_line()
        if kills == 1:
            away.start()
        elif kills == 4:
            runs.append(Faulted(rig, lab, "web-alone", ALONE_RUN_S))
            runs[-1].wait_line()
        watched = [run for run in runs if run.seconds_left > LEFT_S]
        moment = kill(lab.portal.web(), "web process")
        recoveries += [run.recovery_s(moment) for run in watched]
        time.sleep(random.uniform(*PAUSES_S))
    away.join()
    for run in runs:
        run.judge()
    return runs, recoveries


@contextlib.contextmanager
def second_worker(lab: Lab) -> Iterator[psutil.Process]:
    """Run another worker on this host, as the launcher runs its own."""
    argv = [
        sys.executable, "-m", "celery", "--quiet", "-A", "omlsaas", "worker", "-P", "threads",
        "--prefetch-multiplier", "1", "--without-gossip", "--without-mingle", "-c", "32",
        "--loglevel", "WARNING", "-n", "second@%h",
    ]  # fmt: skip
    lock_folder = lab.portal.var / "workers"
    before = len(list(lock_folder.glob("*.lock")))
    with subprocess.Popen(
        argv, cwd=PROJECT, env=lab.portal.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as worker:  # fmt: skip
        try:
            ready = lambda: len(list(lock_folder.glob("*.lock"))) > before  # noqa: E731
            wait_for(ready, 30, "a second worker")
            yield psutil.Process(worker.pid)
        finally:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
            try:
                worker.wait(15)
            except subprocess.TimeoutExpired:
                worker.kill()


def stopped_workers(rig: Rig, lab: Lab, broker: Broker) -> Found:
    """Stop the minding worker until another has taken over, then let it wake up, three times."""
    run = Faulted(rig, lab, "stopped", STOPPED_RUN_S)
    run.wait_line()
    recoveries = []
    with second_worker(lab) as other:
        minding, waiting = lab.portal.worker(), other
        for _ in range(STOPS):
            moment = time.time_ns()
            minding.suspend()
            try:
                recoveries.append(run.recovery_s(moment))
            finally:
                minding.resume()
            minding, waiting = waiting, minding
            # It wakes up, and must write nothing.
            run.wait_line(run.lines_seen + 40)
        run.judge()
    return [run], recoveries


def shim_kills(rig: Rig, lab: Lab, broker: Broker) -> Found:
    """Kill five supervisors: lost, nothing alive, the stack suspect, an apply refused."""
    runs = [Faulted(rig, lab, f"shim{number}", 60) for number in range(SHIMS)]
    for run in runs:
        run.wait_line()
    recoveries = []
    for run in runs:
        kill(run.shim(), "supervisor")
        gone = lambda run=run: not run.processes()  # noqa: E731
        wait_for(gone, 60, f"the end of the processes of {run.name}", 0.1)
        gone_at = time.monotonic()
        run.judge("lost")
        recoveries.append(time.monotonic() - gone_at)
        fields = lab.client.action_fields({"admin_password": SECRET})
        answer = lab.client.post(f"/stacks/{run.stack}/actions/install/", fields)
        if answer.status_code == 302:
            run.is_wrong = True
            run.complaints.append("an apply over the lost run was not refused")
        if run.processes():
            run.is_wrong = True
            run.complaints.append("something still runs")
    return runs, recoveries


def database_restart(rig: Rig, lab: Lab, broker: Broker) -> Found:
    """Restart PostgreSQL in the middle of an apply."""
    run = Faulted(rig, lab, "database", 7)
    run.wait_line(20)
    server = lab.portal.postgres()
    if server is None:
        raise BenchFailed("there is no database server to stop")
    moment = time.time_ns()
    server.send_signal(signal.SIGINT)
    recoveries = [run.recovery_s(moment)]
    run.judge()
    return [run], recoveries


ALL: dict[str, Callable[[Rig, Lab, Broker], Found]] = {
    "worker killed": worker_kills,
    "web killed, no broker": web_kills_without_broker,
    "worker stopped": stopped_workers,
    "supervisor killed": shim_kills,
    "database restarted": database_restart,
}
