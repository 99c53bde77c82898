"""A person at the portal: signs in, reads forms, sends them."""

import re
import secrets
import time
from html.parser import HTMLParser
from typing import Any

import httpx

from bench.portal import BenchFailed, Portal, wait_for

ENDED = {
    "applied", "planned_and_finished", "discarded", "canceled", "errored", "lost",
}  # fmt: skip


class _Forms(HTMLParser):
    """Collects each form of a page: action, and the value of each field as a browser has it."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._select: dict[str, Any] | None = None
        self._area: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.forms.append({"action": given.get("action", ""), "fields": {}, "options": {}})
        elif self.forms and given.get("name") and "disabled" not in given:
            self._field(tag, given)
        elif tag == "option" and self._select is not None:
            self._option(given)
        elif tag == "option":
            return

    def _field(self, tag: str, given: dict[str, str]) -> None:
        form, name = self.forms[-1], given["name"]
        if tag == "input":
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            if kind not in ("submit", "button", "image", "file"):
                form["fields"][name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._select = {"name": name, "is_chosen": False, "value": None}
            form["options"][name] = []
            form["fields"].setdefault(name, "")

    def _option(self, given: dict[str, str]) -> None:
        form, select = self.forms[-1], self._select
        value = given.get("value", "")
        select["value"] = value
        form["options"][select["name"]].append([value, ""])
        is_first = len(form["options"][select["name"]]) == 1
        if "selected" in given or (is_first and not select["is_chosen"]):
            form["fields"][select["name"]] = value
            select["is_chosen"] = "selected" in given

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data
        elif self._select is not None and self._select["value"] is not None:
            self.forms[-1]["options"][self._select["name"]][-1][1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            # https://html.spec.whatwg.org/#the-textarea-element: one leading newline is dropped.
            self.forms[-1]["fields"][self._area] = self._text.removeprefix("\n")
            self._area = None
        elif tag == "select":
            self._select = None


class Client:
    """One signed-in person."""

    def __init__(self, portal: Portal, name: str = "admin", password: str = "") -> None:
        self.portal = portal
        self.http = httpx.Client(base_url=portal.url, timeout=60, follow_redirects=False)
        self._sign_in(name, password or portal.password)

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()

    def _sign_in(self, name: str, password: str) -> None:
        self.http.get("/sign-in/")
        answer = self.post("/sign-in/", {"username": name, "password": password, "next": "/"})
        if answer.status_code != 302:
            raise BenchFailed(f"{name} cannot sign in: {answer.status_code}")

    @property
    def cookie(self) -> str:
        """Return the Cookie header of this person's browser."""
        return "; ".join(f"{key}={value}" for key, value in self.http.cookies.items())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return a page; raises BenchFailed unless it is there."""
        try:
            answer = self.http.get(path, **options)
        except httpx.HTTPError as problem:
            raise BenchFailed(f"GET {path}: {problem!r}") from problem
        if answer.status_code not in (200, 206):
            raise BenchFailed(f"GET {path}: {answer.status_code}")
        return answer

    def post(self, path: str, fields: dict[str, Any]) -> httpx.Response:
        """Send a form with the token of this session."""
        token = self.http.cookies.get("csrftoken", "")
        return self.http.post(
            path,
            data=fields | {"csrfmiddlewaretoken": token},
            headers={"Referer": f"{self.portal.url}{path}"},
        )

    def form(self, path: str, holding: str) -> dict[str, Any]:
        """Return the form of a page that has a field of this name."""
        parser = _Forms()
        parser.feed(self.get(path).text)
        for form in parser.forms:
            if holding in form["fields"] or holding in form["options"]:
                return form
        raise BenchFailed(f"{path} has no form with {holding}")

    def send(self, path: str, holding: str, **values: Any) -> str:
        """Fill and send a page's form; returns where it leads. Raises BenchFailed if refused."""
        form = self.form(path, holding)
        fields = form["fields"] | values
        answer = self.post(form["action"] or path, fields)
        if answer.status_code != 302:
            raise BenchFailed(f"POST {path}: {answer.status_code}: {_complaints(answer.text)}")
        return answer.headers["location"]

    # --- what the bench does with it --------------------------------------------------------

    def stack_ids(self) -> dict[str, str]:
        """Return the id of each stack by name, as `run_action --list` prints them."""
        shown = self.portal.manage("run_action", "--list").stdout.splitlines()
        rows = [line.split("\t") for line in shown if line.count("\t") >= 3]
        return {row[0]: row[-1] for row in rows}

    def make_tenants(self, names: list[str], blueprint: str = "lab") -> dict[str, str]:
        """Create tenants by their form, unless they are there; returns the stacks' ids by name."""
        known = self.stack_ids()
        missing = [name for name in names if name not in known]
        if missing:
            form = self.form("/tenants/new/", "name")
            for name in missing:
                values = {
                    "name": name,
                    "title": f"Bench {name}",
                    "blueprint": blueprint,
                    "region": _option(form, "region", "lab"),
                    "shared_environment": _option(form, "shared_environment", "sharedlab"),
                }
                answer = self.post("/tenants/new/", form["fields"] | values)
                if answer.status_code != 302:
                    raise BenchFailed(f"tenant {name}: {_complaints(answer.text)}")
            known = self.stack_ids()
        return {name: known[name] for name in names}

    def apply_by_itself(self, stack_id: str) -> None:
        """Let plans of a stack be applied without a person's yes."""
        path = f"/stacks/{stack_id}/settings/"
        answer = self.post(path, {"is_auto_apply": "on", "is_auto_destroy": "on"})
        if answer.status_code != 302:
            raise BenchFailed(f"settings of {stack_id}: {answer.status_code}")

    def action_fields(self, inputs: dict[str, Any]) -> dict[str, str]:
        """Return an action form's fields for inputs; what is not sent stays as it is."""
        fields = {f"in-{name}": str(value) for name, value in inputs.items()}
        return fields | {"request_key": secrets.token_hex(8), "reason": "a measurement"}

    def start(
        self, stack_id: str, action: str, params: dict[str, Any] | None = None, **inputs: Any
    ) -> str:
        """Queue an action; returns the run's id."""
        path = f"/stacks/{stack_id}/actions/{action}/"
        fields = {f"p-{name}": str(value) for name, value in (params or {}).items()}
        answer = self.post(path, self.action_fields(inputs) | fields)
        found = re.search(r"/runs/([^/]+)/", answer.headers.get("location", ""))
        if answer.status_code != 302 or found is None:
            raise BenchFailed(f"POST {path}: {answer.status_code}: {_complaints(answer.text)}")
        return found[1]

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop."""
        answer = self.post(f"/runs/{run_id}/cancel", {"comment": "measured"})
        if answer.status_code not in (200, 302):
            raise BenchFailed(f"cancel of {run_id}: {answer.status_code}")

    def run(self, run_id: str) -> dict[str, Any]:
        """Return status and length of a run's log."""
        return self.get(f"/runs/{run_id}/log/lines", params={"tail": "1"}).json()

    def wait_end(self, run_id: str, seconds: float = 120, pause: float = 0.1) -> str:
        """Return the status in which a run ended."""
        return wait_for(lambda: self.try_end(run_id), seconds, f"the end of {run_id}", pause)

    def try_end(self, run_id: str) -> str:
        """Return the status in which a run ended; empty while it has not."""
        shown = self.run(run_id)
        return shown["status"] if shown["ended"] else ""

    def log(self, run_id: str) -> bytes:
        """Return a run's whole stored log."""
        return self.get(f"/runs/{run_id}/log").content

    def install_shared(self) -> None:
        """Install the lab's shared environment, which every tenant needs."""
        stack = self.stack_ids()["sharedlab"]
        self.apply_by_itself(stack)
        begun = time.monotonic()
        status = self.wait_end(self.start(stack, "install", delay_ms=0))
        if status != "applied":
            raise BenchFailed(f"sharedlab is {status} after {time.monotonic() - begun:.0f} s")


def _option(form: dict[str, Any], field: str, words: str) -> str:
    """Return the value of the choice whose text begins with the words."""
    for value, text in form["options"].get(field, ()):
        if text.split(" ")[0] == words:
            return value
    raise BenchFailed(f"{field} offers no {words}: {form['options'].get(field)}")


def _complaints(page: str) -> str:
    """Return what a refused form says."""
    said = re.findall(r'class="o-wrong"[^>]*>(?:<i[^>]*></i>)?([^<]+)', page)
    said += re.findall(r'role="alert"[^>]*>\s*(?:<[^>]+>\s*)*([^<]+)', page)
    return "; ".join(text.strip() for text in said)[:500] or page[:300]
