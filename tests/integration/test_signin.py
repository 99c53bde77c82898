"""Passwords, lock-out, second factors: what guards an account."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.urls import reverse

from tenants.models import AuditEntry, User
from tests.factories import PASSWORD, make_user
from tests.integration.signing import actions, code_of, set_up_app, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


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
