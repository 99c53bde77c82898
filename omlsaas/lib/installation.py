"""The files of one installation under var/: its lock, its keys, and what other commands read."""

import base64
import contextlib
import fcntl
import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import IO

from omlsaas.lib.embedded import read_lines, wait_until

# What a cron command must see as the portal sees it. Secrets are not among them: they stand
# in files of their own, or in the environment of whoever brings them.
SHARED_SETTINGS = (
    "ALLOWED_HOSTS", "ANSIBLE_BIN", "API_RATE_ADDRESS", "API_RATE_REFUSED", "API_RATE_TOKEN",
    "API_TOKEN_MAX_DAYS", "APPLY_TIMEOUT_S", "APPROVAL_POLICY_DELAY_S", "AUDIT_ARCHIVE_ROOT",
    "AUDIT_FORWARD", "AUDIT_FORWARD_TOKEN_FILE", "AUDIT_KEEP_DAYS", "AUDIT_KEYS_FILE",
    "BLUEPRINT_ROOT", "CANCEL_GRACE_S", "CELERY_BROKER_URL",
    "CLOUD_ATTEMPTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_POOL_SIZE", "DATABASE_URL",
    "KEEP_DELIVERIES_DAYS", "KEEP_NOTICES_DAYS", "PORTAL_URL", "WEBHOOK_ALLOWED_NETWORKS",
    "DEFAULT_FROM_EMAIL", "EMAIL_URL_FILE", "INVITATION_DAYS", "LOCK_OUT_MINUTES",
    "LOCK_OUT_TRIES", "MFA_REQUIRED_ROLES", "OIDC_PROVIDERS_FILE", "SESSION_HOURS",
    "ENCRYPTION_KEYS_FILE", "FORCE_CANCEL_AFTER_S", "HOST", "HOST_LOST_AFTER_S",
    "HOST_SILENT_AFTER_S", "HTTPS", "INSTANCES_BRANCH", "INSTANCES_REMOTE",
    "INSTANCES_SSH_KEY_FILE",
    "INSTANCES_TOKEN_FILE", "KEEP_LOGS_DAYS", "KEEP_LOGS_RUNS", "KEEP_RUNS_DAYS", "KEEP_STATES",
    "LEASE_RENEW_S", "LEASE_S", "LISTEN_DATABASE_URL", "LOG_LEVEL", "MIN_FREE_BYTES",
    "PLAN_EXPIRES_S", "PLAN_TIMEOUT_S", "PORT", "PROVIDER_ATTEMPTS", "PROVIDER_MIRROR", "REDIS_URL",
    "RUN_LOG_LIMIT", "SECRET_KEY_FILE", "SILENCE_TIMEOUT_S", "STATE_ROOT", "TERRAFORM_BIN",
    "TRUSTED_PROXIES", "WORKDIR_ROOT", "WORKER_CAPACITY", "WORKER_REGIONS",
)  # fmt: skip


class InstallationError(Exception):
    """Why the portal does not start from this folder, in words for the person."""


class Installation:
    """One var/ folder, held by one launcher at a time."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self._lock: IO[str] | None = None
        self._children: dict[str, tuple[int, str]] = {}
        _make_folder(var)

    def hold(self) -> None:
        """Take the lock for as long as this process lives; raises InstallationError."""
        # Never truncated on open: the holder's words must survive the attempt.
        lock = (self.var / "launcher.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid, _, what = lock.read().strip().partition(" ")
            raise InstallationError(
                f"It is already running from this folder: process {pid or '?'}"
                f"{f', {what}' if what else ''}. Stop it with Ctrl-C in its terminal"
                f"{f', or: kill {pid}' if pid else ''}."
            ) from None
        self._lock = lock
        self.tell("starting")

    def tell(self, what: str) -> None:
        """Write into the lock what its holder does, for whoever finds it held."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(f"{os.getpid()} {what}\n")
        self._lock.flush()

    def make_keys(self) -> dict[str, str]:
        """Return the settings that name the key files, made on the first start (0600).

        A key that the environment brings is left there and not written down.
        """
        made = {}
        if not os.environ.get("SECRET_KEY"):
            path = self.var / "secret_key"
            _write_once(path, secrets.token_urlsafe(48))
            made["SECRET_KEY_FILE"] = os.environ.get("SECRET_KEY_FILE") or str(path)
        if not os.environ.get("ENCRYPTION_KEYS"):
            path = self.var / "encryption_keys"
            _write_once(path, f"k1:{_new_key()}")
            made["ENCRYPTION_KEYS_FILE"] = os.environ.get("ENCRYPTION_KEYS_FILE") or str(path)
        if not os.environ.get("AUDIT_KEYS"):
            path = self.var / "audit_keys"
            _write_once(path, f"a1:{_new_key()}")
            made["AUDIT_KEYS_FILE"] = os.environ.get("AUDIT_KEYS_FILE") or str(path)
        _write_once(self.var / "host_id", str(uuid.uuid4()))
        return made

    def write_runtime_env(self, settings: dict[str, str]) -> None:
        """Leave the settings for manage.py and cron commands in runtime.env (0600)."""
        lines = ["# Written at each start; manage.py reads it when DATABASE_URL is not set."]
        for name in SHARED_SETTINGS:
            value = settings.get(name, "")
            if "\n" in value or "\r" in value:
                raise InstallationError(f"{name} has more than one line: give it as one line.")
            if value:
                lines.append(f"{name}={value}")
        _write(self.var / "runtime.env", "\n".join(lines) + "\n")

    def note_child(self, name: str, pid: int) -> None:
        """Write down a child, so that the next start finds it should this launcher be killed."""
        self._children[name] = (pid, start_mark(pid))
        _write(self.var / "children.json", json.dumps(self._children))

    def stop_left_overs(self) -> list[str]:
        """Stop web, worker and beat of a launcher that was killed; returns their names."""
        path = self.var / "children.json"
        noted = {}
        with contextlib.suppress(OSError, ValueError):
            noted = json.loads(path.read_text())
        alive = {name: pid for name, (pid, mark) in noted.items() if start_mark(pid) == mark}
        for sig, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            for name, pid in alive.items():
                if start_mark(pid) == noted[name][1]:
                    os.kill(pid, sig)
            if wait_until(lambda: not any(map(start_mark, alive.values())), seconds):
                break
        path.unlink(missing_ok=True)
        return sorted(alive)


def _new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def start_mark(pid: int) -> str:
    """Return what tells a process from a later one of the same id; empty when it is gone."""
    if sys.platform != "linux":
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True
        )
        return shown.stdout.strip()
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: after the name in brackets,
    # the state is field 3 and the start time field 22.
    stat = "".join(read_lines(Path(f"/proc/{pid}/stat"))).rpartition(")")[2].split()
    if not stat or stat[0] in "ZX":
        return ""
    boot = "".join(read_lines(Path("/proc/sys/kernel/random/boot_id")))
    return f"{boot} {stat[19]}"


def _make_folder(var: Path) -> None:
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InstallationError(f"{var} cannot be made: {error.strerror}") from error
    owner = var.stat().st_uid
    if owner == os.geteuid():
        var.chmod(0o700)
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    raise InstallationError(
        f"{var} belongs to the user {name}: start the portal as {name}, or set VAR_ROOT."
    )


def _write_once(path: Path, text: str) -> None:
    """Write a file that must never change again, whole or not at all."""
    if not path.exists():
        _write(path, text + "\n")


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
