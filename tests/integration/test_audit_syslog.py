"""Forwarding the trail to syslog: over TLS to who proves its name, and to a socket of the host."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import transaction

from demo.certificates import Authority
from deployments import doctor, sealing
from tenants import actors, audit
from tenants.models import AuditCursor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("places")]
ACTOR = actors.system("test")


def write(count: int, words: str = "") -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record(ACTOR, "export", audit.PORTAL, after={"n": number, "words": words})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def tls_receiver(pem: Path) -> Iterator[tuple[int, list[bytes], list[Exception]]]:
    """Run a syslog server with TLS; give its port, what each connection brought, and its faults."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    got: list[bytes] = []
    faults: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    taken, _address = server.accept()
                except OSError:
                    return
                text = b""
                try:
                    taken.settimeout(10)
                    with context.wrap_socket(taken, server_side=True) as inner:
                        while chunk := inner.recv(65_535):
                            text += chunk
                except OSError as error:
                    faults.append(error)
                got.append(text)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], got, faults
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(15)


def lines_of(text: bytes) -> list[dict]:
    """Return the bodies of messages that are counted in octets (RFC 6587)."""
    found = []
    while text:
        length, _space, text = text.partition(b" ")
        message, text = text[: int(length)], text[int(length) :]
        found.append(json.loads(message.partition(b" - audit - ")[2]))
    return found


def test_tls_brings_every_line_to_who_proves_its_name(authority, settings, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with tls_receiver(authority.issue("localhost")) as (port, got, faults):
        settings.AUDIT_FORWARD = f"syslog+tls://localhost:{port}"
        sealing.seal_and_forward()
        write(200, "x" * 500)
        sealing.seal_and_forward()
    # A connection that is cut would take with it what the receiver had not read yet.
    assert faults == []
    rows = [row for text in got for row in lines_of(text)]
    assert [row["seq"] for row in rows] == list(range(1, 202))
    assert (rows[0]["action"], rows[1]["after"]["n"]) == ("audit.forward", 0)


def test_tls_sends_nothing_to_who_cannot_prove_it(authority, settings, monkeypatch) -> None:
    with tls_receiver(authority.issue("localhost")) as (port, got, faults):
        settings.AUDIT_FORWARD = f"syslog+tls://localhost:{port}"
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        write(1)
        sealing.seal_and_forward()
        (found,) = [f for _name, f in doctor.examine(["audit"]) if f.code == "forward"]
        assert found.status == "warning" and "certificate verify failed" in found.text
        # Another name than the certificate's is as bad.
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        settings.AUDIT_FORWARD = f"syslog+tls://127.0.0.1:{port}"
        sealing.seal_and_forward()
        assert (
            "certificate verify failed" in AuditCursor.objects.get(name="forward").detail["error"]
        )
    assert b"".join(got) == b"" and faults


def test_a_unix_socket_gets_datagrams_and_may_come_later(settings, tmp_path) -> None:
    place = tmp_path / "log"
    settings.AUDIT_FORWARD = f"syslog+unix://{place}"
    write(1)
    sealing.seal_and_forward()
    cursor = AuditCursor.objects.get(name="forward")
    assert cursor.detail["failures"] == 1 and "FileNotFoundError" in cursor.detail["error"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(place))
        log.settimeout(5)
        cursor.detail["next_try"] = 0
        cursor.save()
        write(1)
        sealing.seal_and_forward()
        texts = [log.recv(65_535) for _message in range(2)]
    rows = [json.loads(text.partition(b" - audit - ")[2]) for text in texts]
    assert all(text.startswith(b"<110>1 20") for text in texts)
    assert [row["seq"] for row in rows] == [2, 3]
