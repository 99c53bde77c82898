"""Forwarding the sealed trail: to HTTP and syslog servers that come and go."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import transaction

from deployments import auditforward, doctor, sealing
from tenants import actors, audit
from tenants.models import AuditCursor, AuditEntry, AuditSeal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("places")]
ACTOR = actors.system("test")


def write(count: int) -> None:
    """Write so many entries."""
    for number in range(count):
        with transaction.atomic():
            audit.record(ACTOR, "export", audit.PORTAL, after={"n": number})


class Sink(BaseHTTPRequestHandler):
    """A log server that may be out of order."""

    status = 204
    got: list[dict]
    tokens: set[str | None]

    def do_POST(self) -> None:
        """Keep the lines."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status < 300:
            self.got.extend(json.loads(line) for line in body.splitlines())
        self.tokens.add(self.headers["Authorization"])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def sink(settings) -> Iterator[type[Sink]]:
    """Return a log server that the portal forwards to from its next look on."""
    kind = type("OwnSink", (Sink,), {"got": [], "tokens": set()})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        settings.AUDIT_FORWARD = f"http://me:hidden@127.0.0.1:{server.server_port}/in?a=1"
        settings.AUDIT_FORWARD_TOKEN = "sesame"
        yield kind
        server.shutdown()
        thread.join()


def test_each_sealed_entry_goes_out_once_and_the_switch_is_told_first(sink, settings) -> None:
    write(3)  # before it was on: not sent
    sealing.seal_and_forward()
    switched = AuditEntry.objects.get(action="audit.forward")
    assert (switched.actor_name, switched.before) == ("system:start", {"target": "off"})
    assert "hidden" not in json.dumps(switched.after)
    assert sink.got == []
    write(4)
    sealing.seal_and_forward()
    assert [row["seq"] for row in sink.got] == [4, 5, 6, 7, 8]
    assert sink.got[0]["action"] == "audit.forward"
    assert sink.got[1]["after"] == {"n": 0}
    macs = dict(AuditSeal.objects.values_list("seq", "mac"))
    assert all(macs[row["seq"]] == row["mac"] for row in sink.got)
    assert sink.tokens == {"Bearer sesame"}
    sealing.seal_and_forward()
    assert len(sink.got) == 5
    settings.AUDIT_FORWARD = ""
    sealing.seal_and_forward()
    assert AuditEntry.objects.filter(action="audit.forward").count() == 2
    assert AuditEntry.objects.order_by("-id")[0].after == {"target": "off"}


def test_an_outage_loses_nothing_and_the_doctor_tells_of_it(sink) -> None:
    sealing.seal_and_forward()
    sink.status = 503
    write(2)
    sealing.seal_and_forward()
    (found,) = [f for _name, f in doctor.examine(["audit"]) if f.code == "forward"]
    assert (found.status, found.facts["behind"]) == ("warning", 3)
    assert "503" in found.text
    assert "hidden" not in found.text
    assert "sesame" not in found.text
    sink.status = 200
    sealing.seal_and_forward()
    assert sink.got == []  # not before its time
    row = AuditCursor.objects.get(name="forward")
    row.detail["next_try"] = 0
    row.save()
    sealing.seal_and_forward()
    assert [row["seq"] for row in sink.got] == [1, 2, 3]
    assert {f.status for _name, f in doctor.examine(["audit"])} == {"ok"}


def test_syslog_by_datagram_and_by_stream(settings) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        settings.AUDIT_FORWARD = f"syslog+udp://127.0.0.1:{udp.getsockname()[1]}"
        sealing.seal_and_forward()
        write(1)
        sealing.seal_and_forward()
        top, _sign, body = udp.recv(65_535).decode().partition(" - audit - ")
        assert top.startswith("<110>1 20")
        assert json.loads(body)["action"] == "audit.forward"
        settings.AUDIT_FORWARD = f"syslog+tcp://127.0.0.1:{tcp.getsockname()[1]}"
        write(1)
        sealing.seal_and_forward()
        # From where the other one stopped.
        taken, _address = tcp.accept()
        with taken:
            taken.settimeout(5)
            text = b""
            while chunk := taken.recv(65_535):
                text += chunk
    length, _space, rest = text.partition(b" ")
    assert json.loads(rest[: int(length)].partition(b" - audit - ")[2])["seq"] == 3


def test_a_message_that_no_datagram_holds_is_cut_and_says_so() -> None:
    line = {"kind": "audit", "created_at": "2026-01-01T00:00:00+00:00", "after": "x" * 70_000}
    text = auditforward.message(line, auditforward.DATAGRAM_BYTES)
    assert len(text) < 1000
    assert b'"is_cut":true' in text
    assert len(auditforward.message(line)) > 70_000


@pytest.mark.parametrize("url", ["ftp://host", "syslog+tcp://", "syslog+unix://", "nonsense"])
def test_an_address_that_cannot_be_is_said(settings, url: str) -> None:
    settings.AUDIT_FORWARD = url
    sealing.seal_and_forward()
    (found,) = [f for _name, f in doctor.examine(["audit"]) if f.code == "forward"]
    assert found.status == "failed"
    assert "AUDIT_FORWARD" in found.text
