"""A receiver of webhooks, outside of our code: it keeps what it gets and answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it got, and what it answers: (code, headers, seconds of silence before)."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silence_s: float = 0
    # Sends its answer byte by byte, with this rest between two.
    drip_s: float = 0


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.got.append(Got(self.path, dict(self.headers.items()), body))
            time.sleep(receiver.silence_s)
            if receiver.drip_s:
                self._drip()
                return
            code = 200 if self.path == "/final" else receiver.code
            self.send_response(code)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def _drip(self) -> None:
            try:
                for sign in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000:
                    self.wfile.write(bytes([sign]))
                    self.wfile.flush()
                    time.sleep(receiver.drip_s)
            except OSError:
                return

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
