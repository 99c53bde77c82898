"""The portal's ASGI application under a real uvicorn, in a thread of the test's process."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.db import connections


class Server(uvicorn.Server):
    """A server that tells when it is up and where."""

    def __init__(self, application: Any) -> None:
        config = uvicorn.Config(
            application,
            port=0,
            loop="uvloop",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=3,
        )
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self.is_up.set()

    def install_signal_handlers(self) -> None:
        """Leave signals to the test's process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the test's process."""
        yield

    @property
    def address(self) -> str:
        """Return host and port."""
        port = self.servers[0].sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"


@contextlib.contextmanager
def serving(application: Any = None) -> Iterator[Server]:
    """Serve the portal while inside; the database must be one that other threads see.

    An application of one's own is for settings that are read when it is made.
    """
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    from deployments.tailer import Hub
    from omlsaas.asgi import application as portal

    server = Server(application or portal)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(server.serve())
                left.extend(filter(None, [Hub._hubs.get(runner.get_loop())]))
        finally:
            connections.close_all()

    left: list[object] = []
    thread = threading.Thread(target=run, name="uvicorn")
    thread.start()
    if not server.is_up.wait(20):
        raise RuntimeError("uvicorn did not start")
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(20)
    assert not left, "sockets have ended and their connections are still held"
