"""People, groups, roles and invitations through the API."""

import pytest
from django.core import mail

from tenants.models import AuditEntry, Invitation, Membership, User
from tests import factories
from tests.integration.apicalls import caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(settings):
    return caller(settings, factories.make_user("ada", role="admin"))


def test_a_service_account_is_made_given_a_role_and_closed(admin):
    body = {"username": "ci", "email": "ci@example.com", "is_service": True}
    made = admin("post", "people", body)
    assert made.status_code == 201, made.content
    account = User.objects.get(username="ci")
    assert made["Location"] == f"/api/v1/people/{account.public_id}"
    assert not account.has_usable_password()
    region = factories.make_region()
    role = admin("post", "roles", {"user": account.public_id, "role": "operator",
                                   "region": region.public_id})  # fmt: skip
    assert role.status_code == 201, role.content
    assert role.json()["region"]["id"] == region.public_id
    twice = admin("post", "roles", {"user": account.public_id, "role": "operator",
                                    "region": region.public_id})  # fmt: skip
    assert (twice.status_code, twice.json()["code"]) == (409, "RoleHeldAlready")
    path = f"people/{account.public_id}"
    assert [one["role"] for one in admin("get", path).json()["roles"]] == ["operator"]
    taken = admin("delete", f"roles/{role.json()['id']}")
    assert taken.status_code == 204 and not Membership.objects.filter(user=account).exists()
    closed = admin("patch", path, {"is_active": False, "reason": "unused"})
    assert closed.json()["is_active"] is False
    kept = AuditEntry.objects.filter(origin="api", is_refused=False).order_by("pk")
    assert list(kept.values_list("action", flat=True)) == [
        "user.create", "role.grant", "role.revoke", "user.change",
    ]  # fmt: skip
    assert kept.last().reason == "unused"


@pytest.mark.parametrize(
    ("more", "field"),
    [({"username": ""}, "username"), ({"email": "no"}, "email"), ({"time_zone": "X"}, "time_zone"),
     ({"groups": ["nobody"]}, "groups"), ({"username": "ada"}, "username")],
)  # fmt: skip
def test_wrong_values_of_a_person_are_told_by_field(admin, more, field):
    answer = admin("post", "people", {"username": "eve", "email": "eve@example.com"} | more)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_the_last_admin_keeps_the_role(admin):
    role = Membership.objects.get()
    refused = admin("delete", f"roles/{role.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "LastAdmin")
    assert Membership.objects.exists()


def test_a_token_makes_no_superuser_and_changes_none(admin):
    root = User.objects.create_superuser("root", "root@example.com", "x")
    refused = admin("patch", f"people/{root.public_id}", {"first_name": "R"})
    assert (refused.status_code, refused.json()["code"]) == (403, "OnlySuperuser")
    wrong = admin("post", "people", {"username": "b", "email": "b@x.org", "is_superuser": True})
    assert wrong.status_code == 422
    reset = admin("post", f"people/{root.public_id}/second-factor/reset", {"reason": "r"})
    assert reset.status_code == 403
    eve = factories.make_user("eve")
    address = admin("patch", f"people/{eve.public_id}", {"email": "mallory@example.com"})
    assert address.status_code == 422, "who has the address can open the account"


def test_a_group_gets_members_and_a_role(admin):
    eve = factories.make_user("eve")
    made = admin("post", "groups", {"name": "night", "members": [eve.public_id]})
    assert made.status_code == 201, made.content
    path = f"groups/{made.json()['id']}"
    role = admin("post", "roles", {"group": "night", "role": "viewer", "everything": True})
    assert role.status_code == 201, role.content
    whole = admin("get", path).json()
    assert ([m["name"] for m in whole["members"]], whole["roles"][0]["group"]) == (["eve"], "night")
    assert admin("patch", path, {"name": "day", "members": []}).json()["members"] == []
    assert admin("get", "groups?q=da").json()["items"][0]["name"] == "day"
    both = admin("post", "roles", {"group": "day", "user": eve.public_id, "role": "viewer",
                                   "everything": True})  # fmt: skip
    assert both.status_code == 422
    assert AuditEntry.objects.filter(action="group.change").count() == 2


def test_sessions_and_second_factors_end(admin):
    from allauth.mfa.models import Authenticator
    from allauth.usersessions.models import UserSession
    from django.test import Client

    eve = factories.make_user("eve")
    browser = Client()
    browser.force_login(eve)
    UserSession.objects.create(user=eve, session_key=browser.session.session_key,
                               ip="192.0.2.1", user_agent="x")  # fmt: skip
    done = admin("post", f"people/{eve.public_id}/sessions/end", {"reason": "stolen"})
    assert done.json() == {"count": 1}
    assert AuditEntry.objects.get(action="session.end").reason == "stolen"
    Authenticator.objects.create(user=eve, type="totp", data={})
    path = f"people/{eve.public_id}/second-factor/reset"
    assert admin("post", path, {"reason": ""}).status_code == 422
    assert admin("post", path, {"reason": "lost phone"}).json() == {"count": 1}
    assert AuditEntry.objects.get(action="mfa.reset").reason == "lost phone"


def test_an_invitation_goes_by_mail_or_into_the_answer(admin, settings):
    settings.EMAIL_URL = ""
    region = factories.make_region()
    body = {"email": "n@example.com", "role": "viewer", "region": region.public_id}
    made = admin("post", "invitations", body)
    assert made.status_code == 201, made.content
    assert "/welcome/" in made.json()["link"] and made.json()["roles"][0]["scope"] == "region"
    row = Invitation.objects.get()
    assert "link" not in admin("get", f"invitations/{row.public_id}").json()
    again = admin("post", "invitations", body)
    assert (again.status_code, again.json()["code"]) == (409, "InvitedAlready")
    settings.EMAIL_URL = "smtp://x"
    resent = admin("post", f"invitations/{row.public_id}/resend").json()
    assert (resent["link"], resent["mail_error"]) == (None, "") and resent["sent_at"]
    assert mail.outbox[0].to == ["n@example.com"]
    assert admin("get", "invitations?standing=open").json()["items"][0]["email"] == "n@example.com"
    gone = admin("post", f"invitations/{row.public_id}/revoke").json()
    assert gone["standing"] == "revoked"
    over = admin("post", f"invitations/{row.public_id}/revoke")
    assert (over.status_code, over.json()["code"]) == (409, "InvitationOver")
    two = admin("post", "invitations", {"email": "z@example.com", "region": region.public_id})
    assert (two.status_code, list(two.json()["errors"])) == (422, ["role"])


def test_people_are_for_admins_of_everything(settings):
    user = factories.make_user("rita", role="admin", over=factories.make_region())
    ask = caller(settings, user)
    assert ask("get", "people").status_code == 403
    narrow = factories.make_user("nina", role="admin")
    ask = caller(settings, narrow, kinds=["view", "change"])
    assert ask("post", "people", {"username": "x", "email": "x@y.org"}).status_code == 403
