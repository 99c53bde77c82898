"""The trail as files, and the timelines of one stack, run and operation."""

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from deployments import auditexport
from tenants import actors, audit
from tenants.actors import Actor
from tenants.models import AuditEntry
from tests.factories import make_run, make_tenant, make_user

ACTOR = actors.system("test")


def write(target: object, count: int = 1, actor: Actor = ACTOR, **more: object) -> None:
    """Write so many entries."""
    with transaction.atomic():
        for number in range(count):
            after = {"n": number, **more}
            audit.record(actor.because(f"number {number}"), "tenant.change", target, after=after)


@pytest.fixture
def ada(client: Client) -> Client:
    """Return a browser of somebody who administers everything."""
    client.force_login(make_user("ada", role="admin"))
    return client


@pytest.mark.django_db
def test_an_export_is_read_in_pieces_and_holds_each_entry_once(ada: Client, monkeypatch) -> None:
    monkeypatch.setattr(auditexport, "PIECE", 4)
    write(make_tenant("acme"), 10, note="=1+1")
    response = ada.get("/audit/?format=ndjson&action=tenant.change")
    with CaptureQueriesContext(connection) as queries:
        rows = [json.loads(line) for line in response.getvalue().splitlines()]
    assert [row["after"]["n"] for row in rows] == list(range(9, -1, -1))
    assert rows[0]["tenant"] == "acme" and rows[0]["refused"] is False
    reads = [q["sql"] for q in queries if "tenants_auditentry" in q["sql"]]
    assert len(reads) == 3 and all("LIMIT 4" in sql for sql in reads)
    entry = AuditEntry.objects.get(action="export")
    assert entry.after == {"list": "audit", "rows": 10, "format": "ndjson",
                           "filters": {"action": "tenant.change"}}  # fmt: skip
    oldest = ada.get("/audit/?format=csv&action=tenant.change&sort=time").getvalue().decode()
    cells = list(csv.DictReader(io.StringIO(oldest)))
    assert [json.loads(row["after"])["n"] for row in cells] == list(range(10))


@pytest.mark.django_db
def test_no_cell_is_run_as_a_formula(ada: Client) -> None:
    with transaction.atomic():
        audit.record(ACTOR.because("=HYPERLINK(1)"), "tenant.change", make_tenant("acme"))
    text = ada.get("/audit/?format=csv&action=tenant.change").getvalue().decode()
    assert next(csv.DictReader(io.StringIO(text)))["reason"] == "'=HYPERLINK(1)"


@pytest.mark.django_db
def test_an_export_holds_only_what_the_person_may_see(client: Client) -> None:
    mine, foreign = make_tenant("acme"), make_tenant("foreign")
    write(mine)
    write(foreign)
    client.force_login(make_user("bob", role="viewer", over=mine))
    for kind in ("csv", "ndjson"):
        text = client.get(f"/audit/?format={kind}").getvalue().decode()
        assert "acme" in text and "foreign" not in text
        hidden = f"/audit/?format={kind}&stack={foreign.stack.public_id}"
        assert "foreign" not in client.get(hidden).getvalue().decode()


@pytest.mark.django_db(transaction=True)
def test_the_server_of_events_streams_too(monkeypatch) -> None:
    monkeypatch.setattr(auditexport, "PIECE", 2)
    user = make_user("ada", role="admin")
    write(make_tenant("acme"), 5)

    async def read() -> list[bytes]:
        browser = AsyncClient()
        await browser.aforce_login(user)
        response = await browser.get("/audit/?format=ndjson&action=tenant.change")
        return [piece async for piece in response.streaming_content]

    pieces = async_to_sync(read)()
    assert [piece.count(b"\n") for piece in pieces] == [2, 2, 1]


@pytest.mark.django_db
def test_timelines_of_a_stack_a_run_a_person_and_an_operation(ada: Client) -> None:
    acme, other = make_tenant("acme"), make_tenant("globex")
    run = make_run(acme)
    actor = actors.from_user(make_user("bob"), origin="portal", operation_id="ops_1")
    write(acme)
    write(other, actor=actor)
    with transaction.atomic():
        audit.record(actor, "run.queue", run)
    shared = acme.shared_environment

    def names(query: str) -> list[str]:
        lines = ada.get(f"/audit/?format=ndjson&{query}").getvalue().splitlines()
        return [json.loads(line)["target"] for line in lines]

    assert names(f"stack={acme.stack.public_id}") == [str(run), "acme"]
    assert names(f"stack={shared.stack.public_id}") == []
    assert names("stack=stk_unknown") == []
    assert names(f"run={run.public_id}") == [str(run)]
    assert names(f"actor={actor.id}") == [str(run), "globex"]
    assert names("operation=ops_1") == [str(run), "globex"]
    page = ada.get("/audit/?operation=ops_1").content.decode()
    assert page.count('href="?operation=ops_1"') == 2
    assert "globex" in page and "ops_1" in page
