"""A run to which something is done, and what it must have come to."""

import contextlib
import re
import time
from collections import Counter
from pathlib import Path

import psutil

from bench.lab import Lab
from bench.portal import BenchFailed, wait_for
from bench.rig import Rig
from bench.watchers import Watcher

# As the lab's own script prints them: number, of how many, and when (microseconds).
LINE = re.compile(rb"line (\d+) of (\d+) t=(\d+) ")
PAUSE_MS = 50
LATE_S = 90


class Faulted:
    """An install of a tenant that prints numbered lines at a pace, with a watcher and a ledger."""

    def __init__(self, rig: Rig, lab: Lab, name: str, seconds: float) -> None:
        self.lab, self.name, self.count = lab, name, int(seconds * 1000 / PAUSE_MS)
        self.ledger = Path(lab.portal.folder) / f"ledger-{name}"
        self.complaints: list[str] = []
        self.is_stuck = self.is_wrong = False
        self.lost_lines = self.double_applies = 0
        self.status = ""
        lab.tenant(name)
        self.stack = lab.stacks[name]
        self.id = lab.start(
            name,
            delay_ms=0,
            flood_lines=self.count,
            flood_line_ms=PAUSE_MS,
            ledger_path=str(self.ledger),
        )
        self.watcher = Watcher(lab.client, self.id, keep=True)
        rig.loop.watch([self.watcher])
        self._until = time.monotonic() + seconds + LATE_S

    # --- while it runs -----------------------------------------------------------------------

    @property
    def lines_seen(self) -> int:
        """Return how many numbered lines the watcher has."""
        return sum(len(LINE.findall(part)) for part in list(self.watcher.parts))

    def wait_line(self, number: int = 1, seconds: float = 60) -> None:
        """Wait until the watcher has so many lines."""
        what = f"line {number} of {self.name}"
        wait_for(lambda: self.lines_seen >= number, seconds, what, 0.05)

    def first_after(self, moment_ns: int) -> int:
        """Return when the watcher got its first line printed after a moment; 0: not yet."""
        frames, parts = list(self.watcher.frames), list(self.watcher.parts)
        for (received, _), part in zip(frames, parts, strict=False):
            if received <= moment_ns:
                continue
            if any(int(found[3]) * 1000 > moment_ns for found in LINE.finditer(part)):
                return received
        return self.watcher.over_ns if self.watcher.over_ns > moment_ns else 0

    @property
    def seconds_left(self) -> float:
        """Return how long it will go on printing, as the watcher's last line tells."""
        seen = [found for part in list(self.watcher.parts)[-50:] for found in LINE.finditer(part)]
        if not seen:
            return self.count * PAUSE_MS / 1000
        age = time.time() - int(seen[-1][3]) / 1e6
        return (self.count - int(seen[-1][1])) * PAUSE_MS / 1000 - age

    def recovery_s(self, moment_ns: int, seconds: float = 60) -> float:
        """Return how long after a fault the watcher got a line printed after it, or the end."""
        what = f"a line of {self.name} after the fault"
        return (wait_for(lambda: self.first_after(moment_ns), seconds, what) - moment_ns) / 1e9

    def processes(self) -> list[psutil.Process]:
        """Return what runs for this run: its engine and all that the engine has started."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("OMLSAAS_RUN") == self.id:
                    found.append(process)
        return found

    def shim(self) -> psutil.Process:
        """Return the run's supervisor: the parent of its engine."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                parent = process.parent()
                if parent is not None and "shim.py" in " ".join(parent.cmdline()):
                    return parent
        raise BenchFailed(f"{self.name} has no supervisor")

    # --- at its end ----------------------------------------------------------------------------

    def judge(self, wanted: str = "applied") -> None:
        """Wait for the end, then compare status, ledger and lines with what they must be."""
        left = max(5.0, self._until - time.monotonic())
        try:
            self.status = self._wait_end(left)
        except BenchFailed as problem:
            self.is_stuck = True
            self.complaints.append(str(problem))
            return
        if self.status != wanted:
            self.is_wrong = True
            self.complaints.append(f"is {self.status}, not {wanted}")
        self._judge_ledger()
        if wanted == "applied":
            self._judge_lines()

    def _wait_end(self, seconds: float) -> str:
        def look() -> str:
            with contextlib.suppress(OSError, BenchFailed):
                return self.lab.client.try_end(self.id)
            return ""

        return wait_for(look, seconds, f"the end of {self.name}", 0.2)

    def _judge_ledger(self) -> None:
        try:
            rows = self.ledger.read_text().splitlines()
        except FileNotFoundError:
            rows = []
        made = Counter(row.split()[2] for row in rows if row.endswith(" create"))
        twice = {address: times for address, times in made.items() if times > 1}
        self.double_applies = len(twice)
        if twice:
            self.complaints.append(f"applied more than once: {twice}")

    def _judge_lines(self) -> None:
        try:
            wait_for(lambda: self.watcher.is_over, 30, "the end of the log at the watcher")
        except BenchFailed as problem:
            self.is_stuck = True
            self.complaints.append(str(problem))
        log = self.lab.client.log(self.id)
        for where, text in (("stored", log), ("watcher", self.watcher.text)):
            wrong = self._count_wrong(text)
            self.lost_lines += wrong
            if wrong:
                self.complaints.append(f"{wrong} lines lost or twice: {where}")
        if log != self.watcher.text and not self.lost_lines:
            self.lost_lines = 1
            self.complaints.append("the watcher's bytes differ from the stored log's")

    def _count_wrong(self, text: bytes) -> int:
        seen = [int(found[1]) for found in LINE.finditer(text)]
        missing = self.count - len(set(seen))
        twice = len(seen) - len(set(seen))
        return missing + twice + (seen != sorted(seen))
