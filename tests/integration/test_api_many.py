"""Many tenants at once through the API, and tenants that another tool built."""

import pytest

from deployments.models import Run
from tenants.models import AuditEntry, Release, Tenant
from tests import factories
from tests.integration.apicalls import caller
from tests.integration.test_adoption import (  # noqa: F401 fixtures
    INITECH,
    PASSWORDS,
    environment,
    region,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(settings):
    return caller(settings, factories.make_user("oscar", role="operator"))


def test_one_change_over_many_is_previewed_then_done_as_one_operation(operator, lab):
    ids = [lab.acme.public_id, lab.globex.public_id]
    body = {"tenants": ids, "labels": {"wave": "1"}, "time_zone": "Europe/Oslo"}
    told = operator("post", "bulk/tenants/preview", body)
    assert told.status_code == 200, told.content
    changes = told.json()["items"][0]["changes"]
    assert {"name": "time zone", "before": "UTC", "after": "Europe/Oslo"} in changes
    assert not Tenant.objects.filter(time_zone="Europe/Oslo").exists()
    wanted = body | {"reason": "a wave", "digest": told.json()["digest"]}
    Tenant.objects.filter(pk=lab.acme.pk).update(labels={"wave": "0"})
    stale = operator("post", "bulk/tenants", wanted)
    assert (stale.status_code, stale.json()["code"]) == (409, "PreviewDiffers")
    Tenant.objects.filter(pk=lab.acme.pk).update(labels={})
    done = operator("post", "bulk/tenants", wanted)
    assert done.status_code == 200, done.content
    assert [one["refused"] for one in done.json()["items"]] == [[], []]
    entries = AuditEntry.objects.filter(operation_id=done.json()["operation_id"])
    assert set(entries.values_list("tenant_name", flat=True)) == {"acme", "globex"}
    assert set(entries.values_list("reason", "origin")) == {("a wave", "api")}


def test_plans_are_queued_over_many_stacks_under_one_operation(operator, lab):
    body = {"tenants": [lab.acme.public_id, lab.globex.public_id], "has_plan": True,
            "reason": "a look"}  # fmt: skip
    done = operator("post", "bulk/tenants", body).json()
    assert {one["run"] for one in done["items"]} == set(
        Run.objects.values_list("public_id", flat=True)
    )
    queued = AuditEntry.objects.filter(action="run.queue")
    assert set(queued.values_list("operation_id", flat=True)) == {done["operation_id"]}


def test_what_a_role_does_not_cover_is_refused_and_the_rest_is_done(settings, lab):
    ask = caller(settings, factories.make_user("opal", role="viewer"))
    body = {"tenants": [lab.acme.public_id, lab.globex.public_id], "labels": {"a": "b"},
            "reason": "r"}  # fmt: skip
    assert ask("post", "bulk/tenants", body).status_code == 403
    user = factories.make_user("otto", role="viewer")
    factories.give_role(user, "operator", lab.acme)
    items = caller(settings, user)("post", "bulk/tenants", body).json()["items"]
    assert [(one["tenant"]["name"], bool(one["refused"])) for one in items] == [
        ("acme", False), ("globex", True),
    ]  # fmt: skip
    lab.globex.refresh_from_db()
    assert lab.globex.labels == {}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({}, "body"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"sizes": {"nothing": "x"}}, "sizes"),
        ({"release": "rel_x"}, "release"),
        ({"tenants": ["ten_x"], "has_plan": True}, "tenants"),
    ],
)
def test_what_cannot_be_asked_of_many_is_told_by_field(operator, lab, more, field):
    body = {"tenants": [lab.acme.public_id], "reason": "r"} | more
    answer = operator("post", "bulk/tenants", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_a_release_is_chosen_for_many(operator, lab):
    release = Release.objects.create(blueprint="lab", name="9", components={"app": "9"})
    body = {"tenants": [lab.acme.public_id], "release": release.public_id, "reason": "r"}
    assert operator("post", "bulk/tenants", body).status_code == 200
    lab.acme.refresh_from_db()
    assert lab.acme.release == release


@pytest.mark.terraform
def test_a_tenant_of_another_tool_is_previewed_then_kept(settings, region, environment):  # noqa: F811
    ask = caller(settings, factories.make_user("carol", role="operator", over=region))
    place = {"blueprint": "omnileads", "region": region.public_id,
             "environment": environment.public_id}  # fmt: skip
    files = {"values": (INITECH / "initech.auto.tfvars").read_text(),
             "state": (INITECH / "terraform.tfstate").read_text()}  # fmt: skip
    told = ask("post", "adoptions/preview", place | files)
    assert told.status_code == 200, told.content
    assert told.json()["preview"]["name"] == "initech" and not Tenant.objects.exists()
    assert not any(word in told.content.decode() for word in PASSWORDS)
    kept = ask("post", "adoptions", place | {"packed": told.json()["packed"], "title": "I."})
    assert kept.status_code == 201, kept.content
    assert AuditEntry.objects.get(action="tenant.adopt").origin == "api"
    old = ask("post", "adoptions", place | {"packed": "x.y"})
    assert (old.status_code, old.json()["code"]) == (422, "PreviewGone")
    broken = ask("post", "adoptions/preview", place | {"values": "{", "state": "{}"})
    assert (broken.status_code, broken.json()["code"]) == (422, "AdoptionUnreadable")


def test_a_body_that_is_too_large_is_told_so(operator):
    answer = operator("post", "bulk/tenants", '{"x": "' + "y" * 3_000_000 + '"}')
    assert (answer.status_code, answer.json()["code"]) == (400, "NotReadable")
