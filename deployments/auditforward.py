"""A copy of the sealed trail for a log server: syslog (RFC 5424) or NDJSON over HTTP.

It goes on from where it was; a server that does not answer is tried again, later each time. What a
server took over UDP or TCP it has not confirmed: only HTTP says so.
"""

import http.client
import json
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from deployments.onlyone import only_one
from tenants import actors, audit
from tenants.auditchain import COLUMNS, head, plain_entry
from tenants.models import AuditAnchor, AuditCursor, AuditEntry, AuditSeal

NAME = "forward"
BATCH = 500
BATCHES = 20
TIMEOUT_S = 5
LONGEST_WAIT_S = 300
# Facility 13 (log audit), severity 6: https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1
PRIORITY = 110
DATAGRAM_BYTES = 60_000
SCHEMES = ("syslog+udp", "syslog+tcp", "syslog+tls", "syslog+unix", "http", "https")
log = logging.getLogger(__name__)


def shown(url: str) -> str:
    """Return an address without what signs in there."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if url else ""


def why_not(url: str) -> str:
    """Return why an address cannot be used, in words; empty when it can."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return f"AUDIT_FORWARD: use one of {', '.join(f'{name}://' for name in SCHEMES)}"
    if not (parts.path if parts.scheme == "syslog+unix" else parts.hostname):
        return "AUDIT_FORWARD names no server"
    return ""


def forward() -> int:
    """Send what was sealed since the last time; return how many entries went out."""
    url = settings.AUDIT_FORWARD
    cursor = AuditCursor.objects.filter(name=NAME).first()
    if not url and not (cursor and cursor.detail.get("target")):
        return 0
    with only_one("audit_forward") as is_first:
        if not is_first:
            return 0
        cursor = _switched(url)
        if not url or timezone.now().timestamp() < cursor.detail.get("next_try", 0):
            return 0
        return _send_due(url, cursor)


def _switched(url: str) -> AuditCursor:
    """Return the cursor; a change of the address has its entry before it takes effect."""
    target = shown(url)
    with transaction.atomic():
        cursor = AuditCursor.objects.select_for_update().get_or_create(name=NAME)[0]
        old = cursor.detail.get("target", "")
        if old != target:
            actor = actors.system("start", origin="settings")
            before, after = {"target": old or "off"}, {"target": target or "off"}
            audit.record(actor, "audit.forward", audit.PORTAL, before=before, after=after)
            if not old:
                cursor.position = head()[0]
            anchor = AuditAnchor.objects.order_by("-id").values_list("pk", flat=True).first()
            anchor = cursor.detail.get("anchor", 0) if old else anchor or 0
            cursor.detail = {"target": target, "anchor": anchor}
            cursor.save()
    return cursor


def _send_due(url: str, cursor: AuditCursor) -> int:
    sent = 0
    try:
        if problem := why_not(url):
            raise ValueError(problem)
        with _connected(urlsplit(url)) as send:
            for _batch in range(BATCHES):
                lines, last, anchor = _due(cursor)
                if not lines:
                    break
                send(lines)
                sent += len(lines)
                cursor.position, cursor.detail["anchor"] = last, anchor
                cursor.detail |= {"failures": 0, "next_try": 0, "error": ""}
                cursor.save()
    except (OSError, ValueError, http.client.HTTPException) as error:
        failures = cursor.detail.get("failures", 0) + 1
        wait = min(3 * 2 ** min(failures, 10), LONGEST_WAIT_S)
        why = f"{type(error).__name__}: {error}"[:500]
        told = {"failures": failures, "next_try": timezone.now().timestamp() + wait, "error": why}
        cursor.detail |= told
        cursor.save()
        log.warning("the audit trail could not be forwarded (%s); again in %s s", why, wait)
    return sent


def _due(cursor: AuditCursor) -> tuple[list[dict[str, Any]], int, int]:
    """Return the next lines, and where the cursor stands after them."""
    seals = AuditSeal.objects.filter(seq__gt=cursor.position).order_by("seq")[:BATCH]
    found = list(seals.values_list("seq", "mac", "entry_id"))
    rows = AuditEntry.objects.filter(pk__in=[each[2] for each in found]).values(*COLUMNS)
    entries = {row["id"]: row for row in rows}
    lines = [
        {"kind": "audit", "seq": seq, "mac": mac, **plain_entry(entries[entry])}
        for seq, mac, entry in found
        if entry in entries
    ]
    last = found[-1][0] if found else cursor.position
    anchor = cursor.detail.get("anchor", 0)
    for row in AuditAnchor.objects.filter(pk__gt=anchor, last_seq__lte=last).order_by("pk"):
        anchor = row.pk
        lines.append(
            {"kind": "anchor", "of": row.kind, "day": row.day.isoformat(), "seq": row.last_seq,
             "head": row.head, "created_at": row.created_at.isoformat()}
        )  # fmt: skip
    return lines, last, anchor


# --- the ways out -------------------------------------------------------------------------------
@contextmanager
def _connected(url: SplitResult) -> Iterator[Any]:
    """Give a function that sends lines; raises OSError and HTTPException."""
    if url.scheme in ("http", "https"):
        yield lambda lines: _post(url, lines)
        return
    with _socket(url) as out:
        is_stream = url.scheme in ("syslog+tcp", "syslog+tls")

        def send(lines: list[dict[str, Any]]) -> None:
            for line in lines:
                text = message(line, None if is_stream else DATAGRAM_BYTES)
                # Octet counting: https://www.rfc-editor.org/rfc/rfc6587#section-3.4.1
                out.sendall(b"%d %s" % (len(text), text) if is_stream else text)

        yield send
        _close(out)


def _close(out: socket.socket) -> None:
    """Close a stream so that its receiver gets all of it.

    A TLS server has sent session tickets that nobody read: closed like that, the connection would
    be reset, and with it what the receiver has not read yet.
    """
    if isinstance(out, ssl.SSLSocket):
        # A receiver need not answer in kind.
        with suppress(OSError):
            out.unwrap()


def _socket(url: SplitResult) -> socket.socket:
    if url.scheme == "syslog+unix":
        out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        out.settimeout(TIMEOUT_S)
        try:
            out.connect(url.path)
        except OSError:
            out.close()
            raise
        return out
    port = url.port or (6514 if url.scheme == "syslog+tls" else 514)
    if url.scheme == "syslog+udp":
        family, kind, protocol, _name, place = socket.getaddrinfo(
            url.hostname, port, type=socket.SOCK_DGRAM
        )[0]
        out = socket.socket(family, kind, protocol)
        out.connect(place)
        return out
    out = socket.create_connection((url.hostname, port), TIMEOUT_S)
    if url.scheme == "syslog+tls":
        try:
            return ssl.create_default_context().wrap_socket(out, server_hostname=url.hostname)
        except OSError:
            out.close()
            raise
    return out


def message(line: dict[str, Any], limit: int | None = None) -> bytes:
    """Return a line as a message of syslog; what is too long for a datagram loses its values."""
    kind = line["kind"]
    body = json.dumps(line, separators=(",", ":"))
    if limit and len(body) > limit:
        kept = {k: v for k, v in line.items() if k not in ("before", "after")}
        kept = {k: v[:200] if isinstance(v, str) else v for k, v in kept.items()}
        body = json.dumps(kept | {"is_cut": True}, separators=(",", ":"))
    host = socket.gethostname()[:255] or "-"
    top = f"<{PRIORITY}>1 {line['created_at']} {host} omlsaas - {kind} - "
    return top.encode() + body.encode()


def _post(url: SplitResult, lines: list[dict[str, Any]]) -> None:
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    if settings.AUDIT_FORWARD_TOKEN:
        headers["Authorization"] = f"Bearer {settings.AUDIT_FORWARD_TOKEN}"
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    out = kind(url.hostname, url.port, timeout=TIMEOUT_S)
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        out.request("POST", path, body.encode(), headers)
        answer = out.getresponse()
        answer.read(1000)
        if answer.status // 100 != 2:
            raise OSError(f"the server answered {answer.status} {answer.reason}")
    finally:
        out.close()
