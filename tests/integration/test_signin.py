"""Passwords, lock-out, second factors, sessions, links by mail: what guards an account."""

import base64
import re
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tenants import people
from tenants.actors import from_user
from tenants.models import AuditEntry, Invitation, User
from tests import factories
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def sign_in(name: str, password: str = PASSWORD, client: Client | None = None, **more):
    """Return (client, answer) of a try at the sign-in page."""
    client = client or Client()
    fields = {"username": name, "password": password, "next": "/", **more.pop("fields", {})}
    return client, client.post(reverse("login"), fields, **more)


def actions(**wanted) -> list[str]:
    """Return the audit's actions, the oldest first."""
    rows = AuditEntry.objects.filter(**wanted).order_by("id")
    return list(rows.values_list("action", flat=True))


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code that an app shows, by another implementation than the portal's."""
    app = TOTP(base64.b32decode(secret), 6, SHA1(), 30, enforce_key_length=False)
    return app.generate(int(time.time()) + 30 * steps).decode()


def set_up_app(client: Client) -> tuple[str, list[str]]:
    """Set up an authenticator app for who is signed in; returns its secret and recovery codes."""
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 200, page.headers
    secret = re.search(r'id="totp-secret">(\w+)<', page.content.decode())[1]
    done = client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert done.url == reverse("mfa_view_recovery_codes"), done.content
    shown = client.get(done.url).content.decode()
    codes = re.findall(r"<li>(\d{8})</li>", shown)
    assert len(codes) == 10
    return secret, codes


# --- passwords ---------------------------------------------------------------------------------


def test_after_five_failures_a_name_is_locked_however_it_is_written(settings):
    make_user("alice")
    for typed in ("alice", "ALICE@example.com", "alice", "alice@example.com", "alice"):
        assert sign_in(typed, "guess")[1].status_code == 200
    _, answer = sign_in("alice@example.com", PASSWORD)
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert "Try again in 15 minutes" in answer.content.decode()
    assert actions() == ["sign_in_failed"] * 5 + ["sign_in.locked"]
    make_user("bob")
    assert sign_in("bob")[1].status_code == 302


def test_an_address_is_locked_as_the_proxy_tells_it_and_not_as_it_is_forged(settings):
    settings.TRUSTED_PROXIES = 1
    make_user("alice")
    for number in range(30):
        headers = {"HTTP_X_FORWARDED_FOR": f"198.51.100.{number}, 203.0.113.9"}
        assert sign_in(f"nobody{number}", "guess", **headers)[1].status_code == 200
    forged = {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 203.0.113.9"}
    assert sign_in("alice", **forged)[1].status_code == 429
    assert sign_in("alice", HTTP_X_FORWARDED_FOR="203.0.113.10")[1].status_code == 302


def test_a_sign_in_gives_the_session_a_new_id_and_is_kept():
    make_user("alice")
    client = Client()
    client.get(reverse("login"))
    session = client.session
    session["planted"] = 1
    session.save()
    client.cookies["sessionid"] = before = session.session_key
    sign_in("alice", client=client, HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    assert client.cookies["sessionid"].value != before
    assert not Session.objects.filter(session_key=before).exists()
    row = UserSession.objects.get()
    assert (row.session_key, row.ip) == (client.cookies["sessionid"].value, "127.0.0.1")
    assert AuditEntry.objects.get().after == {"with": "password"}


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example"]
)
def test_a_sign_in_leads_to_no_other_site(wanted: str):
    make_user("alice")
    assert sign_in("alice", fields={"next": wanted})[1].url == "/"
    page = Client().get(reverse("login"), {"next": wanted})
    assert page.status_code == 200


def test_closed_accounts_and_programs_do_not_sign_in():
    make_user("robot", is_service=True)
    make_user("carol", is_active=False)
    for name in ("robot", "carol"):
        _client, answer = sign_in(name)
        assert answer.status_code == 200
        assert "Name or password is wrong" in answer.content.decode()


@pytest.mark.parametrize("name", ["login", "account_reset_password", "invitation_accept"])
def test_forms_for_strangers_need_their_token(name: str):
    assert Client(enforce_csrf_checks=True).post(reverse(name), {}).status_code == 403


def test_a_forgotten_password_is_set_by_a_link_once_and_ends_sessions(settings):
    user = make_user("alice")
    other, _ = sign_in("alice")
    client = Client()
    asked = client.post(reverse("account_reset_password"), {"email": "Alice@example.com"})
    assert asked.status_code == 302, asked.content
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0]
    assert "set-password" in address
    weak = client.post(address, {"password1": "1234", "password2": "1234"})
    assert "too short" in weak.content.decode()
    done = client.post(
        address, {"password1": "a new one of mine", "password2": "a new one of mine"}
    )
    assert done.url == reverse("account_reset_password_from_key_done")
    assert other.get("/profile/").status_code == 302
    assert sign_in("alice", "a new one of mine")[1].status_code == 302
    assert "used already" in Client().get(link).content.decode()
    assert "password.change" in actions(target_id=user.public_id)


def test_no_link_goes_to_who_may_have_no_password():
    make_user("robot", is_service=True)
    user = make_user("carol")
    user.set_unusable_password()
    user.save()
    for name in ("robot", "carol", "nobody"):
        answer = Client().post(reverse("account_reset_password"), {"email": f"{name}@example.com"})
        assert answer.url == reverse("account_reset_password_done")
    assert mail.outbox == []


# --- second factors ----------------------------------------------------------------------------


def test_an_app_is_asked_for_and_its_code_works_once():
    user = make_user("alice")
    client, _ = sign_in("alice")
    secret, codes = set_up_app(client)
    assert "shown once only" in client.get(reverse("mfa_view_recovery_codes")).content.decode()
    kept = Authenticator.objects.get(user=user, type="totp").data["secret"]
    assert secret not in kept
    assert kept.startswith("k")

    second, answer = sign_in("alice")
    assert answer.url == reverse("mfa_authenticate")
    assert second.get("/").url.startswith(reverse("login"))
    wrong = second.post(answer.url, {"code": "000000"})
    assert "That code is wrong" in wrong.content.decode()
    code = code_of(secret)
    assert second.post(answer.url, {"code": code}).url == "/"
    assert second.get("/").status_code == 200
    third, answer = sign_in("alice")
    assert third.post(answer.url, {"code": code}).status_code == 200, "a code worked twice"

    used = third.post(answer.url, {"code": codes[0]})
    assert used.url == "/"
    fourth, answer = sign_in("alice")
    assert fourth.post(answer.url, {"code": codes[0]}).status_code == 200, "worked twice"
    told = actions()
    assert told.count("mfa.add") == 2
    assert told.count("mfa.recovery_code") == 1
    entry = AuditEntry.objects.filter(action="sign_in").order_by("id")[1]
    assert entry.after == {"with": "password, totp"}


def test_codes_cannot_be_guessed_for_long():
    make_user("alice")
    client, _ = sign_in("alice")
    secret, _ = set_up_app(client)
    second, answer = sign_in("alice")
    for _ in range(5):
        second.post(answer.url, {"code": "000000"})
    told = second.post(answer.url, {"code": code_of(secret)}).content.decode()
    assert "Too many failed tries" in told


def test_the_first_factor_ends_sessions_that_never_showed_one():
    make_user("alice")
    older, _ = sign_in("alice")
    client, _ = sign_in("alice")
    set_up_app(client)
    assert older.get("/").status_code == 302
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("role", ["admin", "approver"])
def test_a_role_that_demands_a_factor_opens_nothing_before(settings, role: str):
    settings.MFA_REQUIRED_ROLES = ["admin", "approver"]
    make_user("dana", role=role)
    client, _ = sign_in("dana")
    for address in ("/", "/tenants/?q=acme", "/admin/", "/admin/login/", "/audit/?format=csv",
                    "/profile/", "/runs/", "/nowhere-at-all/x/"):  # fmt: skip
        answer = client.get(address)
        assert answer.status_code in (302, 404), address
        assert answer.get("Location", reverse("mfa_index")) == reverse("mfa_index"), address
    part = client.get("/tenants/", headers={"HX-Request": "true"})
    assert (part.content, part["HX-Refresh"]) == (b"", "true")
    assert client.post("/theme/", {"theme": "dark"}).status_code == 302
    assert client.post("/tenants/new/", {"name": "x"}).url == reverse("mfa_index")
    told = client.get(reverse("mfa_index")).content.decode()
    assert "Your role demands a second factor" in told
    client.get("/tenants/?q=acme")
    set_up_app(client)
    told = client.get(reverse("mfa_index")).content.decode()
    assert "demands" not in told
    assert 'href="/tenants/?q=acme"' in told
    assert client.get("/tenants/?q=acme").status_code == 200

    gone = client.post(reverse("mfa_deactivate_totp"))
    assert gone.url == reverse("mfa_index")
    assert client.get("/tenants/").url == reverse("mfa_index")


def test_a_role_that_demands_none_is_not_held(settings):
    settings.MFA_REQUIRED_ROLES = ["admin"]
    make_user("bob", role="viewer")
    assert sign_in("bob")[0].get("/tenants/").status_code == 200


def test_an_older_session_proves_it_again_and_a_password_does_not_replace_a_factor():
    make_user("alice")
    client, _ = sign_in("alice")
    secret, _ = set_up_app(client)
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 600
    session.save()
    answer = client.get(reverse("mfa_deactivate_totp"))
    assert answer.url.startswith(reverse("mfa_reauthenticate"))
    by_password = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert by_password.url.startswith(reverse("mfa_reauthenticate"))
    proved = client.post(answer.url, {"code": code_of(secret)})
    assert proved.url == reverse("mfa_deactivate_totp")
    assert client.get(proved.url).status_code == 200


def test_an_admin_takes_factors_away_with_a_reason_and_sessions_end():
    alice = make_user("alice")
    client, _ = sign_in("alice")
    set_up_app(client)
    make_user("dana", role="admin")
    admin, _ = sign_in("dana")
    page = reverse("person", args=[alice.public_id])
    assert "Authenticator app" in admin.get(page).content.decode()
    reset = reverse("person_mfa_reset", args=[alice.public_id])
    admin.post(reset, {"reason": " "})
    assert Authenticator.objects.filter(user=alice).exists()
    admin.post(reset, {"reason": "she called, I know her voice"})
    assert not Authenticator.objects.filter(user=alice).exists()
    assert client.get("/").status_code == 302
    entry = AuditEntry.objects.get(action="mfa.reset")
    assert (entry.reason, entry.before["kinds"]) == (
        "she called, I know her voice", "recovery_codes, totp")  # fmt: skip


def test_only_a_superuser_touches_a_superusers_account():
    root = User.objects.create_superuser("root", "root@example.com", PASSWORD)
    client, _ = sign_in("root")
    set_up_app(client)
    make_user("dana", role="admin")
    admin, _ = sign_in("dana")
    for name in ("person_mfa_reset", "person_sessions_end"):
        admin.post(reverse(name, args=[root.public_id]), {"reason": "mine now"})
    assert Authenticator.objects.filter(user=root).count() == 2
    assert client.get("/").status_code == 200


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
