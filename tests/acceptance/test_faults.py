"""Kill, stop and cut parts of a real portal in the middle of an apply; nothing may show for it.

Each fault ends with the same three questions: is the run what it should be, did the watcher get
every line once, and was every resource applied once.
"""

import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.portal import Person, Portal, wait_for

pytestmark = [pytest.mark.portal, pytest.mark.terraform]
LINES = 400
# The flood prints its lines at this pace, so that an apply lasts for seconds.
LINE_MS = 12


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Return a portal with short leases, in which sharedlab and acme are installed."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform here")
    made = Portal(
        tmp_path_factory.mktemp("faults"), LEASE_S="5", LEASE_RENEW_S="1", CANCEL_GRACE_S="5"
    )
    try:
        made.start()
        for stack in ("sharedlab", "acme"):
            done = made.manage(
                "run_action", stack, "install", "--set", "delay_ms=0", "--confirm", "--wait",
                "--timeout", "90", "--json",
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr + made.output
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def admin(portal):
    """Return the portal's admin, signed in."""
    person = Person(portal, "admin", portal.password)
    yield person
    person.close()


class Watcher(threading.Thread):
    """A browser that comes back with its cursor whenever it is cut off."""

    def __init__(self, portal: Portal, person: Person, run_id: str) -> None:
        super().__init__(daemon=True)
        self.address = f"ws://127.0.0.1:{portal.port}/ws/runs/{run_id}/"
        self.cookie = "; ".join(f"{k}={v}" for k, v in person.http.cookies.items())
        self.text = b""
        self.ended = threading.Event()
        self.gone = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ended.is_set() and not self.gone.is_set():
            try:
                self._listen()
            except (OSError, WebSocketException, TimeoutError):
                time.sleep(0.1)

    def _listen(self) -> None:
        headers = {"Cookie": self.cookie}
        address = f"{self.address}?after={len(self.text)}"
        with connect(address, additional_headers=headers, max_size=None) as socket:
            while not self.gone.is_set():
                try:
                    frame = socket.recv(timeout=1)
                except TimeoutError:
                    continue
                if isinstance(frame, bytes):
                    self.text += frame
                elif json.loads(frame)["type"] == "eof":
                    self.ended.set()
                    return


class Apply:
    """One apply of acme that prints numbered lines, its watcher and its ledger."""

    def __init__(self, portal: Portal, admin: Person, folder: Path) -> None:
        self.portal = portal
        self.ledger = folder / "ledger"
        self.ledger.touch()
        given = {
            "flood_lines": str(LINES),
            "flood_line_ms": str(LINE_MS),
            "flood_id": folder.name.replace("_", "-"),
            "ledger_path": str(self.ledger),
        }
        pairs = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
        done = portal.manage("run_action", "acme", "change", *pairs, "--confirm", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        self.run_id = json.loads(done.stdout)["run_id"]
        self._confirm(admin)
        self.watcher = Watcher(portal, admin, self.run_id)
        wait_for(lambda: b"line 20 of" in self.watcher.text, 60, self.told)

    def _confirm(self, admin: Person) -> None:
        """Say yes where a replaced warm-up makes the portal ask."""
        wait_for(lambda: self.status() in ("planned", "applying"), 60, self.told)
        if self.status() == "planned":
            answer = admin.send(f"/runs/{self.run_id}/", "plan_digest", has_read="on")
            assert answer.status_code in (200, 302), answer.text

    def query(self, sql: str) -> list[tuple]:
        """Ask the database from outside."""
        with psycopg.connect(self.portal.urls["DATABASE_URL"]) as connection:
            return connection.execute(sql, [self.run_id]).fetchall()

    def status(self) -> str:
        """Return where the run stands."""
        return self.query("SELECT status FROM deployments_run WHERE public_id = %s")[0][0]

    def told(self) -> str:
        """Return what went on, for a failure's message."""
        return f"{self.status()}: {self.watcher.text[-500:]}\n{self.portal.output[-3000:]}"

    def assert_applied_once(self) -> None:
        """The run is applied, each line came once, each resource was made once."""
        wait_for(
            lambda: self.status() in ("applied", "errored", "lost", "canceled"), 120, self.told
        )
        assert self.status() == "applied", self.told()
        assert self.watcher.ended.wait(30), self.told()
        text = self.watcher.text.decode()
        found = [int(n) for n in re.findall(rf"line (\d+) of {LINES}\b", text)]
        assert found == list(range(1, LINES + 1))
        made = [line.split()[2:] for line in self.ledger.read_text().splitlines()]
        assert made, "something was applied"
        assert len({tuple(row) for row in made}) == len(made), "nothing was applied twice"

    def child(self, name: str) -> psutil.Process:
        """Return one of the launcher's processes by its part."""
        pid = json.loads((self.portal.var / "children.json").read_text())[name][0]
        return psutil.Process(pid)

    def step_dir(self) -> Path:
        """Return the folder of the step at work."""
        rows = self.query(
            "SELECT step_dir FROM deployments_runstep s JOIN deployments_run r ON r.id = s.run_id"
            " WHERE r.public_id = %s ORDER BY s.number DESC LIMIT 1"
        )
        return Path(rows[0][0])


@pytest.fixture
def apply(portal, admin, tmp_path):
    """Return an apply of acme that is printing its lines."""
    made = Apply(portal, admin, tmp_path)
    yield made
    made.watcher.gone.set()


def test_kill_9_of_the_worker(apply):
    apply.child("worker").kill()
    apply.assert_applied_once()


def test_kill_9_of_the_web_process(apply):
    apply.child("web").kill()
    apply.assert_applied_once()


def test_a_worker_that_sleeps_past_its_lease_and_wakes_up(apply, portal):
    """Another worker of the host takes over; the sleeper writes nothing when it wakes up."""
    sleeper = apply.child("worker")
    sleeper.suspend()
    second = psutil.Popen(sleeper.cmdline(), cwd=sleeper.cwd(), env=sleeper.environ())
    try:
        epoch = (
            "SELECT max(epoch) FROM deployments_runstep s JOIN deployments_run r"
            " ON r.id = s.run_id WHERE r.public_id = %s"
        )
        wait_for(lambda: apply.query(epoch)[0][0] > 1, 60, apply.told)
        sleeper.resume()
        apply.assert_applied_once()
    finally:
        second.terminate()
        second.wait(30)


def test_postgresql_is_restarted(apply, portal):
    """The engine goes on; its log arrives when the database is back."""
    began = "SELECT pg_postmaster_start_time(), %s"
    before = apply.query(began)
    os.kill(_postmaster(portal).pid, signal.SIGINT)

    def is_another():
        try:
            return apply.query(began) != before
        except psycopg.OperationalError:
            return False

    wait_for(is_another, 60, "PostgreSQL is back")
    apply.assert_applied_once()


def _children(portal: Portal) -> list[psutil.Process]:
    return psutil.Process(portal.process.pid).children(recursive=True)


def _postmaster(portal: Portal) -> psutil.Process:
    """Return the server itself: the oldest process that runs PostgreSQL's binary."""
    found = [p for p in _children(portal) if Path(p.exe() or "/").name == "postgres"]
    return min(found, key=lambda p: (p.create_time(), p.pid))


def test_the_broker_is_away_for_a_while(apply, portal):
    """The doorbell is silent; who minds a run does not need it."""
    broker = next(
        child
        for child in _children(portal)
        if "valkey-server" in child.name() or "valkey" in " ".join(child.cmdline()[:1])
    )
    broker.suspend()
    try:
        time.sleep(6)
    finally:
        broker.resume()
    apply.assert_applied_once()


def test_a_killed_supervisor_is_lost_and_the_way_back_is_open(apply, portal, admin):
    """The run is lost, the stack refuses changes, and a plan with a review opens it again."""
    child = json.loads((apply.step_dir() / "child.json").read_text())
    os.kill(child["shim_pid"], signal.SIGKILL)
    wait_for(lambda: apply.status() == "lost", 60, apply.told)
    marked = [
        process.pid
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _has_mark(process, apply.run_id)
    ]
    assert not marked
    refused = portal.manage("run_action", "acme", "change", "--json")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"] == "StackSuspect"
    look = portal.manage("run_action", "acme", "plan", "--wait", "--timeout", "60")
    assert look.returncode == 0, look.stdout + look.stderr
    admin.post(f"/runs/{apply.run_id}/review", {"comment": "looked, it fits"})
    asked = portal.manage("run_action", "--list").stdout
    assert "lost" not in next(row for row in asked.splitlines() if row.startswith("acme"))


def _has_mark(process: psutil.Process, run_id: str) -> bool:
    try:
        return process.environ().get("OMLSAAS_RUN") == run_id
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
