"""What the launcher starts, and what it tells the person before it does."""

import contextlib
import errno
import hashlib
import http.client
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from omlsaas.lib import runtime_env
from omlsaas.lib.children import Child

PORTS_TRIED = 100
UNHEALTHY_S = 30
# Beside those that mind runs: cancels, admission and housekeeping do not wait for a run's end.
SPARE_THREADS = 4
# Celery warns each time; whether the portal runs as root is said in docs/starting.md.
AS_ROOT = "ignore:You're running the worker with superuser privileges"


class PortalError(Exception):
    """Why the portal does not start, in words for the person."""


def load_env_file(path: Path) -> None:
    """Put a .env file's values into the environment, which wins over the file."""
    for key, value in runtime_env.read(path).items():
        text = value.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = text[1:-1]
        os.environ.setdefault(key.removeprefix("export "), text)


def listen_address(env: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port from HOST and PORT; raises PortalError."""
    return env.get("HOST") or "127.0.0.1", _number(env, "PORT", 8000, 65535)


def _number(env: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) <= highest:
        raise PortalError(f"{name} is {text!r}: give a number from 1 to {highest}.")
    return int(text)


def check_port(env: Mapping[str, str]) -> None:
    """Refuse a port that is taken, and name the next free one; raises PortalError."""
    host, port = listen_address(env)
    trouble = _try_port(host, port)
    if trouble is None:
        return
    if trouble != errno.EADDRINUSE:
        raise PortalError(f"HOST {host}, PORT {port} cannot be used: {os.strerror(trouble)}.")
    later = range(port + 1, min(port + PORTS_TRIED, 65536))
    free = next((other for other in later if _try_port(host, other) is None), None)
    way_out = f"The next free one: PORT={free} make run" if free else "Choose another: PORT="
    raise PortalError(f"Port {port} on {host} is taken by another program. {way_out}")


def _try_port(host: str, port: int) -> int | None:
    """Return why a port cannot be listened on, as an errno; None when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # Only listening tells: two sockets may be bound to one address.
            probe.listen(1)
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno
    return None


def notices(env: Mapping[str, str]) -> list[str]:
    """Return what the person should know before the start."""
    program = env.get("TERRAFORM_BIN") or "terraform"
    if shutil.which(program):
        return []
    return [
        f"{program} is not on this machine. The portal starts, but runs refuse until it is: get it "
        f"from https://developer.hashicorp.com/terraform/install (macOS: brew install "
        f"hashicorp/tap/terraform), or name it: TERRAFORM_BIN=/path/to/terraform make run"
    ]


def settings(env: Mapping[str, str], var: Path, made: dict[str, str]) -> dict[str, str]:
    """Return all settings that the processes share: what the person gave wins over what is made."""
    given = {key: value for key, value in env.items() if value}
    host, port = listen_address(env)
    result = made | given | {"HOST": host, "PORT": str(port), "VAR_ROOT": str(var)}
    result["WORKER_CAPACITY"] = str(_number(env, "WORKER_CAPACITY", 32, 1000))
    # One of the two is enough, in the spelling that redis-py and kombu share.
    if "REDIS_URL" not in given and "CELERY_BROKER_URL" in given:
        result["REDIS_URL"] = given["CELERY_BROKER_URL"]
    if "CELERY_BROKER_URL" not in given and "REDIS_URL" in given:
        result["CELERY_BROKER_URL"] = given["REDIS_URL"]
    if result["CELERY_BROKER_URL"].startswith("unix://"):
        result["CELERY_BROKER_URL"] = "redis+socket" + result["CELERY_BROKER_URL"][4:]
    if result["REDIS_URL"].startswith("redis+socket://"):
        result["REDIS_URL"] = "unix" + result["REDIS_URL"][12:]
    return result


def fingerprint(project: Path, database: str) -> str:
    """Return what changes when there may be something to migrate or to collect."""
    files = [project / "requirements.txt", project / "omlsaas" / "settings.py"]
    files += sorted(path for path in (project / "static").rglob("*") if path.is_file())
    files += sorted(project.glob("*/migrations/*.py"))
    digest = hashlib.sha256(database.encode())
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def url(values: Mapping[str, str]) -> str:
    """Return the address for the person's browser."""
    host = _reachable(values["HOST"])
    return f"http://{f'[{host}]' if ':' in host else host}:{values['PORT']}/"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 compared only


def processes(project: Path, var: Path, env: dict[str, str]) -> list[Child]:
    """Return web, worker and beat, not yet started."""
    run = (sys.executable, "-m")
    web = (
        "uvicorn omlsaas.asgi:application --loop uvloop --ws websockets-sansio "
        "--ws-per-message-deflate false --no-access-log --no-proxy-headers --no-server-header "
        "--log-level warning --timeout-graceful-shutdown 3"
    ).split()
    worker = (
        "celery --quiet -A omlsaas worker -P threads --prefetch-multiplier 1 --without-gossip "
        "--without-mingle --loglevel WARNING"
    ).split()
    beat = "celery --quiet -A omlsaas beat --loglevel WARNING --pidfile= -s".split()
    threads = str(int(env["WORKER_CAPACITY"]) + SPARE_THREADS)
    commands = {
        "web": [*run, *web, "--host", env["HOST"], "--port", env["PORT"]],
        "worker": [sys.executable, "-W", AS_ROOT, "-m", *worker, "-c", threads],
        "beat": [*run, *beat, str(var / "beat-schedule")],
    }
    return [Child(name, argv, env=env, cwd=project) for name, argv in commands.items()]


def name_runs(runs: list[dict]) -> str:
    """Return a sentence's beginning: `run 41 (acme, apply) is at work`."""
    names = [f"run {run['run']} ({run['stack']}, {run['phase']})" for run in runs]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'} at work"


class HealthProbe:
    """Asks /healthz in a thread until it answers 200."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._address = (_reachable(values["HOST"]), int(values["PORT"]))
        allowed = values.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
        self._headers = {"Host": allowed} if allowed and allowed != "*" else {}
        self.is_healthy = False
        self.complaint = ""
        threading.Thread(target=self._ask, name="health", daemon=True).start()

    def _ask(self) -> None:
        begun = time.monotonic()
        while not self.is_healthy:
            answer = self._answer()
            self.is_healthy = answer == 200
            if not self.is_healthy and time.monotonic() - begun > UNHEALTHY_S:
                begun = time.monotonic()
                what = f"answers {answer}" if answer else "does not answer"
                self.complaint = f"After {UNHEALTHY_S} s /healthz {what}; still waiting."
            # A refused connection is a server that starts; an answer that is none costs it a log.
            time.sleep(1 if answer else 0.05)

    def _answer(self) -> int:
        """Return the HTTP status, 0 when there is no answer."""
        connection = http.client.HTTPConnection(*self._address, timeout=5)
        try:
            connection.request("GET", "/healthz", headers=self._headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
