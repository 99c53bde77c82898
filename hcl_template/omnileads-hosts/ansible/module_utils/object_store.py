"""A bucket by the S3 protocol with Python's own library alone: hosts need no other package.

Runs on the hosts, so for Python 3.8. Requests are signed by version 4:
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import os
import re
import ssl
import time
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

BLOCK = 1 << 20
# One request takes 5 GiB at most, and a file 10,000 parts: this is enough for 5 TiB.
PART_BYTES = 512 << 20
TIMEOUT_S = 120
ATTEMPTS = 4
EMPTY = hashlib.sha256(b"").hexdigest()
ADVICE = {
    "NoSuchBucket": "Make it, or name another one in the inputs (bucket_name).",
    "NoSuchKey": "Somebody removed it: list the backups again and choose another one.",
    "InvalidAccessKeyId": "Set the access key of the inputs (bucket_access_key) anew.",
    "SignatureDoesNotMatch": "Set the secret key of the inputs (bucket_secret_key) anew.",
    "AccessDenied": "Let these keys list, read, write and delete below backup/ in the bucket.",
    "PermanentRedirect": "Set the bucket's own region and address in the inputs.",
    "AuthorizationHeaderMalformed": "Set the bucket's own region in the inputs (bucket_region).",
    "RequestTimeTooSkewed": "Set the host's clock right.",
}


class StoreError(Exception):
    """What the store refused, or why there is no way to it; `code` is its own word, if any."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class _Part:
    """A part of an open file that http.client sends block by block."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.size, self.left = file, start, size, size
        self.rewind()

    def rewind(self) -> None:
        self.file.seek(self.start)
        self.left = self.size

    def read(self, size: int = BLOCK) -> bytes:
        block = self.file.read(min(size, self.left))
        self.left -= len(block)
        return block

    def digest(self) -> str:
        """Return the SHA-256 of it; it stands at its beginning afterwards."""
        digest = hashlib.sha256()
        for block in iter(self.read, b""):
            digest.update(block)
        self.rewind()
        return digest.hexdigest()


class Store:
    """One bucket. Every method raises StoreError with a sentence that holds no secret."""

    def __init__(
        self,
        url: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        is_verified: bool = True,
        part_bytes: int = PART_BYTES,
    ) -> None:
        place = urlsplit(url)
        self.is_tls, self.host = place.scheme == "https", place.netloc.rpartition("@")[2]
        self.path = f"{place.path.rstrip('/')}/{bucket}"
        self.bucket, self.region = bucket, region or "us-east-1"
        self.access_key, self.secret_key = access_key, secret_key
        self.is_verified, self.part_bytes = is_verified, part_bytes

    # -- what people of this module ask for ------------------------------------------------

    def put(self, key: str, path: str) -> None:
        """Upload a file, in parts when it is large."""
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            if size <= self.part_bytes:
                self._ask("PUT", key, part=_Part(file, 0, size))
            else:
                self._put_parts(key, file, size)

    def read(self, key: str, file: BinaryIO | None = None) -> tuple[str, int]:
        """Return SHA-256 and size of an object as it comes back; write it into `file`, if any."""
        for attempt in range(1, ATTEMPTS + 1):
            digest, size = hashlib.sha256(), 0
            if file is not None:
                file.seek(0)
                file.truncate()
            try:
                with self._open("GET", key, attempts=ATTEMPTS) as answer:
                    wanted = int(answer.getheader("Content-Length") or -1)
                    while block := answer.read(BLOCK):
                        digest.update(block)
                        size += len(block)
                        if file is not None:
                            file.write(block)
                if wanted not in (-1, size):
                    raise http.client.IncompleteRead(b"", wanted - size)
                return digest.hexdigest(), size
            except (OSError, http.client.HTTPException) as problem:
                if attempt == ATTEMPTS or _is_full(problem):
                    raise self._no_way(problem) from problem
                time.sleep(2 ** (attempt - 1))
        raise AssertionError("not reached")

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and size of all objects under a prefix."""
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            # The tenant's own bucket answers; expat keeps entities from growing.
            page = ElementTree.fromstring(self._ask("GET", "", query))  # noqa: S314
            names = {"s3": page.tag[1:].partition("}")[0]} if page.tag[0] == "{" else {"s3": ""}
            for found in page.findall("s3:Contents", names):
                yield found.findtext("s3:Key", "", names), int(found.findtext("s3:Size", 0, names))
            token = page.findtext("s3:NextContinuationToken", "", names)
            if not token:
                return

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is well, too."""
        self._ask("DELETE", key)

    def ensure_bucket(self) -> bool:
        """Make the bucket unless it is there; tell whether it was made."""
        try:
            self._ask("GET", "", {"list-type": "2", "max-keys": "1"})
            return False
        except StoreError as problem:
            if problem.code != "NoSuchBucket":
                raise
        self._ask("PUT", "")
        return True

    # -- large files ------------------------------------------------------------------------

    def _put_parts(self, key: str, file: BinaryIO, size: int) -> None:
        begun = self._ask("POST", key, {"uploads": ""}).decode()
        upload = {"uploadId": _between(begun, "UploadId")}
        try:
            told = []
            for number, start in enumerate(range(0, size, self.part_bytes), 1):
                part = _Part(file, start, min(self.part_bytes, size - start))
                query = {**upload, "partNumber": str(number)}
                with self._open("PUT", key, query, part=part, attempts=ATTEMPTS) as answer:
                    etag = answer.getheader("ETag", "")
                told.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            text = f"<CompleteMultipartUpload>{''.join(told)}</CompleteMultipartUpload>"
            answer = self._ask("POST", key, upload, text.encode()).decode(errors="replace")
            # It may answer 200 and say in its text that it failed after all.
            if "<Error>" in answer:
                raise self._refusal(200, answer.encode())
        except BaseException:
            # Else the bucket's own rule for uploads that were not finished takes it.
            with contextlib.suppress(StoreError):
                self._ask("DELETE", key, upload)
            raise

    # -- one request ------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        key: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        part: _Part | None = None,
    ) -> bytes:
        try:
            with self._open(method, key, query, body, part, ATTEMPTS) as answer:
                return answer.read()
        except (OSError, http.client.HTTPException) as problem:
            raise self._no_way(problem) from problem

    def _open(
        self,
        method: str,
        key: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        part: _Part | None = None,
        attempts: int = 1,
    ) -> http.client.HTTPResponse:
        """Return the answer to a request, whose body is still to be read."""
        for attempt in range(1, attempts + 1):
            try:
                answer = self._send(method, key, query or {}, body, part)
                if answer.status < 300:
                    return answer
                with answer:
                    refusal = self._refusal(answer.status, answer.read(BLOCK))
                if answer.status < 500 or attempt == attempts:
                    raise refusal
            except (OSError, http.client.HTTPException) as problem:
                if attempt == attempts or isinstance(problem, ssl.SSLCertVerificationError):
                    raise self._no_way(problem) from problem
            time.sleep(2 ** (attempt - 1))
        raise AssertionError("not reached")

    def _send(
        self, method: str, key: str, query: dict[str, str], body: bytes, part: _Part | None
    ) -> http.client.HTTPResponse:
        if part is not None:
            part.rewind()
        payload = part.digest() if part is not None else hashlib.sha256(body).hexdigest()
        path = quote(f"{self.path}/{key}" if key else self.path, safe="/-_.~")
        pairs = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in query.items())
        text = "&".join(f"{name}={value}" for name, value in pairs)
        headers = self._signed(method, path, text, payload)
        headers["Content-Length"] = str(part.size if part is not None else len(body))
        headers["Connection"] = "close"
        connection = self._connection()
        try:
            target = f"{path}?{text}" if text else path
            # One that refuses before it has read all says why all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body if part is None else part, headers)
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _connection(self) -> http.client.HTTPConnection:
        more = {"timeout": TIMEOUT_S, "blocksize": BLOCK}
        if not self.is_tls:
            return http.client.HTTPConnection(self.host, **more)
        context = ssl.create_default_context()
        if not self.is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, context=context, **more)

    def _signed(self, method: str, path: str, query: str, payload: str) -> dict[str, str]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": moment}
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        names = ";".join(sorted(headers))
        request = "\n".join((method, path, query, lines, names, payload))
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return headers

    # -- what went wrong --------------------------------------------------------------------

    def _refusal(self, status: int, body: bytes) -> StoreError:
        text = body.decode(errors="replace")
        # An answer about the signature holds more, of which nothing belongs into a log.
        code, told = _between(text, "Code"), _between(text, "Message")
        words = f"{self.host} refused (bucket {self.bucket}): {code or status} {told}".rstrip(" .")
        return StoreError(f"{words}. {ADVICE.get(code, '')}".rstrip(), code)

    def _no_way(self, problem: Exception) -> StoreError:
        if _is_full(problem):
            return StoreError(str(problem))
        advice = "Look whether the host reaches it, and at its address in the inputs (bucket_url)."
        if isinstance(problem, ssl.SSLCertVerificationError):
            advice = "If its certificate is self-signed, choose s3-no-check-cert (callrec_device)."
        words = str(problem) or type(problem).__name__
        return StoreError(f"No answer from {self.host}: {words}. {advice}")


def _is_full(problem: Exception) -> bool:
    return getattr(problem, "filename", None) is not None or getattr(problem, "errno", 0) == 28


def _between(text: str, tag: str) -> str:
    found = re.search(f"<{tag}>([^<]*)</{tag}>", text)
    return found[1] if found else ""


def digest_of(path: str) -> tuple[str, int]:
    """Return SHA-256 and size of a file."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        return _Part(file, 0, size).digest(), size
