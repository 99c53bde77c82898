"""Mind one process from its start to its exit file: what shim.py runs.

The specification comes as JSON on standard input until its end, so that secrets stand neither
in argv nor on disk: step_dir, argv, cwd, env (the child's whole environment), run_id,
timeout_s, silence_s, grace_s, raw_limit, lock_fd (an inherited descriptor that holds the lock of
alive.lock). The files of a step folder are described in docs/processes.md.

Only the standard library, and little of it: thirty of these stand beside a busy worker.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time

from proctable import MARK, boot_id, descendants, signal_all, start_ticks

TICK_S = 0.1
# An interrupt in an engine's first moments can be lost: Terraform 1.11 forgets one that comes
# before its walk has begun, and a second one would cost it the state. So the first one waits.
SETTLED_S = 1.5
STUBBORN_S = 15.0  # how long left-overs may take to die of SIGKILL before we say so and go
SPARE_BYTES = 4096  # the exit file is allocated at the start, a full disk cannot prevent it
NEARLY_FULL_BYTES = 1 << 20
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def _prctl(option: int, value: int) -> bool:
    """Say whether the kernel took the option; other systems than Linux have none."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = ctypes.c_ulong
    return libc.prctl(option, unsigned(value), unsigned(0), unsigned(0), unsigned(0)) == 0


# -- files ---------------------------------------------------------------------------------


def replace_file(path: str, content: dict) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    with open(f"{path}.tmp", "w", opener=_private) as file:
        json.dump(content, file)
    os.replace(f"{path}.tmp", path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


class Shim:
    """One process: its start, its limits, its cancel, its exit file."""

    def __init__(self, spec: dict) -> None:
        self.step_dir: str = spec["step_dir"]
        self.argv: list[str] = spec["argv"]
        self.cwd: str = spec["cwd"]
        self.run_id: str = spec["run_id"]
        self.env: dict[str, str] = {**spec["env"], MARK: spec["run_id"]}
        self.timeout_s: float = spec["timeout_s"]
        self.silence_s: float = spec["silence_s"]
        self.grace_s: float = spec["grace_s"]
        self.raw_limit: int = spec["raw_limit"]
        self.lock_fd: int = spec["lock_fd"]
        self.told = ""  # the name of a signal that asked us to stop
        self.because: str | None = None
        self.note = ""
        self.error = ""
        self.asked_at = self.killed_at = None
        self.status: int | None = None
        self.max_rss_kb = 0
        self.leftovers: set[int] = set()
        self.raw_size = 0

    def path(self, name: str) -> str:
        return os.path.join(self.step_dir, name)

    def run(self) -> None:
        """Do all of it; SystemExit when this step was started before."""
        os.set_inheritable(self.lock_fd, False)
        if os.path.exists(self.path("exit.json")):
            sys.exit("this step has ended already")
        self.listen()
        self.is_subreaper = _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.started_at = time.time()
        self.spare = self.allocate_exit_file()
        if order := self.order():
            self.because, self.note = "cancel", order.get("because", "")
            self.error = "canceled before it was started"
        else:
            self.start()
            self.mind()
            self.sweep()
        self.write_exit_file()

    def listen(self) -> None:
        """Let signals wake the wait; a request to stop us is a request to stop the child."""
        self.woken, write_end = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.hear)
        for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    def hear(self, number: int, _frame: object) -> None:
        self.told = signal.Signals(number).name

    def wait(self, seconds: float) -> None:
        try:
            if select.select([self.woken], [], [], seconds)[0]:
                os.read(self.woken, 512)
        except (InterruptedError, BlockingIOError):
            return

    # -- start -----------------------------------------------------------------------------

    def start(self) -> None:
        """Fork and wait until the program runs or could not be executed."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self.raw = os.open(self.path("raw.log"), flags, 0o600)  # EXCL: a step starts once
        report, report_end = os.pipe()
        mine = os.getpid()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.pid = os.fork()
        if self.pid == 0:
            self.become_child(report_end, mine)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(report_end)
        self.sounded_at = self.begun_at = time.monotonic()
        self.env.clear()  # the child has it; secrets need not stay in this process
        self.write_child_file()
        with open(report, "rb") as pipe:
            self.error = pipe.read().decode(errors="replace")

    def become_child(self, report_end: int, parent: int) -> None:
        """Execute the program in this fork; never returns."""
        try:
            self.reset_signals()
            os.setsid()  # a child that signals its own group must not meet its supervisor
            _prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:  # the supervisor died before the line above
                os._exit(125)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (self.raw, 1), (self.raw, 2)):
                os.dup2(source, target)
            if report_end != 3:
                os.dup2(report_end, 3, inheritable=False)
            os.closerange(4, 65536)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold secrets
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.chdir(self.cwd)
            os.execvpe(self.argv[0], self.argv, self.env)  # noqa: S606  # never a shell
        except OSError as problem:
            words = f"cannot start {self.argv[0]} in {self.cwd}: {problem.strerror}"
            os.write(2, f"{words}\n".encode(errors="replace"))
            os.write(3, words.encode(errors="replace"))
            os._exit(127 if problem.errno == errno.ENOENT else 126)
        finally:
            os._exit(126)

    @staticmethod
    def reset_signals() -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_DFL)
            except OSError:  # the two that the C library keeps for itself
                continue

    def write_child_file(self) -> None:
        """Tell who the child is; a full disk here must not disturb the child."""
        content = {
            "pid": self.pid,
            "start_ticks": start_ticks(self.pid),
            "boot_id": boot_id(),
            "shim_pid": os.getpid(),
            "started_at": self.started_at,
        }
        try:
            os.fsync(self.spare)  # the blocks of the exit file are given, no longer promised
            replace_file(self.path("child.json"), content)
        except OSError as problem:
            print(f"child.json: {problem}", file=sys.stderr)

    # -- its life --------------------------------------------------------------------------

    def mind(self) -> None:
        """Return when the child has ended, by itself or by what it was told."""
        while True:
            self.reap()
            if self.status is not None:
                return
            self.check()
            self.wait(TICK_S)

    def reap(self) -> bool:
        """Collect every ended child; False when there is none left at all."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.pid:
                self.status = status
                scale = 1024 if sys.platform == "darwin" else 1
                self.max_rss_kb = usage.ru_maxrss // scale

    def check(self) -> None:
        """Obey the cancel file, a signal and the limits."""
        now = time.monotonic()
        order = self.order()
        if (size := os.fstat(self.raw).st_size) != self.raw_size:
            self.raw_size, self.sounded_at = size, now
        is_settled = now - self.begun_at >= SETTLED_S or order.get("mode") == "kill"
        if self.asked_at is None and is_settled and (because := self.reason(now, order)):
            self.because, self.note, self.asked_at = because, order.get("because", ""), now
            if order.get("mode") != "kill":
                signal_all([self.pid], signal.SIGINT)  # once: a second costs Terraform its state
        if self.asked_at is None:
            return
        overdue = now - self.asked_at >= self.grace_s or size > 2 * self.raw_limit
        again = self.killed_at is None or now - self.killed_at >= 1
        if again and (overdue or order.get("mode") == "kill"):
            self.killed_at = now
            signal_all([self.pid, *descendants(os.getpid(), self.run_id)])

    def reason(self, now: float, order: dict) -> str:
        if order:
            return "cancel"
        if now - self.begun_at >= self.timeout_s:
            return "timeout"
        if now - self.sounded_at >= self.silence_s:
            return "silence"
        return "log_limit" if self.raw_size > self.raw_limit else ""

    def order(self) -> dict:
        """Return what the cancel file or a signal asks for; empty when nobody asks."""
        try:
            with open(self.path("cancel"), "rb") as file:
                order = json.load(file)
            return order if isinstance(order, dict) and order else {"mode": "graceful"}
        except ValueError:
            return {"mode": "graceful", "because": "unreadable cancel file"}
        except OSError:
            return {"mode": "graceful", "because": self.told} if self.told else {}

    def sweep(self) -> None:
        """Kill and collect what the child left behind, also in sessions of its own."""
        until = time.monotonic() + STUBBORN_S
        # As a subreaper we inherit every descendant: no children means that nothing is left.
        while self.reap() or not self.is_subreaper:
            left = descendants(os.getpid(), self.run_id)
            if not left and not self.is_subreaper:
                return
            if time.monotonic() > until:
                self.error = f"processes that do not die of SIGKILL: {sorted(left)}"
                return
            self.leftovers.update(pid for pid, state in left.items() if state != "Z")
            signal_all([*left])
            self.wait(0.01)

    # -- end -------------------------------------------------------------------------------

    def allocate_exit_file(self) -> int:
        path = self.path("exit.json.tmp")
        spare = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.write(spare, b" " * SPARE_BYTES)
        return spare

    def write_exit_file(self) -> None:
        """Fill the file that was allocated at the start, and only then give it its name."""
        content = json.dumps(self.outcome(), ensure_ascii=False).encode(errors="replace")
        os.pwrite(self.spare, content, 0)
        os.ftruncate(self.spare, len(content))
        os.fsync(self.spare)
        os.rename(self.path("exit.json.tmp"), self.path("exit.json"))
        folder = os.open(self.step_dir, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def outcome(self) -> dict:
        code = signum = None
        if self.status is not None:
            signum = os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None
            code = None if signum else os.WEXITSTATUS(self.status)
        disk = os.statvfs(self.step_dir)
        if (code or signum) and disk.f_bavail * disk.f_frsize < NEARLY_FULL_BYTES:
            self.error = self.error or "no space left on the disk of the workdir"
        return {
            "exit_code": code,
            "signal": signum,
            "because": self.because,
            "note": self.note[:200],
            "was_forced": self.killed_at is not None,
            "started_at": self.started_at,
            "ended_at": time.time(),
            "leftovers_killed": len(self.leftovers),
            "error": self.error[:400] or None,
            "max_rss_kb": self.max_rss_kb,
        }


def main() -> None:
    os.umask(0o077)
    with open(0, "rb", closefd=False) as stdin:
        shim = Shim(json.load(stdin))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if os.getpgrp() != os.getpid():
        os.setsid()
    shim.run()
