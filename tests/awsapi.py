"""A local AWS API: moto's server as a process of its own, one for all tests."""

import os
import re
import selectors
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenants.models import CloudAccount, Region

PROJECT = Path(__file__).resolve().parent.parent
STARTS_WITHIN_S = 60
ACCESS_KEY, SECRET_KEY = "AKIAEXAMPLE0000TEST", "s3cret/Access+Key=of-the-account-77"
RUNNING = re.compile(rb"Running on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class AwsApi:
    """Where the simulation answers."""

    url: str

    def reset(self) -> None:
        """Forget everything that was made."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def client(self, service: str) -> Any:
        """Return a client of the test's own, to look and to prepare."""
        import boto3

        return boto3.client(
            service,
            region_name="us-east-2",
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def running(**environment: str) -> Iterator[AwsApi]:
    """Start a server on a free port and stop it at the end."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.awsserver", "-H", "127.0.0.1", "-p", "0"],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
    )
    try:
        yield AwsApi(_address(server))
    finally:
        server.terminate()
        server.wait(10)
        server.stderr.close()


def _address(server: subprocess.Popen) -> str:
    """Read the address that the server prints; a reader of ours then drains what it logs."""
    seen, until = b"", time.monotonic() + STARTS_WITHIN_S
    with selectors.DefaultSelector() as selector:
        selector.register(server.stderr, selectors.EVENT_READ)
        while time.monotonic() < until and server.poll() is None:
            if selector.select(0.5):
                seen += os.read(server.stderr.fileno(), 65536)
            if found := RUNNING.search(seen):
                _drain(server)
                return found[1].decode()
    raise AssertionError(f"the local AWS API did not start: {seen[-500:]!r}")


def _drain(server: subprocess.Popen) -> None:
    """Let nobody wait for a full pipe: the server logs each request."""
    import threading

    def read() -> None:
        try:
            while os.read(server.stderr.fileno(), 65536):
                pass
        except (OSError, ValueError):
            return

    threading.Thread(target=read, daemon=True, name="moto's log").start()


def make_cloud_region(api: AwsApi, slug: str = "ohio", **fields: Any) -> Region:
    """Return a region of an account at the simulation."""
    from tenants import actors, services
    from tests.factories import without_four_eyes

    without_four_eyes()
    account = CloudAccount.objects.filter(name="sandbox").first()
    account = account or services.create_account(
        actors.system("test"),
        name="sandbox",
        provider="aws",
        access_key_id=ACCESS_KEY,
        secret_key=SECRET_KEY,
    )
    values = {"code": "us-east-2", "endpoint_url": api.url, "owner_prefix": "acme", **fields}
    return services.create_region(actors.system("test"), account=account, slug=slug, **values)
