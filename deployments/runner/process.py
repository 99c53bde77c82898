"""Start, find, judge and stop processes: the only place of the project that does it.

A long process (an engine) lives under a shim of its own and outlives the worker that started
it: start_step, judge, request_cancel. A short, read-only command is `capture`. What stands in a
step folder, and who writes it, is told in docs/processes.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from .proctable import HAS_PROC, MARK, is_marked, marked

SHIM = Path(__file__).with_name("shim.py")
STDERR_LIMIT = 64 * 1024
LOCK_WAIT_S = 1.0
KILL_WAIT_S = 5.0

_shims: dict[int, subprocess.Popen] = {}
_shims_lock = threading.Lock()


class StartFailed(Exception):
    """The supervisor of a process could not be started; nothing runs."""


@dataclass(frozen=True)
class Exit:
    """The content of exit.json: how a process ended. Times are seconds since the epoch."""

    exit_code: int | None
    signal: int | None
    because: str | None  # None: by itself; cancel | timeout | silence | log_limit: we asked
    was_forced: bool
    started_at: float
    ended_at: float
    leftovers_killed: int = 0
    error: str | None = None
    max_rss_kb: int = 0
    note: str = ""


@dataclass(frozen=True)
class State:
    """What can be said of a step from this host: see `judge`."""

    kind: Literal["running", "exited", "orphaned", "gone", "not_started"]
    exit: Exit | None = None
    pids: tuple[int, ...] = ()
    engine_alive: bool = False  # of orphans: the engine is among them, not only its children


@dataclass(frozen=True)
class Captured:
    """How a short command ended: a negative code is the signal that ended it."""

    code: int
    stderr: str
    timed_out: bool = False


# -- start ---------------------------------------------------------------------------------


def start_step(
    step_dir: Path,
    argv: list[str],
    cwd: Path,
    env: dict[str, str],
    run_id: str,
    timeout_s: float,
    silence_s: float,
    grace_s: float,
    raw_limit: int,
) -> None:
    """Start a process under a shim of its own; a step that was started before is left alone.

    `env` is the child's whole environment. From the first moment the step's lock is held, by
    us and then by the shim that inherits it, so that nobody can take a starting step for a
    dead one. StartFailed when there is no shim in the end; the step is `not_started` then.
    """
    reap()
    step_dir = Path(step_dir).absolute()  # the supervisor's folder is the root
    step_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock_fd = _lock_for_start(step_dir)
    if lock_fd is None:
        return
    try:
        spec = {
            "step_dir": str(step_dir), "argv": [str(a) for a in argv], "cwd": os.path.abspath(cwd),
            "env": env, "run_id": run_id, "timeout_s": timeout_s, "silence_s": silence_s,
            "grace_s": grace_s, "raw_limit": raw_limit, "lock_fd": lock_fd,
        }  # fmt: skip
        _start_shim(step_dir, json.dumps(spec).encode(), lock_fd)
    finally:
        os.close(lock_fd)


def _lock_for_start(step_dir: Path) -> int | None:
    """Return the held lock, or None when this step has been started before."""
    descriptor = os.open(step_dir / "alive.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + LOCK_WAIT_S  # a probe holds it shared, for microseconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if _was_begun(step_dir) or time.monotonic() > until:
                os.close(descriptor)
                return None
            time.sleep(0.002)
    if _was_begun(step_dir):
        os.close(descriptor)
        return None
    return descriptor


def _was_begun(step_dir: Path) -> bool:
    return any((step_dir / name).exists() for name in ("raw.log", "child.json", "exit.json"))


def _start_shim(step_dir: Path, spec: bytes, lock_fd: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    err_fd = os.open(step_dir / "shim.err", flags, 0o600)
    try:
        shim = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SHIM), str(step_dir)],  # the last for who reads ps
            stdin=subprocess.PIPE, stdout=err_fd, stderr=err_fd, cwd="/", env={},
            pass_fds=(lock_fd,), start_new_session=True,
        )  # fmt: skip
    except OSError as problem:
        raise StartFailed(f"The supervisor cannot be started: {problem}") from problem
    finally:
        os.close(err_fd)
    with _shims_lock:
        _shims[shim.pid] = shim
    try:
        with shim.stdin as pipe:
            pipe.write(spec)
    except BrokenPipeError as problem:
        words = last_words(step_dir)
        raise StartFailed(f"The supervisor ended at its start: {words}") from problem


def last_words(step_dir: Path) -> str:
    """Return what a supervisor that failed said at last; empty when it said nothing."""
    try:
        lines = (Path(step_dir) / "shim.err").read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1][-500:] if lines else ""


def reap() -> int:
    """Collect shims of this worker that have ended; return how many are still there."""
    with _shims_lock:
        for pid, shim in list(_shims.items()):
            if shim.poll() is not None:
                del _shims[pid]
        return len(_shims)


# -- look ----------------------------------------------------------------------------------


def is_alive(step_dir: Path) -> bool:
    """Say whether a shim holds the step: by its lock, so no pid reuse or reboot deceives."""
    try:
        descriptor = os.open(Path(step_dir) / "alive.lock", os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_exit(step_dir: Path) -> Exit | None:
    """Return how the process ended, or None while nothing is known of its end."""
    content = _read_json(Path(step_dir) / "exit.json")
    if content is None:
        return None
    return Exit(**{f.name: content[f.name] for f in fields(Exit) if f.name in content})


def read_child(step_dir: Path) -> dict | None:
    """Return child.json: pid, start_ticks, boot_id, shim_pid, started_at."""
    return _read_json(Path(step_dir) / "child.json")


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def marked_pids(run_id: str) -> list[int]:
    """Return the living processes of a run on this host: engines and all they have started."""
    return marked(run_id)


def judge(step_dir: Path, run_id: str) -> State:
    """Say where a step stands; only a worker of the step's own host may ask.

    running: the shim is alive. exited: the exit file is there. orphaned: the shim has gone
    without an exit file and marked processes live; the engine among them ends by the interrupt
    that the shim's death sent it, what lives on without it may be killed at once (kill_marked).
    gone: the same, and none lives: the outcome is unknown. not_started: no program was ever
    started here (so may a step look that was begun just before the host went down: its row in
    the database knows better).
    """
    step_dir = Path(step_dir)
    if found := read_exit(step_dir):
        return State("exited", exit=found)
    if is_alive(step_dir):
        return State("running")
    if found := read_exit(step_dir):  # written between the two looks
        return State("exited", exit=found)
    if pids := marked_pids(run_id):
        engine = (read_child(step_dir) or {}).get("pid")
        return State("orphaned", pids=tuple(pids), engine_alive=engine in pids)
    return State("gone" if _was_begun(step_dir) else "not_started")


# -- stop ----------------------------------------------------------------------------------


def request_cancel(
    step_dir: Path, mode: Literal["graceful", "kill"] = "graceful", because: str = ""
) -> None:
    """Ask the shim to end its process; counts also before it was started.

    graceful = one SIGINT and the grace time; kill = SIGKILL to the whole tree, and a graceful
    request that comes later does not take it back.
    """
    path = Path(step_dir) / "cancel"
    with contextlib.suppress(ValueError):
        if mode == "graceful" and (_read_json(path) or {}).get("mode") == "kill":
            return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix="cancel.", dir=path.parent)
    with open(descriptor, "w") as file:
        json.dump({"mode": mode, "because": because}, file)
    os.replace(temporary, path)


def kill_marked(run_id: str) -> list[int]:
    """SIGKILL what is left of a run on this host; return the pids that would not die."""
    until = time.monotonic() + KILL_WAIT_S
    pids = marked_pids(run_id)
    while pids and time.monotonic() < until:
        for pid in pids:
            _kill_if_marked(pid, run_id)
        time.sleep(0.01)
        pids = marked_pids(run_id)
    return pids


def _kill_if_marked(pid: int, run_id: str) -> None:
    """Kill by pidfd where there is one: between look and kill the number may change its owner."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not (HAS_PROC and hasattr(os, "pidfd_open")):
            os.kill(pid, signal.SIGKILL)
            return
        descriptor = os.pidfd_open(pid)
        try:
            if is_marked(pid, run_id):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


# -- short commands ------------------------------------------------------------------------


def capture(
    argv: list[str],
    cwd: Path,
    env: dict[str, str],
    run_id: str,
    timeout_s: float,
    out_path: Path,
) -> Captured:
    """Run a short, read-only command and wait; its output goes to a new 0600 file.

    It is marked like an engine, has a session of its own and is killed with its children at
    the time-out: never use it for what writes (apply, state push). Returns the exit code with
    the end of standard error. FileNotFoundError when there is no such program.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(out_path, flags, 0o600), "wb") as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [str(a) for a in argv], cwd=cwd, env={**env, MARK: run_id} if run_id else env,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
        timed_out = not _has_ended(process, timeout_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet: the group is still its own
        process.wait()
        size = err.seek(0, os.SEEK_END)
        err.seek(max(0, size - STDERR_LIMIT))
        return Captured(process.returncode, err.read().decode(errors="replace"), timed_out)


def _has_ended(process: subprocess.Popen, timeout_s: float) -> bool:
    """Wait without reaping, so that its group cannot become somebody else's meanwhile."""
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        finally:
            os.close(descriptor)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
