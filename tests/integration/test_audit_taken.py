"""What the trail keeps of content that was taken, of who said yes, and of which plan."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments.logs import LogWriter
from deployments.models import Plan, Run, StandingGrant
from deployments.runstatus import RunStatus
from deployments.services import approve_run, discard_run, grant, queue_run, reject_run, set_end
from deployments.services.lifecycle import end_run
from tenants import actors, services
from tenants.models import AuditEntry, Stack
from tests.factories import make_region, make_step, make_token, make_user, with_four_eyes
from tests.integration.second_persons import WHY, actor, asked, confirm, dangerous, forced_lock

S = RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]


@pytest.fixture
def acme(lab):
    with_four_eyes()
    return lab.stack("acme")


@pytest.fixture
def alice(acme):
    return make_user("alice", role="admin", first_name="Alice")


@pytest.fixture
def erin(acme):
    return make_user("erin", role="approver", over=acme, first_name="Erin")


def taken():
    rows = AuditEntry.objects.filter(action="export").order_by("id")
    return [(row.actor_name, row.after["what"], row.target_name) for row in rows]


# -- who took what -----------------------------------------------------------------------------
def test_a_plan_that_is_taken_leaves_its_entry_by_page_and_by_the_api(acme, alice):
    run = dangerous(acme, alice)
    client = Client()
    client.force_login(alice)
    assert client.get(reverse("run_plan_json", args=[run.public_id])).status_code == 200
    text = make_token(alice)[1]
    headers = {"Authorization": f"Bearer {text}"}
    assert Client().get(f"/api/v1/runs/{run.public_id}/plan", headers=headers).status_code == 200
    assert taken() == [("Alice", "plan", str(run))] * 2
    entry = AuditEntry.objects.filter(action="export").order_by("id").last()
    assert (entry.run_id, entry.tenant_name) == (run.public_id, "acme")
    assert entry.token_id.startswith("tok_") and entry.origin == "api"


def test_an_inventory_that_is_taken_leaves_its_entry(acme, alice):
    client = Client()
    client.force_login(alice)
    client.get(reverse("stack_inventory", args=[acme.public_id]))
    assert taken() == [("Alice", "inventory.yml", "acme")]


def test_a_whole_log_that_is_taken_leaves_its_entry_and_a_piece_none(acme, alice):
    run = dangerous(acme, alice)
    writer = LogWriter(make_step(run))
    writer.append(14, b"one\ntwo\nthree\n")
    writer.flush()
    client = Client()
    client.force_login(alice)
    address = reverse("run-log", args=[run.public_id])
    assert b"".join(client.get(address, headers={"Range": "bytes=4-7"})) == b"two\n"
    client.head(address)
    client.get(reverse("run-log-lines", args=[run.public_id]))
    assert taken() == []
    assert b"".join(client.get(address + "?download")) == b"one\ntwo\nthree\n"
    assert b"".join(client.get(address, headers={"Range": "bytes=0-"})) == b"one\ntwo\nthree\n"
    assert taken() == [("Alice", "log", str(run))] * 2
    assert AuditEntry.objects.filter(action="export").order_by("id").last().after["bytes"] == 14


# -- who said yes, to which plan ---------------------------------------------------------------
def yes(run):
    """Return approver and plan of each entry of a run, by action."""
    rows = AuditEntry.objects.filter(run_id=run.public_id).order_by("id")
    return {row.action: (row.approver_name, row.plan_digest) for row in rows}


def test_the_trail_of_a_run_names_who_approved_which_plan(acme, alice, erin, client):
    run = dangerous(acme, alice)
    digest = Plan.objects.get(run=run).digest
    asked(alice, run)
    approve_run(actor(erin), run, reason=WHY)
    confirm(alice, run)
    run.refresh_from_db()
    end_run(run, S.CANCELED, actor=actors.system("worker"))
    assert yes(run) == {
        "approval.ask": ("", digest),
        "approval.approve": ("Erin", digest),
        "run.confirm": ("Erin", digest),
        "run.end": ("Erin", digest),
    }
    assert AuditEntry.objects.get(action="run.confirm").approver_id == erin.public_id
    client.force_login(alice)
    assert "approved by Erin" in client.get(reverse("audit")).content.decode()


def test_what_needed_nobody_names_the_plan_alone(acme, alice):
    with_four_eyes("destroy")
    run = dangerous(acme, alice)
    digest = Plan.objects.get(run=run).digest
    confirm(alice, run)
    assert yes(run) == {"run.confirm": ("", digest)}


def test_a_no_names_the_plan(acme, alice, erin):
    run = dangerous(acme, alice)
    digest = Plan.objects.get(run=run).digest
    asked(alice, run)
    reject_run(actor(erin), run, reason="no")
    assert yes(run)["approval.reject"] == ("", digest)
    other = dangerous(acme, alice)
    discard_run(actor(alice), other)
    assert yes(other)["run.discard"] == ("", Plan.objects.get(run=other).digest)


def test_what_has_no_plan_names_the_approver_alone(acme, alice, erin):
    run = forced_lock(acme, alice)
    approve_run(actor(erin), run, reason=WHY)
    run.refresh_from_db()
    end_run(run, S.CANCELED, actor=actors.system("worker"))
    found = yes(run)
    assert found["approval.approve"] == ("Erin", "") and found["run.end"] == ("Erin", "")


def test_a_yes_to_another_plan_is_not_named_at_the_end(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    approve_run(actor(erin), run, reason=WHY)
    Plan.objects.filter(run=run).update(digest="f" * 64)
    run.refresh_from_db()
    end_run(run, S.CANCELED, actor=actors.system("worker"))
    assert yes(run)["run.end"] == ("", "f" * 64)


# What was let go: by its plan's yes, by itself, or with no plan at all; and what was not.
@pytest.mark.parametrize("went", ["confirmed_at", "apply_started_at", "admitted_at", None])
def test_who_granted_it_beforehand_is_named(went, throw_away, db):
    region = make_region("north")
    with_four_eyes()
    tenant = services.create_tenant(
        actors.system("test"), name="demo", region=region, blueprint="plain"
    )
    Stack.objects.update(resource_count=1)
    stack = Stack.objects.select_related("tenant", "region__account").get(tenant=tenant)
    erin, otto = make_user("erin", role="approver"), make_user("otto", role="operator")
    robot = make_user("robot", role="operator", is_service=True)
    end = timezone.now() + timedelta(days=1)
    set_end(actor(otto), stack, purpose="x", kept_by=otto, expires_at=end, reason="x")
    grant(actor(erin), stack=stack, accounts=[robot], may_create=False, may_destroy=True,
          ends_at=end, reason="nightly")  # fmt: skip
    run = queue_run(actor(robot), stack, "destroy", reason="x")
    run = Run.objects.select_related("stack", "grant").get(pk=run.pk)
    assert yes(run)["run.queue"] == ("erin", "")
    # An end of the grant takes the name from what was not let go under it, and from nothing else.
    if went == "admitted_at":
        run.steps_wanted = []
    if went:
        setattr(run, went, timezone.now())
    StandingGrant.objects.update(revoked_at=timezone.now())
    run.grant.refresh_from_db()
    end_run(run, S.CANCELED, actor=actors.system("worker"))
    assert yes(run)["run.end"] == ("erin" if went else "", "")
