"""A whole portal as `make run` starts it, and a person with a browser who uses it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from omlsaas.lib import runtime_env

PROJECT = Path(__file__).resolve().parent.parent
# What `make test` sets for itself; a newcomer's shell has none of it.
OF_THE_TESTS = (
    "DATABASE_URL", "LISTEN_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY",
    "SECRET_KEY_FILE", "ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE", "AUDIT_KEYS",
    "STATICFILES_BACKEND", "VAR_ROOT", "XDG_RUNTIME_DIR", "DJANGO_SETTINGS_MODULE",
)  # fmt: skip


def newcomers_environment(var: Path) -> dict[str, str]:
    """Return the environment of a shell in which only VAR_ROOT was set."""
    clean = {key: value for key, value in os.environ.items() if key not in OF_THE_TESTS}
    return clean | {"VAR_ROOT": str(var)}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(look: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Return the first true answer; fails when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < until, f"not within {seconds} s: {what or look}"
        time.sleep(0.02)
    return answer


class Portal:
    """One launcher with its servers, web, worker and beat, in a folder of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.var = folder / "var"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = newcomers_environment(self.var) | {"PORT": str(self.port)} | settings
        self.lines: list[str] = []
        self.started_at = 0.0
        self.process: subprocess.Popen | None = None

    def start(self, seconds: float = 90) -> None:
        """Start it and wait until it says that it is ready."""
        self.started_at = time.time()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omlsaas.launcher"],
            cwd=PROJECT, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        ready = "omlsaas is ready"
        wait_for(lambda: ready in self.output or self.process.poll() is not None, seconds, ready)
        assert self.process.poll() is None, self.output

    def _read(self) -> None:
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        """Return what it has said so far."""
        return "\n".join(list(self.lines))

    @property
    def password(self) -> str:
        """Return the first admin's password, as it was printed."""
        return re.search(r"Password\s+(\S+)", self.output)[1]

    @property
    def urls(self) -> dict[str, str]:
        """Return what it left for commands: the addresses of its servers."""
        return runtime_env.read(self.var / "runtime.env")

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        """Run a management command as cron would."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT, env=self.env, input=stdin, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def stop(self) -> None:
        """Stop it without asking; runs at work would go on."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(90)
        if url := self.urls.get("REDIS_URL"):
            sockets = Path(url.removeprefix("unix://").partition("?")[0]).parent
            shutil.rmtree(sockets, ignore_errors=True)


class Person:
    """Somebody signed in, who reads pages and sends their forms."""

    def __init__(self, portal: Portal, name: str, password: str) -> None:
        self.portal = portal
        self.http = httpx.Client(base_url=portal.url, timeout=60)
        self.get("/sign-in/")
        answer = self.post("/sign-in/", {"username": name, "password": password, "next": "/"})
        assert answer.status_code == 302, answer.text

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()

    def get(self, path: str) -> httpx.Response:
        """Return a page."""
        return self.http.get(path)

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """Send fields with this session's token."""
        token = {"csrfmiddlewaretoken": self.http.cookies.get("csrftoken", "")}
        return self.http.post(path, data=fields | token)

    def send(self, path: str, holding: str, **values: str) -> httpx.Response:
        """Fill in and send the form of a page that has a field of this name."""
        page = self.get(path)
        assert page.status_code == 200, f"{path}: {page.status_code}\n{self.portal.output}"
        reader = _Forms()
        reader.feed(page.text)
        forms = [form for form in reader.forms if holding in form["fields"]]
        assert forms, f"{path} has no form with {holding}"
        return self.post(forms[0]["action"] or path, forms[0]["fields"] | values)

    def frames(self, path: str) -> Iterator[bytes]:
        """Yield what a websocket says until it is closed."""
        cookie = "; ".join(f"{key}={value}" for key, value in self.http.cookies.items())
        address = f"ws://127.0.0.1:{self.portal.port}{path}"
        with connect(address, additional_headers={"Cookie": cookie}, max_size=None) as socket:
            for frame in socket:
                yield frame.encode() if isinstance(frame, str) else frame


class _Forms(HTMLParser):
    """Collects each form of a page with the fields as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._select = self._area = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.forms.append({"action": given.get("action", ""), "fields": {}})
        if not self.forms:
            return
        fields, name = self.forms[-1]["fields"], given.get("name", "")
        if tag == "option" and self._select and "selected" in given:
            fields[self._select] = given.get("value", "")
        elif tag == "select":
            self._select = name
            fields.setdefault(name, "")
        elif tag == "textarea":
            self._area = name
            fields[name] = ""
        elif tag == "input" and name and given.get("type") not in ("submit", "button", "file"):
            is_box = given.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in given:
                fields[name] = given.get("value", "on" if is_box else "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1]["fields"][self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            fields = self.forms[-1]["fields"]
            # https://html.spec.whatwg.org/#the-textarea-element: one leading newline is dropped.
            fields[self._area] = fields[self._area].removeprefix("\n")
            self._area = None
        elif tag == "select":
            self._select = None
