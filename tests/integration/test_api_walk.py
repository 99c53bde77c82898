"""Every operation of the API that writes does it, and leaves its entry in the audit trail."""

from typing import Any

import pytest
from django.db import transaction

from tenants import actors, services
from tenants.models import AuditEntry
from tests.factories import make_region, make_user
from tests.integration.api_walk import ASKED, HOSTED, LEAVES_NONE, PLAIN, Asked
from tests.integration.apicalls import caller
from tests.integration.audit_walk import World
from tests.integration.test_api_sweep import operations

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]


def leaves(ask: Any, world: World, name: str, asked: Asked) -> str:
    """Return why an operation did not leave its entry; empty when it did."""
    method, path = operations()[name]
    with transaction.atomic():
        ids, body = asked.make(world)
        last = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        address = path.format(**ids).removeprefix("/api/v1/")
        answer = ask(method, address, body)
        found = AuditEntry.objects.filter(pk__gt=last, action=asked.action)
        entry = found.order_by("pk").last()
        transaction.set_rollback(True)
    vars(world).pop("stack", None)
    if not 200 <= answer.status_code < 300:
        return f"{answer.status_code} {answer.content[:300]}"
    if entry is None:
        return f"no entry {asked.action}"
    if (entry.actor_id, entry.origin) != (world.ada.public_id, "api"):
        return f"by {entry.actor_name} through {entry.origin}"
    if entry.token_id != ask.token.public_id or not entry.request_id or not entry.ip:
        return "without token, request id or address"
    return ""


def test_every_writing_operation_stands_in_a_table():
    writing = {name for name, (method, _path) in operations().items() if method != "get"}
    tables = (ASKED, HOSTED, PLAIN, LEAVES_NONE)
    assert writing == {name for table in tables for name in table}
    assert sum(map(len, tables)) == len(writing)


@pytest.mark.terraform
def test_every_operation_leaves_its_entry(lab, settings):
    # Nobody is there to answer a test: how it went is not the question here.
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    world = World(lab, make_user("ada", role="admin"))
    ask = caller(settings, world.ada)
    found = {name: leaves(ask, world, name, asked) for name, asked in ASKED.items()}
    assert {name: why for name, why in found.items() if why} == {}


@pytest.mark.parametrize(("blueprint", "table"), [("hosted", HOSTED), ("plain", PLAIN)])
def test_operations_on_hosts_and_ends_leave_theirs(throw_away, settings, blueprint, table):
    tenant = services.create_tenant(
        actors.system("test"), name="acme", region=make_region(), blueprint=blueprint
    )
    world = World(None, make_user("ada", role="admin"))
    ask = caller(settings, world.ada)
    found = {}
    for name, asked in table.items():
        vars(world)["stack"] = tenant.stack
        found[name] = leaves(ask, world, name, asked)
    assert {name: why for name, why in found.items() if why} == {}
