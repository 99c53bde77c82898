"""A name server on 127.0.0.1: a host that the simulated zone has is this machine."""

import socket
import threading
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

LOOK_S = 0.2
TTL_S = 5


class NameServer:
    """Answers A records over UDP; `has_name` is asked for each question."""

    def __init__(self, has_name: Callable[[str], bool]) -> None:
        self._has_name = has_name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(LOOK_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Return where it listens, as `address:port`."""
        return "{}:{}".format(*self._socket.getsockname())

    def stop(self) -> None:
        """Close the port."""
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                wire, sender = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(dns.message.from_wire(wire)), sender)
            except (TimeoutError, ConnectionError, dns.exception.DNSException):
                continue

    def _answer(self, asked: dns.message.Message) -> bytes:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        question = asked.question[0]
        if not self._has_name(question.name.to_text(omit_final_dot=True).lower()):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", "127.0.0.1"))
        return answer.to_wire()
