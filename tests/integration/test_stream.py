"""The websockets under a real uvicorn: order, resumption, faults, and who may watch."""

import asyncio
import json
import threading
import time
from contextlib import ExitStack

import pytest
from django.conf import settings as portal_settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from deployments import notify
from deployments.consumers import FleetConsumer, WatchingConsumer
from deployments.logcompact import compact
from deployments.logs import LogWriter
from deployments.models import Run, RunStep
from deployments.runner.plays import Plays
from deployments.tailer import Hub
from tenants.models import Membership
from tests.asgiserver import serving
from tests.factories import make_run, make_step, make_tenant, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    with serving() as running:
        yield running


@pytest.fixture
def sockets():
    """Close whatever a test has opened."""
    with ExitStack() as stack:
        yield stack


def cookie_of(user) -> str:
    client = Client()
    client.force_login(user)
    name = portal_settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


class Watcher:
    """A client that keeps what it got: bytes, messages, and the code it was closed with."""

    def __init__(self, server, path: str, cookie: str = "", origin: str | None = None) -> None:
        headers = {"Cookie": cookie} if cookie else {}
        opening = connect(
            f"ws://{server.address}{path}",
            additional_headers=headers,
            origin=origin,
            max_size=None,
            compression=None,
            proxy=None,
        )
        # Tests close it themselves, some in the middle.
        self.socket: ClientConnection = opening.__enter__()
        self.text, self.messages, self.code = bytearray(), [], None

    def next(self, timeout: float = 20.0):
        """Take one frame; returns it, or None when the server has closed."""
        try:
            frame = self.socket.recv(timeout=timeout)
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else 1006
            return None
        if isinstance(frame, bytes):
            self.text += frame
        else:
            self.messages.append(json.loads(frame))
        return frame

    def until(self, condition, timeout: float = 20.0) -> "Watcher":
        """Take frames until a condition holds."""
        stop = time.monotonic() + timeout
        while not condition(self):
            if self.next(max(0.01, stop - time.monotonic())) is None:
                raise AssertionError(f"closed with {self.code}: {self.messages[-3:]}")
        return self

    def until_closed(self) -> "Watcher":
        """Take frames until the server closes."""
        while self.next() is not None:
            pass
        return self

    def message(self, kind: str):
        """Return the newest message of a kind, or None."""
        return next((m for m in reversed(self.messages) if m["type"] == kind), None)


@pytest.fixture
def watch(server, sockets):
    """Return a function that watches a run, as a viewer of everything unless told otherwise."""
    viewer = []

    def start(run: Run, after: object = None, **more) -> Watcher:
        if not viewer and "cookie" not in more:
            viewer.append(cookie_of(make_user(role="viewer")))
        query = "" if after is None else f"?after={after}"
        more.setdefault("cookie", viewer[0] if viewer else "")
        watcher = Watcher(server, f"/ws/runs/{run.public_id}/{query}", **more)
        sockets.callback(watcher.socket.close)
        return watcher

    return start


class Writing:
    """A run at work and its writer."""

    def __init__(self) -> None:
        self.run = make_run(status="applying")
        self.writer = LogWriter(make_step(self.run))
        self.text = bytearray()

    def lines(self, count: int, *, length: int = 60) -> None:
        """Store some lines more."""
        at = self.text.count(b"\n")
        for number in range(at, at + count):
            line = b"%08d %s\n" % (number, b"x" * length)
            self.text += line
            self.writer.append(self.writer.raw_seen + len(line), line)
            if self.writer.is_full:
                self.writer.flush()
        self.writer.flush()

    def become(self, status: str, **fields) -> None:
        """Change the run's row as a service does."""
        for name, value in {"status": status, **fields}.items():
            setattr(self.run, name, value)
        with transaction.atomic():
            self.run.save()
            notify.run_changed(self.run)

    def end(self) -> None:
        """End the run."""
        self.become("applied", ended_at=timezone.now(), log_state="complete")


class TestStreaming:
    def test_hello_then_the_whole_log_then_eof(self, watch):
        work = Writing()
        work.lines(500)
        work.end()
        watcher = watch(work.run).until_closed()
        assert watcher.messages[0]["type"] == "hello"
        assert watcher.messages[0] | {"offset": 0, "status": "applied"} == watcher.messages[0]
        assert watcher.text == work.text
        assert watcher.messages[-1]["type"] == "eof"
        assert watcher.messages[-1]["offset"] == len(work.text)
        assert watcher.code == 1000

    def test_lines_arrive_while_they_are_written(self, watch):
        work = Writing()
        watcher = watch(work.run).until(lambda w: w.message("hello"))
        for _ in range(20):
            work.lines(3)
            watcher.until(lambda w: w.text == work.text)
        work.end()
        watcher.until_closed()
        assert watcher.message("run")["status"] == "applied"
        assert watcher.text == work.text

    def test_a_socket_that_comes_back_resumes_at_its_cursor(self, watch):
        work = Writing()
        work.lines(50)
        first = watch(work.run).until(lambda w: w.text == work.text)
        first.socket.close()
        work.lines(50)
        second = watch(work.run, after=len(first.text))
        work.lines(50)
        second.until(lambda w: first.text + w.text == work.text)

    def test_an_offset_in_the_middle_of_a_line_is_exact(self, watch):
        work = Writing()
        work.lines(1000)
        work.end()
        watcher = watch(work.run, after=12_345).until_closed()
        assert watcher.text == work.text[12_345:]

    def test_a_log_longer_than_all_pages_kept_is_whole(self, watch):
        work = Writing()
        work.lines(12_000, length=1000)
        work.end()
        watcher = watch(work.run).until_closed()
        assert len(work.text) > 11 << 20
        assert watcher.text == work.text

    def test_frames_are_bounded_and_end_with_their_line(self, watch):
        work = Writing()
        work.lines(10_000, length=200)
        work.end()
        watcher = watch(work.run)
        frames = []
        while (frame := watcher.next()) is not None:
            frames += [frame] if isinstance(frame, bytes) else []
        assert max(map(len, frames)) <= 256 * 1024
        assert all(frame.endswith(b"\n") for frame in frames)

    def test_a_line_of_two_megabytes_passes(self, watch):
        work = Writing()
        work.lines(1, length=2 << 20)
        work.lines(2)
        work.end()
        assert watch(work.run).until_closed().text == work.text

    def test_many_watchers_get_the_same_while_compaction_runs(self, watch):
        work = Writing()
        watchers = [watch(work.run) for _ in range(5)]
        work.lines(30_000)
        work.end()
        late = [watch(work.run, after=offset) for offset in (0, 7, 1_000_000)]
        assert compact(work.run.pk)
        for watcher in watchers:
            assert watcher.until_closed().text == work.text
        for watcher, offset in zip(late, (0, 7, 1_000_000), strict=True):
            assert watcher.until_closed().text == work.text[offset:]

    def test_a_socket_that_reads_nothing_holds_up_nobody(self, watch):
        work = Writing()
        slow = watch(work.run).until(lambda w: w.message("hello"))
        quick = watch(work.run).until(lambda w: w.message("hello"))
        # More than the slow one's library buffers by itself before it stops reading.
        work.lines(20_000, length=1000)
        quick.until(lambda w: w.text == work.text)
        work.end()
        assert slow.until_closed().text == work.text

    def test_the_line_of_a_run_that_took_over_comes_once(self, watch):
        work = Writing()
        watcher = watch(work.run)
        work.lines(10)
        step = RunStep.objects.get(run=work.run)
        RunStep.objects.filter(pk=step.pk).update(epoch=step.epoch + 1)
        old, work.writer = work.writer, LogWriter(RunStep.objects.get(pk=step.pk))
        work.lines(10)
        old.append(old.raw_seen + 1, b"from the past\n")
        with pytest.raises(Exception, match="another writer"):
            old.flush()
        work.lines(10)
        work.end()
        assert watcher.until_closed().text == work.text


class TestMessages:
    def test_a_change_of_status_is_told_once(self, watch):
        work = Writing()
        watcher = watch(work.run).until(lambda w: w.message("hello"))
        work.become("applying", cancel_requested_at=timezone.now(), cancel_mode="graceful")
        watcher.until(lambda w: w.message("run"))
        assert watcher.message("run")["canceling"] is True
        notify.run_changed(work.run)
        work.end()
        watcher.until_closed()
        assert [m["status"] for m in watcher.messages if m["type"] == "run"] == [
            "applying",
            "applied",
        ]

    def test_progress_is_told(self, watch):
        work = Writing()
        watcher = watch(work.run).until(lambda w: w.message("hello"))
        work.writer.append(5, b"x\n", {"done": 3, "total": 8, "counts": {"create": 8}})
        work.writer.flush()
        watcher.until(lambda w: w.message("progress"))
        told = {"type": "progress", "done": 3, "total": 8, "counts": {"create": 8}}
        assert watcher.message("progress") == told

    def test_a_playbooks_counters_are_told(self, watch):
        work = Writing()
        watcher = watch(work.run).until(lambda w: w.message("hello"))
        plays = Plays()
        at = "2026-01-01T00:00:00.000Z"
        plays.update([
            {"type": "ansible_task", "task": "one", "number": 1, "place": "", "at": at},
            {"type": "ansible_result", "host": "app-one", "status": "changed", "number": 1,
             "began": at, "at": at},
        ])  # fmt: skip
        work.writer.append(5, b"x\n", plays.to_dict())
        work.writer.flush()
        watcher.until(lambda w: w.message("progress"))
        told = watcher.message("progress")
        assert (told["done"], told["total"]) == (1, None)
        assert told["counts"]["changed"] == 1 and told["counts"]["ok"] == 0

    def test_a_removed_log_is_an_eof_at_once(self, watch):
        work = Writing()
        work.lines(10)
        work.end()
        Run.objects.filter(pk=work.run.pk).update(log_state="pruned")
        watcher = watch(work.run).until_closed()
        assert (watcher.text, watcher.messages[-1]["type"]) == (b"", "eof")

    def test_a_beat_says_where_the_log_ends(self, watch, monkeypatch):
        monkeypatch.setattr("deployments.tailer.BEAT_S", 0.1)
        work = Writing()
        work.lines(3)
        watcher = watch(work.run)
        work.lines(3)
        watcher.until(lambda w: w.message("beat") and w.message("beat")["end"] == len(work.text))
        assert watcher.message("beat")["lag_ms"] >= 0


class TestFaults:
    def test_without_hints_lines_arrive_by_polling(self, watch, wait_until):
        work = Writing()
        watcher = watch(work.run).until(lambda w: w.message("hello"))
        wait_until(lambda: listeners(), what="a LISTEN connection")
        stop = threading.Event()
        killer = threading.Thread(target=keep_killing, args=(stop,))
        killer.start()
        try:
            for _ in range(3):
                work.lines(5)
                watcher.until(lambda w: w.text == work.text)
        finally:
            stop.set()
            killer.join()

    def test_all_connections_of_the_web_process_cut_and_nothing_is_lost(self, watch, wait_until):
        work = Writing()
        work.lines(100)
        watcher = watch(work.run).until(lambda w: w.text == work.text)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        work.lines(100)
        watcher.until(lambda w: w.text == work.text)
        work.end()
        assert watcher.until_closed().text == work.text

    def test_the_server_stops_quickly_with_open_sockets(self, settings, tmp_path):
        settings.STATIC_ROOT = tmp_path
        work = Writing()
        cookie = cookie_of(make_user(role="viewer"))
        with serving() as running:
            path = f"/ws/runs/{work.run.public_id}/"
            watchers = [Watcher(running, path, cookie) for _ in range(5)]
            for watcher in watchers:
                watcher.until(lambda w: w.message("hello"))
            running.should_exit = True
            for watcher in watchers:
                assert watcher.until_closed().code == 1012
        for thread in threading.enumerate():
            assert thread.name != "uvicorn"

    def test_a_socket_that_is_cancelled_lets_go_of_everything(self):
        user = make_user(role="viewer")

        async def cancelled() -> object:
            events, sent = asyncio.Queue(), asyncio.Queue()
            events.put_nowait({"type": "websocket.connect"})
            scope = {"type": "websocket", "user": user, "subprotocols": []}
            scope["session"] = SessionStore()
            task = asyncio.create_task(FleetConsumer.as_asgi()(scope, events.get, sent.put))
            async with asyncio.timeout(20):
                while (await sent.get())["type"] != "websocket.send":
                    pass
            hub = Hub._hubs[asyncio.get_running_loop()]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return Hub._hubs.get(asyncio.get_running_loop()) or hub.fleet or hub.people

        assert not asyncio.run(cancelled())

    def test_a_socket_that_is_cancelled_while_it_enters_leaves_again(self, monkeypatch):
        async def cancelled(pool) -> None:
            raise asyncio.CancelledError

        async def enter() -> object:
            monkeypatch.setattr("deployments.tailer.AsyncConnectionPool.open", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await Hub.enter()
            return Hub._hubs.get(asyncio.get_running_loop())

        assert asyncio.run(enter()) is None


def listeners() -> int:
    """Return how many backends of the test's database listen to every channel."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle' AND query = %s",
            [f"LISTEN {notify.CHANNELS[-1]}"],
        )
        return cursor.fetchone()[0]


def keep_killing(stop: threading.Event) -> None:
    """End every connection that has just said LISTEN, again and again."""
    try:
        while not stop.wait(0.02):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
    finally:
        connection.close()


class TestWhoMay:
    def test_a_stranger_is_closed_with_4401(self, watch):
        assert watch(make_run(), cookie="").until_closed().code == 4401

    def test_an_outsider_is_closed_with_4404_and_told_nothing(self, watch):
        charlie = make_user("charlie", role="operator", over=make_tenant("globex"))
        watcher = watch(make_run(), cookie=cookie_of(charlie)).until_closed()
        assert (watcher.code, watcher.messages, len(watcher.text)) == (4404, [], 0)

    def test_a_run_that_is_none_is_closed_with_4404(self, watch):
        run = Run(public_id="run_none")
        assert watch(run).until_closed().code == 4404

    def test_a_path_that_is_none_is_closed_with_4404(self, server):
        cookie = cookie_of(make_user(role="admin"))
        assert Watcher(server, "/ws/nothing/", cookie).until_closed().code == 4404

    @pytest.mark.parametrize("after", ["-1", "abc", "", "1.5", "9" * 30])
    def test_an_offset_that_is_none_is_closed_with_4400(self, watch, after):
        assert watch(make_run(), after=after).until_closed().code == 4400

    def test_an_offset_beyond_the_end_is_closed_with_4416(self, watch):
        work = Writing()
        work.lines(1)
        assert watch(work.run, after=len(work.text) + 1).until_closed().code == 4416

    def test_a_page_of_another_site_is_refused(self, server):
        cookie = cookie_of(make_user(role="admin"))
        with pytest.raises(Exception, match="403"):
            Watcher(server, "/ws/fleet/", cookie, origin="https://elsewhere.example")

    def test_a_page_of_ours_is_let_in(self, server, sockets):
        cookie = cookie_of(make_user(role="admin"))
        watcher = Watcher(server, "/ws/fleet/", cookie, origin=f"http://{server.address}")
        sockets.callback(watcher.socket.close)
        watcher.until(lambda w: w.message("hello"))

    def test_signing_out_closes_the_socket(self, watch):
        work = Writing()
        user = make_user(role="viewer")
        client = Client()
        client.force_login(user)
        name = portal_settings.SESSION_COOKIE_NAME
        watcher = watch(work.run, cookie=f"{name}={client.cookies[name].value}")
        watcher.until(lambda w: w.message("hello"))
        client.logout()
        assert watcher.until_closed().code == 4401

    def test_a_demanded_second_factor_is_demanded_of_sockets_too(
        self, watch, settings, monkeypatch
    ):
        monkeypatch.setattr("deployments.consumers.RECHECK_S", 0.1)
        work = Writing()
        user = make_user(role="viewer")
        watcher = watch(work.run, cookie=cookie_of(user)).until(lambda w: w.message("hello"))
        settings.MFA_REQUIRED_ROLES = ["viewer"]
        assert watcher.until_closed().code == 4403
        assert watch(work.run, cookie=cookie_of(user)).until_closed().code == 4403

    def test_a_role_taken_away_closes_the_socket(self, watch, monkeypatch):
        monkeypatch.setattr("deployments.consumers.RECHECK_S", 0.1)
        work = Writing()
        user = make_user(role="viewer", over=work.run.stack.tenant)
        watcher = watch(work.run, cookie=cookie_of(user)).until(lambda w: w.message("hello"))
        Membership.objects.filter(user=user).delete()
        assert watcher.until_closed().code == 4404

    def test_no_socket_goes_through_the_channel_layer(self):
        from channels.layers import get_channel_layer

        assert get_channel_layer(WatchingConsumer.channel_layer_alias) is None


class TestFleet:
    def fleet(self, server, sockets, user) -> Watcher:
        watcher = Watcher(server, "/ws/fleet/", cookie_of(user))
        sockets.callback(watcher.socket.close)
        return watcher.until(lambda w: w.message("hello"))

    def test_tells_of_what_the_person_may_see_only(self, server, sockets, wait_until):
        mine, other = make_tenant(), make_tenant()
        bob = make_user("bob", role="viewer", over=mine)
        watcher = self.fleet(server, sockets, bob)
        wait_until(listeners, what="a LISTEN connection")
        run, hidden = make_run(mine), make_run(other)
        # The first word is "anything may have changed", for what happened before the socket.
        while not (watcher.message("changed") and watcher.message("changed")["stacks"]):
            notify.run_changed(hidden)
            notify.run_changed(run)
            watcher.next()
        told = [m for m in watcher.messages if m["type"] == "changed"]
        assert {stack for m in told for stack in m["stacks"] or []} == {mine.stack.public_id}
        assert told[-1]["regions"] == [mine.region.slug]

    def test_a_stranger_is_closed_with_4401(self, server):
        assert Watcher(server, "/ws/fleet/").until_closed().code == 4401
