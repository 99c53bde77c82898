"""A name of a bucket that is somebody else's: an API that answers as S3 then does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deployments.cloud import buckets
from deployments.cloud.errors import BucketNameTaken, StateBucketClosed
from tests.awsapi import AwsApi
from tests.cloudruns import make_s3_region

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn><UserId>x</UserId><Account>1</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
TAKEN = """<Error><Code>BucketAlreadyExists</Code><Message>not available</Message>
<BucketName>acme-taken</BucketName></Error>"""


class Answers(BaseHTTPRequestHandler):
    """HEAD of a bucket gets `head`; making one is a conflict; everybody is known."""

    head = 403

    def _answer(self, status: int, text: str = "") -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_HEAD(self) -> None:
        """Answer as the test wants."""
        self._answer(self.head)

    def do_POST(self) -> None:
        """Tell who asks."""
        self._answer(200, IDENTITY)

    def do_PUT(self) -> None:
        """Refuse the name."""
        self._answer(409, TAKEN)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(settings) -> Iterator[AwsApi]:
    """Return such an API."""
    settings.CLOUD_ATTEMPTS = 1
    buckets.forget()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield AwsApi(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bucket_that_is_closed_to_us_is_told_with_both_causes(api, monkeypatch):
    monkeypatch.setattr(Answers, "head", 403)
    with pytest.raises(StateBucketClosed, match="belongs to somebody else, or the right s3:List"):
        buckets.require_state_bucket(make_s3_region(api))


def test_a_name_that_is_taken_meanwhile_is_told(api, monkeypatch):
    monkeypatch.setattr(Answers, "head", 404)
    with pytest.raises(BucketNameTaken, match="acme-taken belongs to another account"):
        buckets.require_state_bucket(make_s3_region(api))
