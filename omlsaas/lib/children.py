"""One child process of the launcher: start it, read it, stop it, start it again."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
# Short: whoever watches a run waits for it, and an attempt costs two seconds of one core.
BACK_OFF_S = (0.2, 0.5, 1)
# A child that lived this long was well: the next death starts the back-off anew.
SETTLED_S = 60
LOG_KEPT_BYTES = 5_000_000
# A line without an end is passed on in pieces of about this size.
LINE_MAX = 1 << 20

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent(sig: int) -> Callable[[], None]:
    """Return what a child calls before exec, so that a killed launcher takes it along.

    Linux only (elsewhere the next start finds the left-overs). The signal comes when the
    *thread* that forked ends: start children from the main thread.
    """
    parent = os.getpid()

    def arrange() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, sig)
            if os.getppid() != parent:
                os._exit(1)

    return arrange


@dataclass
class Child:
    """A process in a session of its own, so that the terminal's Ctrl-C does not reach it."""

    name: str
    argv: list[str]
    env: dict[str, str] | None = None
    cwd: Path | None = None
    # Output goes here; without it, to a pipe that the launcher reads.
    log: Path | None = None
    stop_signal: int = signal.SIGTERM
    # What it gets when the launcher is killed. Nothing that it does needs its last words, and
    # a Celery worker whose broker goes at the same moment would wait for it for ever.
    death_signal: int = signal.SIGKILL
    grace_s: float = 15
    user: str | None = None
    process: subprocess.Popen | None = None
    started_at: float = 0.0
    start_again_at: float | None = None
    _deaths: int = 0
    _partial: bytearray = field(default_factory=bytearray)

    def start(self) -> None:
        """Start the process; raises OSError when it cannot be started at all."""
        self.start_again_at = None
        self._partial.clear()
        output = self._open_log() if self.log else subprocess.PIPE
        who = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        try:
            self.process = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(self.death_signal),
                **who,
            )
        finally:
            if self.log:
                os.close(output)
        self.started_at = time.monotonic()
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)

    def _open_log(self) -> int:
        """Return a descriptor at the log's end; a log that has grown too big starts anew."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_KEPT_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def lines(self) -> list[bytes]:
        """Return the lines that have come since the last call; at the end, the rest too."""
        if not self.process or not self.process.stdout or self.process.stdout.closed:
            return []
        ended = not self.is_alive
        with contextlib.suppress(BlockingIOError):
            # Bounded, so that a flooding child cannot hold the launcher here.
            for _ in range(64):
                piece = os.read(self.process.stdout.fileno(), 65536)
                self._partial += piece
                if not piece:
                    ended = True
                    break
        *whole, rest = bytes(self._partial).split(b"\n")
        self._partial[:] = rest
        if rest and (ended or len(rest) > LINE_MAX):
            whole.append(rest)
            self._partial.clear()
        return whole

    def close_pipe(self) -> None:
        """Stop reading: the process is gone and what it said has been read."""
        if self.process and self.process.stdout:
            self.process.stdout.close()

    def plan_restart(self) -> float:
        """Return the seconds until the next start, longer with each early death."""
        if time.monotonic() - self.started_at > SETTLED_S:
            self._deaths = 0
        delay = BACK_OFF_S[min(self._deaths, len(BACK_OFF_S) - 1)]
        self._deaths += 1
        self.start_again_at = time.monotonic() + delay
        return delay

    def send(self, sig: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self.is_alive:
            self.process.send_signal(sig)

    def end_group(self) -> None:
        """Kill what the ended process left in its session; supervisors of runs have their own."""
        if self.process and not self.is_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Return an exit code in words: `exit code 1`, `signal SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def stop_children(children: list[Child], pulse: Callable[[], None]) -> None:
    """Ask all to stop and wait; who does not go within its grace is killed.

    `pulse` is called between looks, at most every 50 ms: read the pipes there.
    """
    begun = time.monotonic()
    for child in children:
        child.start_again_at = None
        child.send(child.stop_signal)
    while any(child.is_alive for child in children):
        pulse()
        for child in children:
            if child.is_alive and time.monotonic() - begun > child.grace_s:
                child.send(signal.SIGKILL)
        time.sleep(0.02)
    pulse()
    for child in children:
        child.end_group()
