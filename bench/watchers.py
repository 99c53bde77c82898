"""Browsers' sockets: many watchers of one run in one event loop of their own thread."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Coroutine
from typing import Any

import websockets
from websockets.asyncio.client import connect

from bench.client import Client

RETRY_S = 0.1


class Watcher:
    """One socket on a run's log; comes back with its offset when the connection is lost."""

    def __init__(self, client: Client, run_id: str, *, keep: bool = False) -> None:
        self.address = f"{client.portal.url.replace('http', 'ws', 1)}/ws/runs/{run_id}/"
        self.headers = {"Cookie": client.cookie, "Origin": client.portal.url}
        self.offset = 0
        self.digest = hashlib.sha256()
        # (time of day in ns when it was received, offset behind the frame)
        self.frames: list[tuple[int, int]] = []
        self.parts: list[bytes] | None = [] if keep else None
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.connects = 0
        self.status = ""
        self.over_ns = 0
        self.failure = ""

    @property
    def text(self) -> bytes:
        """Return all that was received; the watcher must have been made to keep it."""
        return b"".join(self.parts or ())

    @property
    def is_over(self) -> bool:
        """Tell whether the end of the log was received."""
        return self.over_ns > 0

    async def watch(self, ready: asyncio.Event | None = None) -> None:
        """Receive until the end of the log, over as many connections as it takes."""
        while not self.is_over:
            try:
                url = f"{self.address}?after={self.offset}"
                options = {"max_size": None, "compression": None, "open_timeout": 10}
                async with connect(
                    url, additional_headers=self.headers, ping_interval=None, **options
                ) as socket:
                    self.connects += 1
                    await self._receive(socket, ready)
            except (OSError, TimeoutError, websockets.WebSocketException) as problem:
                code = getattr(getattr(problem, "rcvd", None), "code", 0)
                if 4000 <= code < 5000:
                    self.failure = f"closed with {code}"
                    return
                await asyncio.sleep(RETRY_S)

    async def _receive(self, socket: Any, ready: asyncio.Event | None) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                self.offset += len(message)
                self.frames.append((time.time_ns(), self.offset))
                self.digest.update(message)
                if self.parts is not None:
                    self.parts.append(message)
                continue
            told = json.loads(message)
            self.events.append((time.monotonic(), told))
            self.status = told.get("status", self.status)
            if told["type"] == "eof":
                self.over_ns = time.time_ns()
            if ready is not None:
                ready.set()


class Loop:
    """An event loop in a thread: watchers live there while the bench goes on."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks: list[Any] = []

    def start(self, work: Coroutine) -> Any:
        """Start a coroutine; returns its future."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        self._tasks.append(future)
        return future

    def watch(self, watchers: list[Watcher], seconds: float = 30) -> None:
        """Start watchers and wait until each has its first message."""

        async def start() -> None:
            ready = []
            for watcher in watchers:
                event = asyncio.Event()
                ready.append(event.wait())
                self._tasks.append(asyncio.create_task(watcher.watch(event)))
            await asyncio.wait_for(asyncio.gather(*ready), seconds)

        self.start(start()).result(seconds + 5)

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
