"""Calling a receiver: signed, within bounded time, and never into a private network by surprise.

Names are resolved here and the address that was judged is the one that is called, so a name
that changes its mind in between gains nothing.
"""

import hashlib
import hmac
import ipaddress
import json
import os
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
from django.conf import settings
from django.utils.translation import gettext as _

from notices.errors import (
    AddressNotUsable,
    NoticeRefusal,
    PrivateAddress,
    ReceiverAway,
    ReceiverFailed,
    ReceiverRefused,
    Redirected,
)

TIMEOUT_S = 10.0
MOST_REDIRECTS = 3
BODY_BYTES = 2048
LATER = (408, 425, 429)
REDIRECTS = (301, 302, 303, 307, 308)
# IPv4 inside IPv6: what counts is the address within (RFC 6052, RFC 3056).
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


@dataclass(frozen=True)
class Answer:
    """What a receiver said."""

    code: int
    location: str = ""
    retry_after: str = ""
    body: str = ""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature header: `v1=` and HMAC-SHA256 over `<timestamp>.<body>` in hex."""
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1={mac.hexdigest()}"


def send(
    url: str, payload: dict[str, Any], headers: dict[str, str], secret: str, *, follows: bool
) -> Answer:
    """Post a payload; return the receiver's last answer.

    Raises NoticeRefusal: PrivateAddress, Redirected and ReceiverRefused are final, ReceiverAway
    and ReceiverFailed pass. A 429 or 503 with Retry-After carries it on the exception as
    `retry_after`.
    """
    content = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    stamp = str(int(time.time()))
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "omlsaas",
        "X-Omlsaas-Timestamp": stamp,
        **headers,
    }
    if secret:
        sent["X-Omlsaas-Signature"] = sign(secret, stamp, content)
    until = time.monotonic() + TIMEOUT_S
    for _turn in range(MOST_REDIRECTS + 1):
        answer = _post(url, content, sent, until)
        if answer.code not in REDIRECTS:
            return _judged(answer)
        if not follows or not answer.location:
            raise Redirected(code=answer.code)
        url = _followed(url, answer)
    raise Redirected(code=answer.code)


def _followed(url: str, answer: Answer) -> str:
    """Return where a redirect leads; one that would drop the body or its safety is not followed."""
    target = urljoin(url, answer.location)
    if answer.code not in (307, 308) or not check_address(target):
        raise Redirected(code=answer.code)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise Redirected(code=answer.code)
    return target


def _judged(answer: Answer) -> Answer:
    if 200 <= answer.code < 300:
        return answer
    if answer.code in LATER or answer.code >= 500:
        refusal: NoticeRefusal = ReceiverFailed(code=answer.code)
        refusal.retry_after = answer.retry_after
        raise refusal
    raise ReceiverRefused(code=answer.code, body=answer.body or _("no text"))


def check_address(url: str) -> bool:
    """Return True for an address that can be called. Raises AddressNotUsable with the reason."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressNotUsable(why=_("This is no address.")) from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressNotUsable(why=_("It has to begin with https:// or http:// and a host."))
    if parts.username or parts.password:
        raise AddressNotUsable(why=_("A name or password does not belong into an address."))
    if port == 0 or any(ord(sign) < 33 or ord(sign) == 127 for sign in url):
        raise AddressNotUsable(why=_("There are signs in it that no address has."))
    return True


def _post(url: str, content: bytes, headers: dict[str, str], until: float) -> Answer:
    check_address(url)
    host = urlsplit(url).hostname
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=_tls(), network_backend=_Guarded(until), max_connections=1
            ) as pool,
            pool.stream(
                "POST",
                url,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=content,
                extensions={"timeout": timeouts},
            ) as response,
        ):
            return _answer(response)
    except httpcore.TimeoutException:
        why = _("%(host)s took longer than %(seconds)s s") % {"host": host, "seconds": TIMEOUT_S}
        raise ReceiverAway(why=why) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
        raise ReceiverAway(why=str(error)[:200] or type(error).__name__) from None


def _answer(response: httpcore.Response) -> Answer:
    known = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    body = b""
    for part in response.iter_stream():
        body += part
        if len(body) >= BODY_BYTES:
            break
    text = body[:200].decode("utf-8", "replace").replace("\0", "␀")
    return Answer(
        response.status, known.get(b"location", ""), known.get(b"retry-after", ""), text.strip()
    )


def _tls() -> ssl.SSLContext:
    """Return the rules for TLS; SSL_CERT_FILE names a CA of one's own."""
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)


def public_address(host: str, port: int) -> str:
    """Return the first address of a host that may be called. Raises PrivateAddress, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(entry[4][0].split("%")[0]) for entry in found]
    for address in addresses:
        if is_allowed(address):
            return str(address)
    raise PrivateAddress(host=host, address=addresses[0])


def is_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address is public, or of a network that the settings allow."""
    inner = _inside(address)
    for text in settings.WEBHOOK_ALLOWED_NETWORKS:
        network = ipaddress.ip_network(text.strip(), strict=False)
        if any(a in network for a in (address, inner) if a.version == network.version):
            return True
    return all(a.is_global and not a.is_multicast for a in (address, inner))


def _inside(address: Any) -> Any:
    """Return the IPv4 address that an IPv6 one carries; otherwise the same one."""
    if address.version == 4:
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


class _Guarded(httpcore.SyncBackend):
    """Connects to the address that was judged, and to nothing else, until a moment."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self._until = until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to a public address of the host."""
        address = public_address(host, port)
        left = _left(self._until)
        stream = super().connect_tcp(address, port, left, local_address, socket_options)
        return _Bounded(stream, self._until)


class _Bounded(httpcore.NetworkStream):
    """A connection whose every wait ends at one moment: a receiver that drips gains nothing."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come."""
        return self._stream.read(max_bytes, _left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        self._stream.write(buffer, _left(self._until))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the same connection with TLS; the certificate is that of the name."""
        left = _left(self._until)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection below knows."""
        return self._stream.get_extra_info(info)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for this delivery is over")
    return left
