"""An account that refuses: a door before the local AWS API that answers some calls by itself.

The answers are those of the real APIs, by their error references:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.awsapi import AwsApi

WHO = "arn:aws:iam::123456789012:user/portal"
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length")


@dataclass(frozen=True)
class Refusal:
    """An answer of the API: HTTP status, code, message."""

    status: int
    code: str
    message: str

    def body(self, service: str) -> bytes:
        """Return it as the service's XML."""
        error = f"<Code>{self.code}</Code><Message>{self.message}</Message>"
        if service == "ec2":
            return (
                f"<Response><Errors><Error>{error}</Error></Errors>"
                "<RequestID>0b7d9b6a-0000</RequestID></Response>"
            ).encode()
        return f"<Error>{error}<RequestId>0b7d9b6a</RequestId></Error>".encode()


# By the call's name; a bucket's creation has none, it is a PUT of its name.
REFUSED = {
    "CreateVpc": Refusal(
        403, "UnauthorizedOperation",
        f"You are not authorized to perform this operation. User: {WHO} is not authorized to "
        "perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-2:123456789012:vpc/* because no "
        "identity-based policy allows the ec2:CreateVpc action.",
    ),
    "AllocateAddress": Refusal(
        400, "AddressLimitExceeded", "The maximum number of addresses has been reached."
    ),
    "RunInstances": Refusal(
        500, "InsufficientInstanceCapacity",
        "We currently do not have sufficient t3.medium capacity in the Availability Zone you "
        "requested (us-east-2a).",
    ),
    "PUT /taken-by-somebody": Refusal(
        409, "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users "
        "of the system. Please select a different name and try again.",
    ),
}  # fmt: skip


@contextmanager
def refusing(api: AwsApi) -> Iterator[AwsApi]:
    """Open the door before an API; what is not refused goes through to it."""
    target = urlsplit(api.url)

    class Door(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = parse_qs(content.decode(errors="replace")).get("Action", [""])[0]
            path = self.path.partition("?")[0].rstrip("/")
            known = f"{self.command} {path}"
            if refusal := REFUSED.get(action) or REFUSED.get(known):
                self._send(refusal.status, {}, refusal.body("ec2" if action else "s3"))
                return
            behind = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
            try:
                behind.request(self.command, self.path, content, dict(self.headers))
                answer = behind.getresponse()
                self._send(answer.status, dict(answer.getheaders()), answer.read())
            finally:
                behind.close()

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield AwsApi(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
