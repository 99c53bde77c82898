"""The websockets: one run's log and status, and "something in the fleet has changed".

docs/streaming.md describes the protocol for other clients.
"""

import asyncio
import contextlib
import logging
import random
from importlib import import_module
from typing import Any

import orjson
import psycopg
from asgiref.typing import WebSocketDisconnectEvent
from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError

from deployments.models import Run
from deployments.tailer import BEAT_S, POLL_S, Hub, Tailer
from tenants.models import Stack, User
from tenants.signin import factors

# Close codes of our own (4000 to 4999: RFC 6455 section 7.4.2). They mirror HTTP's.
BAD_OFFSET, SIGNED_OUT, NOT_FOUND, BEYOND_END = 4400, 4401, 4404, 4416
SECOND_FACTOR = 4403
RECHECK_S = 60
FLEET_S = 1.0
log = logging.getLogger(__name__)


class WatchingConsumer(AsyncWebsocketConsumer):
    """A socket that only sends. Subclasses say who may watch (`admit`) and what (`pump`)."""

    # No message of a socket goes through the channel layer: a broker that is down must not
    # cut those who watch.
    channel_layer_alias = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hub: Hub | None = None
        self.tasks: list[asyncio.Task] = []
        self.suspicion = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket, and let go of everything however that ends.

        A server that stops cancels its sockets, and then no disconnect event is dispatched.
        """
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.let_go()

    async def connect(self) -> None:
        """Accept, then admit or close with a code: a refused handshake has no code to read."""
        await self.accept()
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        if await is_held(self.user, self.scope["session"]):
            await self.close(SECOND_FACTOR)
            return
        self.hub = await Hub.enter()
        self.hub.people[str(self.user.pk)].add(self.suspicion)
        self.tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._guard())]

    async def _live(self) -> None:
        try:
            if code := await self.admit():
                await self.close(code)
            else:
                await self.pump()
        except OSError:
            # The browser is gone; its disconnect event follows.
            return
        except Exception:
            log.exception("a socket of %s failed", self.user.pk)
            await self.close(1011)

    async def _guard(self) -> None:
        """Look again about each minute, and at a sign-out, whether this person may still watch."""
        while True:
            wait = random.uniform(0.8, 1.2) * RECHECK_S  # noqa: S311 spreads the load only
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.suspicion.wait()
            self.suspicion.clear()
            try:
                code = await self._refusal()
            except DatabaseError:
                continue
            if code:
                self.tasks[0].cancel()
                with contextlib.suppress(OSError, RuntimeError):
                    await self.close(code)
                return

    async def _refusal(self) -> int:
        """Return the close code for a person who may not watch any more, else 0."""
        # Read afresh: the one in scope keeps what it was at the handshake.
        store = import_module(settings.SESSION_ENGINE).SessionStore
        session = store(self.scope["session"].session_key)
        user = await get_user({"session": session})
        if not user.is_authenticated or user.pk != self.user.pk:
            return SIGNED_OUT
        if await is_held(user, session):
            return SECOND_FACTOR
        self.user = user
        return await self.check_access()

    async def let_go(self) -> None:
        """End the tasks and leave the hub, once; the log goes on without this socket."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.hub is not None:
            hub, self.hub = self.hub, None
            self.forget(hub)
            people = hub.people[str(self.user.pk)]
            people.discard(self.suspicion)
            if not people:
                del hub.people[str(self.user.pk)]
            await hub.leave()

    async def websocket_disconnect(self, message: WebSocketDisconnectEvent) -> None:
        """End this consumer; letting go comes after."""
        raise StopConsumer()

    async def say(self, kind: str, **content: Any) -> None:
        """Send one JSON text frame."""
        await self.send(text_data=orjson.dumps({"type": kind, **content}).decode())

    async def admit(self) -> int:
        """Return 0, or the code to close with."""
        raise NotImplementedError

    async def check_access(self) -> int:
        """Return 0 while the person may go on, or the code to close with."""
        return 0

    async def pump(self) -> None:
        """Send until there is nothing more to come."""
        raise NotImplementedError

    def forget(self, hub: Hub) -> None:
        """Undo what `admit` and `pump` registered with the hub."""


class RunLogConsumer(WatchingConsumer):
    """Stream one run's log to one browser, from `?after=OFFSET` on.

    Subscribe, and only then read; the text always comes from the store by offset. So a lost,
    late or repeated hint can delay output but never drop, reorder or repeat it.
    """

    run: Run | None = None
    tailer: Tailer

    async def admit(self) -> int:
        """Find the run among those that the person may see, and check the offset."""
        self.run = await self._find()
        if self.run is None:
            return NOT_FOUND
        after = parse_offset(self.scope["query_string"])
        if after is None:
            return BAD_OFFSET
        self.cursor = after
        while True:
            try:
                self.tailer = await self.hub.watch(self.run.pk, self)
                break
            except psycopg.Error:
                await self.hub.rest()
        return BEYOND_END if after > self.tailer.end else 0

    @database_sync_to_async
    def _find(self) -> Run | None:
        public_id = self.scope["url_route"]["kwargs"]["public_id"]
        return Run.objects.visible_to(self.user).filter(public_id=public_id).only("id").first()

    async def check_access(self) -> int:
        """Ask again whether the run is among those that the person may see."""
        return 0 if await self._find() else NOT_FOUND

    def forget(self, hub: Hub) -> None:
        """Leave the tailer."""
        if self.run is not None:
            hub.unwatch(self.run.pk, self)

    async def pump(self) -> None:
        """Send frames from the cursor on, and what happens to the run between them."""
        tailer = self.tailer
        public_id = self.scope["url_route"]["kwargs"]["public_id"]
        await self.say("hello", run=public_id, offset=self.cursor, **tailer.look.to_json())
        told, beats, steps = tailer.look, tailer.beats, tailer.progress_count
        while True:
            news = tailer.news
            if tailer.look.facts != told.facts:
                told = tailer.look
                await self.say("run", **told.to_json())
            if tailer.progress_count != steps:
                steps = tailer.progress_count
                await self.say("progress", **tailer.look.progress_json())
            if tailer.beats != beats:
                beats = tailer.beats
                await self.say("beat", end=tailer.end, offset=self.cursor, lag_ms=tailer.lag_ms)
            if await self._send_frame():
                continue
            if tailer.is_over(self.cursor):
                await self.say("eof", offset=self.cursor, status=tailer.look.status)
                await self.close(1000)
                return
            await news.wait()

    async def _send_frame(self) -> bool:
        """Send the next bytes; False when there are none yet."""
        try:
            frame = await self.tailer.frame(self.cursor)
        except (psycopg.Error, OSError):
            await asyncio.sleep(POLL_S)
            return True
        if not frame:
            return False
        await self.base_send({"type": "websocket.send", "bytes": frame})
        self.cursor += len(frame)
        # A fast reader far behind must not keep the loop for itself.
        await asyncio.sleep(0)
        return True


class FleetConsumer(WatchingConsumer):
    """Tell dashboards and lists what to fetch again, at most once a second."""

    async def admit(self) -> int:
        """Take anybody who is signed in: what they hear of is filtered."""
        self.stacks: set[int] = set()
        self.is_anything = False
        self.changed = asyncio.Event()
        self.hub.fleet.add(self)
        return 0

    def forget(self, hub: Hub) -> None:
        """Leave the fleet."""
        hub.fleet.discard(self)

    def hint(self, stack_pk: int | None) -> None:
        """Take the hint that a stack's run has changed; None: anything may have."""
        if stack_pk is None:
            self.is_anything = True
        else:
            self.stacks.add(stack_pk)
        self.changed.set()

    async def pump(self) -> None:
        """Collect for a second, filter by what the person may see, send."""
        await self.say("hello")
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + BEAT_S
        while True:
            if not self.hub.listener.is_connected:
                # No hints: the page looks by itself, a little slower.
                self.is_anything = True
            try:
                await self._send_changes()
            except DatabaseError:
                self.is_anything = True
            if loop.time() >= beat_at:
                beat_at = loop.time() + BEAT_S
                await self.say("beat")
            await asyncio.sleep(FLEET_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S / 3):
                    await self.changed.wait()

    async def _send_changes(self) -> None:
        stacks, self.stacks = self.stacks, set()
        is_anything, self.is_anything = self.is_anything, False
        self.changed.clear()
        if is_anything:
            await self.say("changed", regions=None, stacks=None)
        elif stacks and (seen := await self._visible(stacks)):
            regions = sorted({region for _, region in seen})
            await self.say("changed", regions=regions, stacks=[stack for stack, _ in seen])

    @database_sync_to_async
    def _visible(self, stacks: set[int]) -> list[tuple[str, str]]:
        found = Stack.objects.visible_to(self.user).filter(pk__in=stacks)
        return list(found.values_list("public_id", "region__slug"))


@database_sync_to_async
def is_held(user: User, session: SessionBase) -> bool:
    """Tell whether the session has yet to show a second factor that a role demands."""
    return factors.is_held(user, session)


def parse_offset(query_string: bytes) -> int | None:
    """Return `after` of a query string, 0 when it is not there, None when it is no offset."""
    values = [part[6:] for part in query_string.split(b"&") if part.startswith(b"after=")]
    if not values:
        return 0
    return int(values[-1]) if values[-1].isdigit() and len(values[-1]) < 19 else None
