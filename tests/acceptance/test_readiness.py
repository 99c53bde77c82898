"""Readiness: what was built has to answer, and the run shows how far it has come."""

import threading
import time

import pytest

from deployments.models import Run
from deployments.runstatus import RunStatus
from tests.acceptance.test_operations import BLUEPRINTS, do, log_of
from tests.operated import make_operated
from tests.tenantweb import Authority, Site, name_server

pytestmark = pytest.mark.django_db(transaction=True)
S = RunStatus
HOST = "acme.example.test"


@pytest.fixture
def site(tmp_path):
    """Return the tenant's site, refused for now, and the authority's file."""
    authority = Authority(tmp_path)
    made = Site(authority.issue(HOST))
    made.ca_file = str(authority.file)
    yield made
    made.close()


@pytest.fixture
def names():
    """Return a name server's records and its address."""
    records: dict[str, str] = {}
    with name_server(records) as address:
        yield records, address


@pytest.fixture
def operated(aws, places, settings, site, names):
    """Return tenants whose region is probed through the test's name server, port and CA."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    way = {"resolver": names[1], "port": site.port, "ca_file": site.ca_file}
    return make_operated(aws, probe=way)


def in_thread(worker, run: Run) -> threading.Thread:
    thread = threading.Thread(target=worker.work, args=(run.public_id,))
    thread.start()
    return thread


def at(run: Run) -> tuple[int, str]:
    """Return how many stages are passed, and what the next one answers."""
    told = run.steps.get(kind="probe.http").progress if run.steps.exists() else {}
    return told.get("done", -1), told.get("text", "")


def test_each_stage_is_shown_as_it_is_passed(operated, worker, site, names, wait_until):
    run = operated.queue("ready")
    thread = in_thread(worker, run)
    wait_until(lambda: at(run)[0] == 0 and at(run)[1], what="no name yet")
    names[0][HOST] = "127.0.0.1"
    began = time.monotonic()
    wait_until(lambda: at(run) == (1, "Connection refused"), what="refused")
    while time.monotonic() - began < 3:  # as long as a machine that boots would refuse
        assert Run.objects.get(pk=run.pk).status == S.VERIFYING
        time.sleep(0.2)
    site.open()
    wait_until(lambda: at(run) == (3, "503"), what="503")
    site.serve()
    thread.join(20)
    run.refresh_from_db()
    assert run.status == S.APPLIED, run.error_text
    log = log_of(run)
    for line in (
        f"name {HOST}: 127.0.0.1", "not yet: Connection refused", f"port {site.port}: open",
        "certificate: valid until", "GET / → 302: not yet: 503", "GET / → 302: 302",
        "GET /accounts/login/ → 200: 200",
    ):  # fmt: skip
        assert line in log, (line, log)
    stages = run.steps.get(kind="probe.http").progress["stages"]
    assert [bool(one["answer"]) for one in stages] == [True] * 5


def queue_short(operated, seconds: int = 3) -> Run:
    run = operated.queue("ready")
    steps = run.steps_wanted
    steps[0]["params"]["timeout_s"] = seconds
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    return run


def test_a_site_that_stays_at_503_is_applied_but_not_ready(operated, worker, site, names):
    names[0][HOST] = "127.0.0.1"
    site.open()
    run = do(worker, queue_short(operated))
    assert (run.status, run.error["code"], run.error_kind) == (S.ERRORED, "NotReady", "step")
    assert run.error_text.startswith("Applied, not ready: https://acme.example.test")
    assert "GET / → 302" in run.error_text
    assert "503" in run.error_text


def test_a_certificate_of_another_authority_is_named(operated, worker, site, names):
    names[0][HOST] = "127.0.0.1"
    region = operated.stack().region
    region.probe = {**region.probe, "ca_file": ""}
    region.save()
    site.open()
    site.serve()
    run = do(worker, queue_short(operated, 1))
    assert run.error["params"]["stage"] == "certificate"
    assert "unable to get local issuer certificate" in run.error_text


def test_a_name_that_is_not_there_is_named(operated, worker):
    run = do(worker, queue_short(operated, 1))
    assert run.error["params"]["stage"] == f"name {HOST}"
    assert "does not exist" in run.error_text


def test_the_simple_form_asks_for_one_page(operated, worker, site, names):
    names[0][HOST] = "127.0.0.1"
    site.open()
    site.serve()
    run = operated.queue("ready")
    steps = [{"kind": "probe.http", "params": {"url": f"https://{HOST}/accounts/login/"}}]
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    run = do(worker, run)
    assert run.status == S.APPLIED, run.error_text
    assert "GET /accounts/login/ → 200: 200" in log_of(run)


def test_an_address_that_is_none_is_said(operated, worker):
    run = operated.queue("ready")
    steps = [{"kind": "probe.http", "params": {"url": "ftp://acme"}}]
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    assert "is not an http address" in do(worker, run).error_text
