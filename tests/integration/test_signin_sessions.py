"""Sessions, their owners and ends, and invitations."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.core import mail
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tenants import people
from tenants.actors import from_user
from tenants.models import AuditEntry, Invitation, User
from tests import factories
from tests.factories import PASSWORD, make_user
from tests.integration.signing import actions, set_up_app, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# --- sessions ----------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended_by_their_owner_alone():
    make_user("alice")
    one, _ = sign_in("alice", HTTP_USER_AGENT="Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/5")
    two, _ = sign_in("alice")
    make_user("bob")
    bob, _ = sign_in("bob")
    told = two.get(reverse("own_sessions")).content.decode()
    assert "Chrome, Windows" in told
    assert told.count("This one") == 1
    row = UserSession.objects.get(session_key=one.cookies["sessionid"].value)
    bob.post(reverse("own_session_end", args=[row.pk]))
    assert one.get("/").status_code == 200
    two.post(reverse("own_session_end", args=[row.pk]))
    assert one.get("/").status_code == 302
    three, _ = sign_in("alice")
    two.post(reverse("own_sessions_end"))
    assert (three.get("/").status_code, two.get("/").status_code) == (302, 200)
    assert bob.get("/").status_code == 200
    assert actions(action="session.end") == ["session.end"] * 2


def test_a_new_password_ends_the_other_sessions():
    make_user("alice")
    other, _ = sign_in("alice")
    client, _ = sign_in("alice")
    fields = {"old_password": PASSWORD, "new_password1": "a new one of mine",
              "new_password2": "a new one of mine"}  # fmt: skip
    assert client.post(reverse("profile"), fields).status_code == 302
    assert (client.get("/").status_code, other.get("/").status_code) == (200, 302)
    assert "This one" in client.get(reverse("own_sessions")).content.decode()
    assert actions(action="password.change") == ["password.change"]


def test_being_seen_is_written_every_five_minutes_and_not_for_each_page():
    make_user("alice")
    client, _ = sign_in("alice")
    client.get("/profile/")
    with CaptureQueriesContext(connection) as few:
        client.get("/profile/")
    assert not [q for q in few if "usersession" in q["sql"] or "UPDATE" in q["sql"]]
    session = client.session
    session["seen_at"] -= 301
    session.save()
    UserSession.objects.update(last_seen_at="2020-01-01T00:00Z")
    client.get("/profile/")
    assert UserSession.objects.get().last_seen_at.year > 2020


# --- invitations -------------------------------------------------------------------------------


def link_of(client: Client, **fields: str) -> str:
    """Invite by the page and return the path of the link that the next page shows."""
    answer = client.post(reverse("invitation_new"), fields, follow=True)
    found = re.findall(r"http://testserver(/welcome/[\w-]+/)", answer.content.decode())
    assert len(found) == 1, answer.content.decode()[:3000]
    return found[0]


NEW = {"username": "erin", "first_name": "Erin", "last_name": "", "password": PASSWORD,
       "again": PASSWORD}  # fmt: skip


def test_an_invitation_makes_one_account_with_its_roles():
    tenant = factories.make_tenant("acme")
    make_user("dana", role="admin", first_name="Dana")
    admin, _ = sign_in("dana")
    link = link_of(admin, email="erin@example.com", role="operator", tenant="acme")
    assert link not in admin.get(reverse("invitations")).content.decode(), "shown twice"
    row = Invitation.objects.get()
    assert link.split("/")[2] not in str(vars(row))

    guest = Client()
    page = guest.get(link, follow=True)
    assert page.redirect_chain == [(reverse("invitation_accept"), 302)]
    assert "Invited by Dana." in page.content.decode()
    weak = guest.post(reverse("invitation_accept"), {**NEW, "password": "1234", "again": "1234"})
    assert "too short" in weak.content.decode()
    taken = guest.post(reverse("invitation_accept"), {**NEW, "username": "dana"})
    assert "already exists" in taken.content.decode()
    done = guest.post(reverse("invitation_accept"), NEW)
    assert done.url == "/"
    erin = User.objects.get(username="erin")
    assert erin.email == "erin@example.com"
    assert [(m.role, m.tenant) for m in erin.memberships.all()] == [("operator", tenant)]
    assert guest.get(reverse("tenant", args=[tenant.public_id])).status_code == 200

    again = Client().get(link, follow=True)
    assert (again.status_code, "used already" in again.content.decode()) == (410, True)
    entry = AuditEntry.objects.get(action="user.create")
    assert (entry.actor_name, entry.reason) == ("system:invitation", "invited by Dana")
    assert "invitation.accept" in actions(actor_id=erin.public_id)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expires_at": "2020-01-01T00:00Z"}, "has expired"),
        ({"revoked_at": "2020-01-01T00:00Z"}, "was taken back"),
        ({"token_hash": "0" * 64}, "a newer one was sent"),
    ],
)
def test_a_link_that_does_not_work_says_what_to_do(change: dict, words: str):
    row = factories.make_invitation(secret="the-secret")
    Invitation.objects.filter(pk=row.pk).update(**change)
    client = Client()
    answer = client.get(reverse("invitation", args=["the-secret"]), follow=True)
    assert (answer.status_code, words in answer.content.decode()) == (410, True)
    assert client.post(reverse("invitation_accept"), NEW).status_code == 410
    assert not User.objects.filter(username="erin").exists()


def test_an_invitation_does_not_outlive_the_rights_of_who_made_it():
    row = factories.make_invitation(secret="the-secret")
    row.invited_by.memberships.all().delete()
    answer = Client().get(reverse("invitation", args=["the-secret"]), follow=True)
    assert (answer.status_code, "no longer do so" in answer.content.decode()) == (410, True)


def test_sending_again_makes_the_old_link_useless_and_mail_goes_out(settings):
    settings.EMAIL_URL = "smtp://mail.example.com"
    dana = make_user("dana", role="admin")
    admin, _ = sign_in("dana")
    admin.post(reverse("invitation_new"), {"email": "erin@example.com", "role": "viewer"})
    first = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    row = Invitation.objects.get()
    assert row.sent_at is not None
    admin.post(reverse("invitation_resend", args=[row.public_id]))
    second = re.search(r"http://testserver(/\S+)", mail.outbox[1].body)[1]
    assert Client().get(first, follow=True).status_code == 410
    assert Client().get(second, follow=True).status_code == 200
    admin.post(reverse("invitation_revoke", args=[row.public_id]))
    assert Client().get(second, follow=True).status_code == 410
    over = admin.post(reverse("invitation_resend", args=[row.public_id]), follow=True)
    assert "is over: it was revoked" in over.content.decode()
    assert actions(actor_id=dana.public_id) == [
        "sign_in", "invitation.create", "invitation.resend", "invitation.revoke"]  # fmt: skip


def test_an_address_is_invited_once_and_not_when_it_has_an_account():
    dana = make_user("dana", role="admin")
    admin, _ = sign_in("dana")
    for mail_of, words in (("DANA@example.com", "has this address already"),
                           ("erin@example.com", "")):  # fmt: skip
        answer = admin.post(reverse("invitation_new"), {"email": mail_of}, follow=True)
        assert words in answer.content.decode()
    answer = admin.post(reverse("invitation_new"), {"email": "Erin@example.com"})
    assert "an invitation waits already" in answer.content.decode()
    assert Invitation.objects.count() == 1
    people.change_user(from_user(dana, origin="test"), dana, last_name="x")


def test_the_list_of_invitations_filters_and_exports():
    dana = make_user("dana", role="admin")
    admin, _ = sign_in("dana")
    factories.make_invitation("=cmd@example.com", invited_by=dana)
    late = factories.make_invitation("late@example.com", invited_by=dana)
    late.expires_at -= timedelta(days=9)
    late.save()
    told = admin.get(reverse("invitations"), {"standing": "expired"}).content.decode()
    assert ("late@example.com" in told, "cmd@example.com" in told) == (True, False)
    assert "late@" in admin.get(reverse("invitations"), {"q": "late"}).content.decode()
    rows = admin.get(reverse("invitations"), {"format": "csv"}).content.decode().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["expired", "open"]
    assert rows[2].startswith("'=cmd")


# --- one change, or none -----------------------------------------------------------------------
@contextmanager
def entries_refused(action: str) -> Iterator[None]:
    """Let the database refuse the entries of an action, as when its disk is full just then."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE tenants_auditentry ADD CONSTRAINT no_such"
            f" CHECK (action <> '{action}') NOT VALID"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_auditentry DROP CONSTRAINT no_such")


def test_who_is_not_kept_as_signed_in_is_not_signed_in():
    alice = make_user("alice")
    with entries_refused("sign_in"), pytest.raises(IntegrityError):
        sign_in("alice")
    alice.refresh_from_db()
    assert alice.last_login is None and not UserSession.objects.exists()


def test_a_second_step_that_is_not_kept_uses_no_recovery_code():
    make_user("alice")
    _secret, codes = set_up_app(sign_in("alice")[0])
    client, _answer = sign_in("alice")
    with entries_refused("sign_in"), pytest.raises(IntegrityError):
        client.post(reverse("mfa_authenticate"), {"code": codes[0]})
    assert "mfa.recovery_code" not in actions()
    client, _answer = sign_in("alice")
    assert client.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 302


def test_a_sign_out_that_is_not_kept_leaves_the_session():
    make_user("alice")
    client, _answer = sign_in("alice")
    with entries_refused("sign_out"), pytest.raises(IntegrityError):
        client.post(reverse("logout"))
    assert client.get("/profile/").status_code == 200
    client.post(reverse("logout"))
    assert client.get("/profile/").status_code == 302 and actions()[-1] == "sign_out"


# --- the old password in the profile -----------------------------------------------------------
def test_a_wrong_old_password_counts_for_the_lock_out():
    make_user("alice")
    client, _answer = sign_in("alice")
    new = {"new_password1": "a new one of mine", "new_password2": "a new one of mine"}
    for _time in range(5):
        page = client.post("/profile/", {"old_password": "guess", **new})
        assert page.status_code == 200 and "old password was entered" in page.content.decode()
    page = client.post("/profile/", {"old_password": PASSWORD, **new})
    assert (page.status_code, page["Retry-After"]) == (429, "900")
    assert "Too many failed tries" in page.content.decode()
    assert actions()[-6:] == ["sign_in_failed"] * 5 + ["sign_in.locked"]
    # Wherever it is typed, it is one count.
    assert sign_in("alice")[1].status_code == 429
    proved = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert proved.status_code == 200 and "Too many failed tries" in proved.content.decode()
    assert User.objects.get().check_password(PASSWORD)
