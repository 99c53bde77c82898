"""The portal of the demo: the launcher as `make run` starts it, and its commands."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parent.parent
# An installation's settings, from the shell or from .env: the demo has servers and keys of its own.
OTHERS = (
    "DATABASE_URL", "LISTEN_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY",
    "SECRET_KEY_FILE", "ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE", "AUDIT_KEYS", "INSTANCES_REMOTE",
)  # fmt: skip
STARTS_WITHIN_S = 300
STOPS_WITHIN_S = 60


class PortalEnded(Exception):
    """The launcher ended; it has said why."""


class Portal:
    """One launcher in the foreground; it has the terminal, and so the Ctrl-C."""

    def __init__(self, var: Path, port: str, mirror: str) -> None:
        self.var = var
        host = os.environ.get("HOST") or "127.0.0.1"
        self.url = f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}"  # noqa: S104 compared
        self.env = (
            dict(os.environ)
            # An empty value keeps the line of .env out.
            | dict.fromkeys(OTHERS, "")
            | {"VAR_ROOT": str(var), "PORT": port, "PROVIDER_MIRROR": mirror}
            # An empty one would be the working directory.
            | {"WORKDIR_ROOT": str(var / "workdirs"), "STATE_ROOT": str(var / "state")}
        )
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises PortalEnded."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omlsaas.launcher"], cwd=PROJECT, env=self.env
        )
        until = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise PortalEnded
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310
                return answer.status == 200
        except OSError:
            return False

    def seed(self, wanted: dict[str, Any]) -> list[list[str]]:
        """Make what is described; return (name, address of its page) of each. Raises PortalEnded.

        It goes by standard input: a secret on a command line shows in `ps`.
        """
        done = subprocess.run(
            [sys.executable, "manage.py", "seed_cloud"],
            cwd=PROJECT, env={k: v for k, v in self.env.items() if v},
            input=json.dumps(wanted), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            raise PortalEnded
        return [line.split("\t") for line in done.stdout.splitlines()]

    def wait(self) -> int:
        """Return the launcher's exit code when it has ended."""
        return self.process.wait()

    def tell(self, number: int) -> None:
        """Pass a signal on."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """Stop it, with the runs that would go on: what they speak to ends with the demo."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in self._left_over():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _left_over(self) -> list[psutil.Process]:
        """Return processes that work in the demo's folder: supervisors and engines."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = [*process.cmdline(), process.cwd()]
                if process.pid != os.getpid() and any(str(self.var) + "/" in w for w in words):
                    found.append(process)
        return found
