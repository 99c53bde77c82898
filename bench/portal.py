"""A portal of the bench's own: started as `make run` starts it, in a temporary folder."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

PROJECT = Path(__file__).resolve().parent.parent
# What the person's shell may hold and a portal of ours must not see.
OTHERS = (
    "DATABASE_URL", "LISTEN_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY",
    "SECRET_KEY_FILE", "ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE", "AUDIT_KEYS", "AUDIT_KEYS_FILE",
    "VAR_ROOT", "WORKDIR_ROOT", "STATE_ROOT", "HOST", "PORT", "TERRAFORM_BIN",
    "DJANGO_SETTINGS_MODULE", "ALLOWED_HOSTS",
)  # fmt: skip
STOP_S = 90
Answer = TypeVar("Answer")


class BenchFailed(Exception):
    """Why a figure could not be measured."""


def wait_for(look: Callable[[], Answer], seconds: float, what: str, pause: float = 0.02) -> Answer:
    """Return the first true answer of `look`; raises BenchFailed when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > until:
            raise BenchFailed(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
    return answer


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Portal:
    """One launcher with its servers, web, worker and beat; use as a context manager."""

    def __init__(self, folder: Path | None = None, **settings: str) -> None:
        self._owns_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="omlsaas-bench-"))
        self.var = self.folder / "var"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password = ""
        self.lines: list[str] = []
        clean = {key: value for key, value in os.environ.items() if key not in OTHERS}
        self.env = clean | {"VAR_ROOT": str(self.var), "PORT": str(self.port)} | settings
        self.launcher: subprocess.Popen | None = None
        self.started_s = 0.0

    # --- life ------------------------------------------------------------------------------

    def __enter__(self) -> "Portal":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._remove_sockets()
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, seconds: float = 90) -> float:
        """Start it; returns the seconds until it answered HTTP 200."""
        begun = time.monotonic()
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", "omlsaas.launcher"],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.launcher.stdout,), daemon=True).start()
        wait_for(self._is_answering, seconds, "the portal's first answer", 0.01)
        self.started_s = time.monotonic() - begun
        wait_for(lambda: self._said("omlsaas is ready"), seconds, "the launcher's last word")
        return self.started_s

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.append(line.rstrip())
            if found := re.search(r"Password\s+(\S+)", line):
                self.password = found[1]

    def _said(self, words: str) -> bool:
        return any(words in line for line in list(self.lines))

    def _is_answering(self) -> bool:
        if self.launcher.poll() is not None:
            raise BenchFailed("the portal did not start:\n" + "\n".join(self.lines[-20:]))
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it and whatever is left of its runs."""
        if self.launcher is None:
            return
        for pid in self._paused():
            _signal(pid, signal.SIGCONT)
        if self.launcher.poll() is None:
            self.launcher.terminate()
            try:
                self.launcher.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
        self.launcher.wait()
        self.launcher = None
        for process in self._left_over():
            _signal(process.pid, signal.SIGKILL)

    def _paused(self) -> list[int]:
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(self.launcher.pid).children(recursive=True)
            return [p.pid for p in family if p.status() == psutil.STATUS_STOPPED]
        return []

    def _left_over(self) -> list[psutil.Process]:
        """Return processes that work in this portal's folder: supervisors and engines."""
        mark = str(self.folder)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid == os.getpid():
                    continue
                words = [*process.cmdline(), process.cwd(), *process.environ().values()]
                words += [file.path for file in process.open_files()]
                if any(mark in word for word in words):
                    found.append(process)
        return found

    def _remove_sockets(self) -> None:
        for line in self.runtime_env().values():
            if found := re.search(r"(/[^ ?]*/omlsaas-[0-9a-f-]+)/valkey\.sock", line):
                shutil.rmtree(found[1], ignore_errors=True)

    # --- inside ----------------------------------------------------------------------------

    def runtime_env(self) -> dict[str, str]:
        """Return what the portal left for commands: the addresses of its servers."""
        try:
            lines = (self.var / "runtime.env").read_text().splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    def child(self, *words: str) -> psutil.Process | None:
        """Return the launcher's child whose command line holds all the words."""
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self.launcher.pid).children():
                with contextlib.suppress(psutil.Error):
                    line = " ".join(process.cmdline())
                    if process.status() != psutil.STATUS_ZOMBIE and all(w in line for w in words):
                        return process
        return None

    def web(self) -> psutil.Process | None:
        """Return the web process."""
        return self.child("uvicorn")

    def worker(self) -> psutil.Process | None:
        """Return the worker process."""
        return self.child("celery", "worker")

    def beat(self) -> psutil.Process | None:
        """Return the beat process."""
        return self.child("celery", "beat")

    def postgres(self) -> psutil.Process | None:
        """Return the database server."""
        return self.child("postgres", "-D")

    def manage(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess:
        """Run a management command as cron would."""
        return subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), *arguments],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
