"""fanout: one run and many watchers, at a pace and as fast as it goes."""

import asyncio
import bisect
import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from websockets.asyncio.client import connect

from bench.figures import percentile, say
from bench.lab import Lab
from bench.loglines import DAY_US, lost_and_twice, stamp_us
from bench.measures.latency import is_generated
from bench.portal import PROJECT, BenchFailed, free_port, wait_for
from bench.processes import CpuMeter
from bench.rig import Rig
from bench.watchers import Watcher

PACED_WATCHERS, PACED_LINES, PER_LINE_MS = 100, 60_000, 0.5
WATCHERS, LINES = 20, 200_000
REPEATS = 5


# --- 100 watchers, 2,000 lines a second --------------------------------------------------------


def measure_paced(rig: Rig) -> None:
    """Let 100 watchers follow 2,000 lines a second for 30 s; one run, 6,000,000 arrivals."""
    lab = rig.fake
    lab.tenant("fanout")
    run_id = lab.start(
        "fanout", flood_lines=PACED_LINES, flood_line_ms=PER_LINE_MS, flood_id="paced"
    )
    watchers = rig.watchers(lab, run_id, PACED_WATCHERS)
    meter, began = cpu_meter(lab), time.monotonic()
    lab.client.wait_end(run_id, 120, 0.5)
    wait_over(watchers)
    seconds, cpu = time.monotonic() - began, meter.seconds()
    log = lab.client.log(run_id)
    lost = count_lost(watchers, log, PACED_LINES)
    waits = arrivals_ms(watchers, log)
    rate = {"watchers": PACED_WATCHERS, "lines": PACED_LINES, "seconds": round(seconds, 1)}
    rate |= {"cpu_s": cpu, "frames_each": len(watchers[0].frames)}
    spread = [percentile(waits, p) for p in (50, 90, 99, 100)]
    rig.report.tell("fanout_p99_ms", spread, value=spread[2], shown="p50 p90 p99 max", **rate)
    rig.report.tell("fanout_lost", [lost], **rate)


def cpu_meter(lab: Lab) -> CpuMeter:
    """Return a meter of the processes that share the machine during a measurement."""
    portal = lab.portal
    mine = psutil.Process()
    return CpuMeter(
        web=portal.web(), worker=portal.worker(), database=portal.postgres(), bench=mine
    )


def wait_over(watchers: list[Watcher], seconds: float = 60) -> None:
    """Wait until each watcher has the end of the log; raises BenchFailed."""
    wait_for(
        lambda: all(w.is_over for w in watchers),
        seconds,
        "the end of the log at every watcher",
        0.02,
    )


def count_lost(watchers: list[Watcher], log: bytes, count: int) -> int:
    """Return how many lines are missing, twice or in disorder, over the log and all watchers.

    A watcher whose bytes have the digest of the stored log has what the stored log has.
    """
    wrong = sum(map(abs, lost_and_twice(log, count)))
    digest = hashlib.sha256(log).digest()
    for watcher in watchers:
        if watcher.digest.digest() == digest:
            continue
        got = lost_and_twice(watcher.text, count) if watcher.parts else (count, 0)
        wrong += max(1, sum(map(abs, got)))
    return wrong


def arrivals_ms(watchers: list[Watcher], log: bytes) -> list[float]:
    """Return for each generated line and watcher how long the line was on its way."""
    ends, stamps, at = [], [], 0
    for text in log.splitlines(keepends=True):
        at += len(text)
        if is_generated(text):
            ends.append(at)
            stamps.append(stamp_us(text))
    found = []
    for watcher in watchers:
        first = 0
        for received_ns, end in watcher.frames:
            last = bisect.bisect_right(ends, end, first)
            received = received_ns // 1000 % DAY_US
            found += [(received - stamp) % DAY_US / 1000 for stamp in stamps[first:last]]
            first = last
    return found


# --- 20 watchers, unpaced -----------------------------------------------------------------------


def measure_ratio(rig: Rig) -> None:
    """Compare the portal with a bare server that sends the frames of the same run."""
    lab = rig.fake
    ratios, rates, bare_rates = [], [], []
    for number in range(REPEATS):
        frames, rate = through_portal(rig, lab, f"ratio{number}")
        path = rig.folder / f"frames{number}"
        path.write_bytes(b"".join(len(f).to_bytes(4, "big") + f for f in frames))
        try:
            bare_rate = bare(rig, path)
        finally:
            path.unlink()
        ratios.append(rate / bare_rate)
        rates.append(rate)
        bare_rates.append(bare_rate)
        say(f"{rate:,.0f} lines/s, bare {bare_rate:,.0f}, in {len(frames)} frames")
    shown = {"portal": [round(r) for r in rates], "bare": [round(r) for r in bare_rates]}
    rig.report.tell("fanout_ratio", ratios, lines_per_s=shown)


def through_portal(rig: Rig, lab: Lab, name: str) -> tuple[list[bytes], float]:
    """Return the frames of the flood, and lines per second at the slowest watcher.

    The clock runs from the child's first write to the last frame.
    """
    lab.tenant(name)
    before = time.time_ns()
    run_id = lab.start(name, flood_lines=LINES, flood_line_ms=0, flood_id="buffered")
    watchers = [Watcher(lab.client, run_id, keep=number == 0) for number in range(WATCHERS)]
    rig.loop.watch(watchers)
    meter = cpu_meter(lab)
    lab.client.wait_end(run_id, 120, 0.5)
    wait_over(watchers)
    log = lab.client.log(run_id)
    if lost := count_lost(watchers, log, LINES):
        raise BenchFailed(f"{lost} lines lost")
    (printed,) = lab.engine.prints(before)
    end = log.rfind(f" {LINES:07d} ".encode())
    done = max(arrival(watcher, end) for watcher in watchers)
    seconds = (done - printed["begun"]) / 1e9
    say(f"CPU seconds: {meter.seconds()}")
    frames = [part for part in watchers[0].parts if is_generated(part[part.find(b"\n") + 1 :][:120])
              or len(part) > 4096]  # fmt: skip
    return frames, LINES / seconds


def arrival(watcher: Watcher, offset: int) -> int:
    """Return when the byte at `offset` was received, in ns since the epoch."""
    return next(received for received, end in watcher.frames if end > offset)


def bare(rig: Rig, frames: Path) -> float:
    """Return lines per second at the slowest watcher of the bare server."""
    with bare_server(frames) as address:
        done = rig.loop.start(_receive_all(address)).result(60)
    return LINES / done


async def _receive_all(address: str) -> float:
    """Return the seconds from the first frame at any socket to the last one at every socket."""

    async def receive() -> tuple[int, int]:
        first = last = 0
        async with connect(address, max_size=None, compression=None, ping_interval=None) as frames:
            async for message in frames:
                last = time.time_ns()
                first = first or last
                # As much as a watcher of the portal does with it.
                digest.update(message)
        return first, last

    digest = hashlib.sha256()
    times = await asyncio.gather(*(receive() for _ in range(WATCHERS)))
    return (max(last for _, last in times) - min(first for first, _ in times)) / 1e9


@contextlib.contextmanager
def bare_server(frames: Path) -> Iterator[str]:
    """Run the bare application as the portal's web process is run."""
    port = free_port()
    argv = [
        sys.executable, "-m", "uvicorn", "bench.bare_asgi:app", "--loop", "uvloop",
        "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--no-access-log",
        "--no-proxy-headers", "--no-server-header", "--log-level", "warning",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    env = os.environ | {"BARE_FRAMES": str(frames), "BARE_WATCHERS": str(WATCHERS)}
    server = subprocess.Popen(argv, cwd=PROJECT, env=env, start_new_session=True)
    try:
        wait_for(lambda: _is_open(port), 20, "the bare server")
        yield f"ws://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


def _is_open(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
