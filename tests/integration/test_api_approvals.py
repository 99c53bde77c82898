"""Second persons, stacks for a while, kept states, pins and small changes through the API."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from deployments.models import Approval, StateVersion
from deployments.services.approvalerrors import NeedsSecondPerson
from deployments.services.decisions import confirm_run
from tenants import actors, secrets, services
from tenants.models import AuditEntry, Release, User
from tests import factories
from tests.integration.apicalls import caller
from tests.integration.audit_walk import World

pytestmark = pytest.mark.django_db
SYSTEM = actors.system("test")


@pytest.fixture
def admin(settings):
    return caller(settings, factories.make_user("ada", role="admin"))


@pytest.fixture
def operator(settings):
    return caller(settings, factories.make_user("oscar", role="operator"))


def asked_of_somebody(lab):
    """Return a destroy that asks for a second person."""
    factories.with_four_eyes()
    author = factories.make_user("eve", role="operator")
    by = {"actor_id": author.public_id, "actor_name": "Eve"}
    world = World(lab, author)
    run = world.run("planned", action_kind="destroy", is_destroy=True, **by)
    with pytest.raises(NeedsSecondPerson):
        confirm_run(actors.from_user(author, origin="portal"), run, typed_name=None, has_read=True)
    return run


def test_what_waits_for_a_second_person_is_listed_and_approved(admin, lab):
    run = asked_of_somebody(lab)
    listed = admin("get", "approvals?status=mine").json()["items"]
    assert [(one["run"], one["status"]) for one in listed] == [(run.public_id, "asked")]
    body = {"reason": "seen", "digest": listed[0]["digest"]}
    done = admin("post", f"runs/{run.public_id}/approve", body)
    assert done.status_code == 200, done.content
    assert Approval.objects.get().state == "approved"
    entry = AuditEntry.objects.get(action="approval.approve")
    assert (entry.origin, entry.reason) == ("api", "seen")


def test_a_second_person_says_no(admin, lab):
    run = asked_of_somebody(lab)
    digest = Approval.objects.get().digest
    done = admin("post", f"runs/{run.public_id}/reject", {"reason": "no", "digest": digest})
    assert done.status_code == 200 and done.json()["is_ended"] is True


def test_the_rule_of_second_persons_is_read_and_changed(admin, operator):
    assert operator("get", "approval-policy").status_code == 403
    body = {"risks": ["destroy"], "valid_minutes": 60, "reason": "an audit"}
    assert operator("put", "approval-policy", body).status_code == 403
    done = admin("put", "approval-policy", body)
    assert done.status_code == 200, done.content
    whole = done.json()
    assert ["destroy"] in (whole["now"]["risks"], (whole["to_come"] or {}).get("risks"))
    assert AuditEntry.objects.get(action="approval.policy").reason == "an audit"
    assert admin("put", "approval-policy", body | {"risks": ["dance"]}).status_code == 422


@pytest.fixture
def plain(throw_away: None):
    return services.create_tenant(
        SYSTEM, name="demo", region=factories.make_region(), blueprint="plain"
    ).stack


def ahead(**more: int) -> str:
    return (timezone.now() + timedelta(**more)).isoformat()


def test_a_stack_gets_an_end_a_grant_and_stands_on(admin, operator, plain):
    keeper = factories.make_user("kim", role="viewer", over=plain.region)
    path = f"stacks/{plain.public_id}/end"
    body = {"purpose": "a demo", "kept_by": keeper.public_id, "expires_at": ahead(days=3),
            "reason": "r"}  # fmt: skip
    far = factories.make_user("far")
    assert admin("put", path, body | {"kept_by": far.public_id}).status_code == 422
    done = operator("put", path, body)
    assert done.status_code == 200, done.content
    assert done.json()["kept_by"] == keeper.public_id == admin("get", path).json()["kept_by"]
    ci = User.objects.create(username="ci", email="ci@example.com", is_service=True)
    grant = {"stack": plain.public_id, "accounts": [ci.public_id], "may_destroy": True,
             "ends_at": ahead(days=1), "reason": "nightly"}  # fmt: skip
    made = admin("post", "grants", grant)
    assert made.status_code == 201, made.content
    assert [one["name"] for one in made.json()["accounts"]] == ["ci"]
    assert admin("get", "grants?state=on").json()["items"][0]["id"] == made.json()["id"]
    nothing = admin("post", "grants", grant | {"may_destroy": False})
    assert nothing.status_code == 422
    nobody = admin("post", "grants", grant | {"accounts": [keeper.public_id]})
    assert (nobody.status_code, list(nobody.json()["errors"])) == (422, ["accounts"])
    gone = admin("post", f"grants/{made.json()['id']}/revoke", {"reason": "done"})
    assert gone.status_code == 200 and gone.json()["revoked_by"] == "ada"
    twice = admin("post", f"grants/{made.json()['id']}/revoke", {"reason": "done"})
    assert (twice.status_code, twice.json()["code"]) == (409, "GrantOver")
    kept = admin("post", f"{path}/keep", {"reason": "it is liked"})
    assert kept.json()["expires_at"] is None
    found = AuditEntry.objects.filter(origin="api").order_by("pk")
    assert list(found.values_list("action", flat=True)) == [
        "stack.ephemeral", "grant.create", "grant.revoke", "stack.ephemeral",
    ]  # fmt: skip


def kept_state(stack, serial: int, names: str) -> StateVersion:
    resources = [{"mode": "managed", "type": "null", "name": name, "instances": [
        {"attributes": {}}]} for name in names]  # fmt: skip
    version = StateVersion(stack=stack, moment="after_apply", serial=serial, lineage="x",
                           digest="d", size=9)  # fmt: skip
    bound = f"state:{stack.public_id}:{version.public_id}"
    content = json.dumps({"resources": resources}).encode()
    version.key_id, version.ciphertext = secrets.encrypt(content, bound)
    version.save()
    return version


def test_a_kept_state_tells_how_it_differs_from_now(operator, settings):
    stack = factories.make_tenant("acme").stack
    old, now = kept_state(stack, 1, "ab"), kept_state(stack, 2, "b")
    told = operator("get", f"states/{old.public_id}")
    assert told.status_code == 200, told.content
    assert told.json()["difference"]["returns"] == ["null.a"]
    assert (told.json()["current_serial"], told.json()["is_current"]) == (2, False)
    assert operator("get", f"states/{now.public_id}").json()["is_current"] is True
    viewer = caller(settings, factories.make_user("vera", role="viewer"))
    assert viewer("get", f"states/{old.public_id}").status_code == 403


def test_a_pin_is_set_listed_and_taken_off(operator):
    tenant = factories.make_tenant("acme")
    path = f"tenants/{tenant.public_id}/pins"
    done = operator("put", f"{path}/app", {"version": "2", "reason": "a try"})
    assert done.status_code == 200, done.content
    pins = operator("get", path).json()["items"]
    assert [(pin["component"], pin["version"]) for pin in pins] == [("app", "2")]
    assert operator("delete", f"{path}/app").status_code == 204
    assert operator("get", path).json()["items"] == []
    assert operator("delete", f"{path}/app").status_code == 404
    assert AuditEntry.objects.filter(action="pin.change").count() == 2


def test_environments_and_releases_change(admin, operator):
    environment = factories.make_environment("shared1")
    body = {"title": "Shared one", "labels": {"a": "b"}, "reason": "names"}
    done = operator("patch", f"environments/{environment.public_id}", body)
    assert (done.status_code, done.json()["title"]) == (200, "Shared one")
    assert AuditEntry.objects.get(action="environment.change").reason == "names"
    release = Release.objects.create(blueprint="lab", name="9", components={"app": "9"})
    path = f"releases/{release.public_id}"
    assert operator("patch", path, {"notes": "n"}).status_code == 403
    changed = admin("patch", path, {"components": {"app": "9.1"}})
    assert changed.json()["components"] == {"app": "9.1"}
    wrong = admin("patch", path, {"components": {"nothing": "1"}})
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["components"])
    assert AuditEntry.objects.get(action="release.change").origin == "api"
