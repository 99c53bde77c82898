"""What stands for the tenants' web sites: an HTTPS server that takes its time to be ready."""

import http.server
import ssl
import threading
import time
from pathlib import Path

REFUSED_S, UNREADY_S = 6.0, 14.0
LOOK_S = 0.2
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Demo tenant</title>
<p>This page stands for a tenant's application. Nothing of it was really installed.</p></html>
"""


class Site:
    """One port for all hosts. A host whose name is new is refused, then answers 503, then serves.

    A port knows no host before somebody has connected: while one host is refused, all are.
    """

    def __init__(
        self, certificate: Path, refused_s: float = REFUSED_S, unready_s: float = UNREADY_S
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._refused_s, self._unready_s = refused_s, unready_s
        self._since: dict[str, float] = {}
        self._stop = threading.Event()
        # A port that is bound and does not listen refuses.
        self._server = self._bind(0)
        self.port = self._server.server_address[1]
        self._serving: threading.Thread | None = None
        self._minder = threading.Thread(target=self._mind, daemon=True)
        self._minder.start()

    def note(self, host: str, has_name: bool) -> None:
        """Take to the knowledge whether a host has a name: from then on its machines boot."""
        if has_name:
            self._since.setdefault(host, time.monotonic())
        else:
            self._since.pop(host, None)

    def status(self, host: str, path: str) -> int:
        """Return what a page of a host answers at this moment."""
        since = self._since.get(host)
        if since is None or time.monotonic() - since < self._unready_s:
            return 503
        return {"/": 302, "/accounts/login/": 200}.get(path, 404)

    def stop(self) -> None:
        """Close the port."""
        self._stop.set()
        self._minder.join()
        self._close()

    def _mind(self) -> None:
        """Open and close the port as the hosts' ages want it."""
        while not self._stop.wait(LOOK_S):
            now, begun = time.monotonic(), list(self._since.values())
            is_wanted = bool(begun) and all(now - since >= self._refused_s for since in begun)
            if is_wanted and self._serving is None:
                self._open()
            elif not is_wanted and self._serving is not None:
                self._close()
                self._server = self._bind(self.port)

    def _bind(self, port: int) -> http.server.ThreadingHTTPServer:
        made = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Pages, bind_and_activate=False)
        made.daemon_threads = True
        made.site = self
        made.server_bind()
        made.socket = self._context.wrap_socket(
            made.socket, server_side=True, do_handshake_on_connect=False
        )
        return made

    def _open(self) -> None:
        self._server.server_activate()
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_S,), daemon=True
        )
        self._serving.start()

    def _close(self) -> None:
        if self._serving is not None:
            self._server.shutdown()
            self._serving = None
        self._server.server_close()


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer as the host does at this moment."""
        host = self.headers.get("Host", "").partition(":")[0].lower()
        status = self.server.site.status(host, self.path)
        body = PAGE if status == 200 else b""
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/accounts/login/")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        """Stay quiet: the console is the portal's."""
