"""What every test may ask for."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BINS = Path(__file__).parent / "bins"
TERRAFORM = os.environ.get("TERRAFORM_BIN", "terraform")


@pytest.fixture(scope="session")
def django_db_setup(request, django_db_setup: None, django_db_blocker) -> Iterator[None]:
    """Let tests empty the audit trail, and at the end let nobody be connected.

    PostgreSQL drops no database that somebody uses.

    A consumer that was cut in the middle of a query leaves its connection with its thread.
    """
    from django.db import connections

    with django_db_blocker.unblock():
        let_tests_truncate()
    yield
    with django_db_blocker.unblock():
        for left in end_sessions():
            request.config.get_terminal_writer().line(f"a session was left open: {left}")
        for connection in connections.all():
            connection.close()
            connection.close_pool()


def let_tests_truncate() -> None:
    """Give this database what its triggers ask of whoever empties the audit trail.

    The role belongs to tests; an installation has none of that name.
    """
    from django.db import ProgrammingError, connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = 'omlsaas_tests'")
        try:
            if not cursor.fetchall():
                cursor.execute("CREATE ROLE omlsaas_tests NOLOGIN")
            cursor.execute("GRANT omlsaas_tests TO CURRENT_USER")
        except ProgrammingError as error:
            pytest.exit(
                f"The tests need a role: {error}. As a superuser: CREATE ROLE omlsaas_tests; "
                "GRANT omlsaas_tests TO the user of DATABASE_URL."
            )
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET omlsaas.tests = 'on'")
    connection.close()
    connection.close_pool()


def end_sessions(patience_s: float = 3.0) -> list[tuple]:
    """Wait for the other sessions of the test database to end; end and return what is left."""
    from django.db import connection

    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until = time.monotonic() + patience_s
    connection.ensure_connection()
    with connection.cursor() as cursor:
        while True:
            gc.collect()
            cursor.execute(f"SELECT pid, state, left(query, 80) {others} AND state <> 'idle'")
            left = cursor.fetchall()
            if not left or time.monotonic() > until:
                break
            time.sleep(0.1)
        cursor.execute(f"SELECT pid, state, left(query, 80), pg_terminate_backend(pid) {others}")
        return left


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """Return a function that waits for a condition and returns its value."""

    def wait(condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> object:
        until = time.monotonic() + seconds
        while True:
            if found := condition():
                return found
            if time.monotonic() > until:
                raise AssertionError(f"not within {seconds} s: {what or condition}")
            time.sleep(0.02)

    return wait


@pytest.fixture
def places(settings, tmp_path: Path) -> Path:
    """Give the test a VAR_ROOT of its own, with workdirs, states and a host id."""
    from deployments import identity

    settings.VAR_ROOT = tmp_path
    settings.WORKDIR_ROOT = tmp_path / "workdirs"
    settings.STATE_ROOT = tmp_path / "state"
    settings.MIN_FREE_BYTES = 1 << 20
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    identity.host_id.cache_clear()
    yield tmp_path
    identity.host_id.cache_clear()


@pytest.fixture
def worker(places: Path) -> Iterator[object]:
    """Return a worker of this process whose threads end with the test. No reconciler runs."""
    from deployments.worker import Worker

    made = Worker()
    yield made
    made.shut_down()
    for thread in threading.enumerate():
        if thread.name.startswith(("adopted", "unheard")):
            thread.join(10)


@pytest.fixture
def lab(places: Path, db: None):
    """Return the lab of `bootstrap`: stacks sharedlab (installed on paper), acme and globex."""
    from tests.lab import make_lab

    return make_lab()


@pytest.fixture(scope="session")
def aws_server() -> Iterator[object]:
    """Return a local AWS API, started once."""
    from tests.awsapi import running

    with running() as api:
        yield api


@pytest.fixture
def aws(aws_server) -> object:
    """Return the local AWS API with nothing in it."""
    from deployments.cloud import buckets

    aws_server.reset()
    buckets.forget()
    return aws_server


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[dict]:
    """Return a `Region.probe` by which the site of every tenant answers, whatever its name is."""
    from tests.tenantweb import everywhere

    (tmp_path / "site").mkdir()
    with everywhere(tmp_path / "site") as way:
        yield way


@pytest.fixture
def provider(settings) -> str:
    """Return the folder with the AWS provider; the test is skipped where there is none."""
    if not settings.PROVIDER_MIRROR:
        pytest.skip("there is no provider mirror here: set PROVIDER_MIRROR to run this test")
    return settings.PROVIDER_MIRROR


@pytest.fixture
def throw_away(settings, places: Path) -> None:
    """Let the throw-away blueprints be those of the portal."""
    settings.BLUEPRINT_ROOT = Path(__file__).parent / "blueprints"
    settings.CLOUD_ATTEMPTS = 2
