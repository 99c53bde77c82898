"""Hints over PostgreSQL NOTIFY: they say "look", never what there is to see.

A hint is sent inside the transaction that it tells of, so it arrives after the commit or never.
Payloads: `omlsaas_log` "<run pk>:<log end>", `omlsaas_run` "<run pk>:<stack pk>:<region pk>:
<status>", `omlsaas_user` "<user pk>" (signed out: open sockets look again whether they may stay).
A missed hint costs delay, never data: who listens also looks by the clock.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.db.models.signals import post_delete
from django.dispatch import receiver

from deployments.models import Run

LOG, RUN, USER = "omlsaas_log", "omlsaas_run", "omlsaas_user"
CHANNELS = (LOG, RUN, USER)
RETRY_S = (0.2, 0.5, 1, 2, 5)
PROBE_S = 15
log = logging.getLogger(__name__)
Ear = Callable[[str, str], None]


def run_changed(run: Run) -> None:
    """Tell web processes that a run's row has changed. Call inside the changing transaction."""
    payload = f"{run.pk}:{run.stack_id}:{run.region_id}:{run.status}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [RUN, payload])


@receiver(post_delete, sender=Session)
def _session_gone(sender: Any, instance: Session, **kwargs: Any) -> None:
    """Tell open sockets of a sign-out; Django's own signal comes before the session is gone."""
    if user_pk := instance.get_decoded().get(SESSION_KEY):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [USER, str(user_pk)])


def connect_params(*, listen: bool = False) -> dict[str, Any]:
    """Return psycopg's parameters for the portal's database, for connections outside Django.

    `listen` takes LISTEN_DATABASE_URL where that is another one: a transaction pooler cannot
    LISTEN. Django's own settings win otherwise, because tests change the database's name there.
    """
    url = settings.LISTEN_DATABASE_URL
    if listen and url and url != settings.DATABASE_URL:
        return {"conninfo": url, "connect_timeout": 5}
    ours = {"context", "cursor_factory", "prepare_threshold"}
    params = connections["default"].get_connection_params()
    return {key: value for key, value in params.items() if key not in ours}


class Listener:
    """One LISTEN connection of this event loop, kept up for as long as somebody has an ear.

    Ears are called as `ear(channel, payload)` in the loop and must not wait. After a
    connection is lost, and when it is back, they are called with an empty payload: anything may
    have been missed, look. While `is_connected` is false nothing is told at all: look by the
    clock.
    """

    def __init__(self) -> None:
        self.is_connected = False
        self._ears: set[Ear] = set()
        self._task: asyncio.Task | None = None

    def add(self, ear: Ear) -> None:
        """Begin to tell hints to this ear."""
        self._ears.add(ear)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_listening(), name="listen")

    async def remove(self, ear: Ear) -> None:
        """Stop telling; without ears the connection is closed, and is when this returns."""
        self._ears.discard(ear)
        if not self._ears and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    def _tell(self, channel: str, payload: str) -> None:
        for ear in tuple(self._ears):
            try:
                ear(channel, payload)
            except Exception:
                log.exception("a hint was not understood: %s %r", channel, payload)

    def _tell_anything(self) -> None:
        for channel in CHANNELS:
            self._tell(channel, "")

    async def _keep_listening(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if self.is_connected:
                    failures = 0
                    log.warning("listening to the database was cut, polling: %s", error)
            if self.is_connected:
                self.is_connected = False
                # From here on they look by the clock.
                self._tell_anything()
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    async def _listen(self) -> None:
        """Listen until the connection is gone; raises what psycopg says of it."""
        params = connect_params(listen=True)
        opening = psycopg.AsyncConnection.connect(**params, autocommit=True)
        async with await _undisturbed(opening) as conn:
            for channel in CHANNELS:
                await conn.execute(f"LISTEN {channel}")
            self.is_connected = True
            self._tell_anything()
            while True:
                async for hint in conn.notifies(timeout=PROBE_S):
                    self._tell(hint.channel, hint.payload)
                # A server that vanished without a word is noticed by asking.
                async with asyncio.timeout(PROBE_S):
                    await conn.execute("SELECT 1")


async def _undisturbed(opening: Coroutine[Any, Any, psycopg.AsyncConnection]) -> Any:
    """Return the opened connection; closed when we were cancelled while it opened.

    psycopg leaves a connection that was cancelled half-way to the garbage collector.
    """
    task = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(psycopg.Error):
            await (await task).close()
        raise
