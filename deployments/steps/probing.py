"""Asking what was built whether it answers, stage by stage: name, port, certificate, pages.

A leaf: it knows neither runs nor database.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.resolver
from django.utils.translation import gettext as _

TIMEOUT_S = 10.0
PORTS = {"https": 443, "http": 80}


class NoAnswer(Exception):
    """A stage is not passed; the text says what came instead."""


@dataclass(frozen=True)
class Stage:
    """One page that must answer with a status."""

    path: str
    status: int


@dataclass(frozen=True)
class Way:
    """How the region wants it probed: a resolver `address:port`, a port, a CA's file."""

    resolver: str = ""
    port: int = 0
    ca_file: str = ""


class Probe:
    """One URL with its stages. `passes` yields each stage that is passed, in order."""

    def __init__(self, url: str, stages: Sequence[Stage], way: Way, *, verify: bool = True) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise NoAnswer(_("“%s” is not an http address") % url)
        self.host, self.is_secure = parts.hostname, parts.scheme == "https"
        self.port = parts.port or way.port or PORTS[parts.scheme]
        self.named = parts.netloc
        self.stages, self.way, self.verify = stages, way, verify
        self.address = ""

    @property
    def names(self) -> list[str]:
        """Return what the stages are called, in order."""
        found = [_("name %s") % self.host, _("port %s") % self.port]
        if self.is_secure:
            found.append(_("certificate"))
        return found + [
            _("GET %(path)s → %(status)s") % {"path": stage.path, "status": stage.status}
            for stage in self.stages
        ]

    def passes(self) -> Iterator[str]:
        """Yield what each stage answered, until all are passed. Raises NoAnswer."""
        self.address = self._resolve()
        yield self.address
        with self._connect():
            yield _("open")
        if self.is_secure:
            yield self._certificate()
        for stage in self.stages:
            answer = self._get(stage.path)
            if answer != str(stage.status):
                raise NoAnswer(answer)
            yield answer

    def _resolve(self) -> str:
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            pass
        if not self.way.resolver:
            try:
                found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            except OSError as problem:
                raise NoAnswer(problem.strerror or str(problem)) from problem
            return found[0][4][0]
        address, _sign, port = self.way.resolver.rpartition(":")
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [address or port], int(port) if address else 53
        resolver.lifetime = TIMEOUT_S
        try:
            return resolver.resolve(self.host, "A")[0].to_text()
        except dns.exception.DNSException as problem:
            raise NoAnswer(str(problem) or type(problem).__name__) from problem

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection((self.address, self.port), TIMEOUT_S)
        except OSError as problem:
            raise NoAnswer(problem.strerror or str(problem)) from problem

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.way.ca_file or None)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _secured(self, plain: socket.socket) -> socket.socket:
        try:
            return self._context().wrap_socket(plain, server_hostname=self.host)
        except OSError as problem:  # an SSLError is one
            plain.close()
            raise NoAnswer(getattr(problem, "verify_message", "") or str(problem)) from problem

    def _certificate(self) -> str:
        with self._secured(self._connect()) as secured:
            told: dict[str, Any] = secured.getpeercert() or {}
        until = told.get("notAfter")
        return _("valid until %s") % until if until else _("not checked")

    def _get(self, path: str) -> str:
        """Return the status of a page as text. Follows no redirect."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        plain = self._connect()
        connection.sock = self._secured(plain) if self.is_secure else plain
        headers = {"Host": self.named, "User-Agent": "omlsaas-probe"}
        try:
            connection.request("GET", path, headers=headers)
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as problem:
            raise NoAnswer(str(problem) or type(problem).__name__) from problem
        finally:
            connection.close()
