"""What stands for a tenant's web site: a name server and an HTTPS server, at first not ready."""

import http.server
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority made on the spot."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = self._begin(self.name, self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(usage, critical=True)
        self.certificate = made.sign(self.key, hashes.SHA256())
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePublicKey):
        now = datetime.now(UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
        )

    def issue(self, host: str) -> Path:
        """Return a file with the key and the certificate of a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        made = self._begin(subject, key.public_key()).add_extension(names, critical=False)
        signed = made.sign(self.key, hashes.SHA256())
        path = self.folder / f"{host}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        return path


class _Pages(http.server.BaseHTTPRequestHandler):
    statuses: dict[str, int]

    def do_GET(self) -> None:
        """Answer with the status that the page has at this moment."""
        self.send_response(self.server.statuses.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_told: object) -> None:
        """Stay quiet."""


class Site:
    """An HTTPS server on a port of its own; refused until `open` is called."""

    def __init__(self, certificate: Path) -> None:
        # A port that is bound and does not listen refuses.
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), _Pages, bind_and_activate=False
        )
        self.server.daemon_threads = True
        self.server.server_bind()
        self.port = self.server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.server.statuses = {"/": 503, "/accounts/login/": 503}
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def open(self) -> None:
        """Begin to listen; every page answers 503."""
        self.server.server_activate()
        self.thread.start()

    def serve(self) -> None:
        """Answer as a site that is ready."""
        self.server.statuses = {"/": 302, "/accounts/login/": 200}

    def close(self) -> None:
        """Stop."""
        if self.thread.is_alive():
            self.server.shutdown()
        self.server.server_close()


@contextmanager
def name_server(addresses: dict[str, str]):
    """Answer A records from a mapping that may change; yields `address:port`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.2)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                wire, sender = sock.recvfrom(4096)
            except TimeoutError:
                continue
            asked = dns.message.from_wire(wire)
            answer = dns.message.make_response(asked)
            name = asked.question[0].name
            found = addresses.get(name.to_text(omit_final_dot=True))
            if found:
                ipaddress.ip_address(found)
                answer.answer.append(dns.rrset.from_text(name, 5, "IN", "A", found))
            else:
                answer.set_rcode(3)
            sock.sendto(answer.to_wire(), sender)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield "{}:{}".format(*sock.getsockname())
    finally:
        stop.set()
        thread.join(5)
        sock.close()


class _Everywhere(dict):
    """Every name is this machine."""

    def get(self, _name: str, _default: object = None) -> str:
        return "127.0.0.1"


@contextmanager
def everywhere(folder: Path):
    """Be the site of every tenant, ready; yields how a region probes it (`Region.probe`).

    Whatever name is asked for, its certificate is made on the spot.
    """
    authority = Authority(folder)
    site = Site(authority.issue("nobody.example.test"))

    def shown(connection: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        if name:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.issue(name))
            connection.context = context

    site.server.socket.context.sni_callback = shown
    site.open()
    site.serve()
    try:
        with name_server(_Everywhere()) as address:
            yield {"resolver": address, "port": site.port, "ca_file": str(authority.file)}
    finally:
        site.close()
