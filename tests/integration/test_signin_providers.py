"""Signing in through a provider of OpenID Connect that speaks real HTTP and signs its tokens."""

import json
import re
from html import unescape

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from omlsaas.lib import oidc
from tenants import access
from tenants.models import AuditEntry, Membership, User
from tests import factories, openid

pytestmark = pytest.mark.django_db
START = reverse("openid_connect_login", args=["corp"])


@pytest.fixture(scope="module")
def provider():
    with openid.running() as made:
        yield made


@pytest.fixture
def corp(settings, provider):
    """Return the provider, known to the portal, at which Erin of two groups is signed in."""

    def known(**more) -> None:
        entry = {
            "id": "corp", "name": "example.com", "server_url": provider.url,
            "client_id": openid.CLIENT_ID, "client_secret": openid.CLIENT_SECRET,
            "domains": ["example.com"], "creates_accounts": True,
            "groups": {"/ops": "Operators", "/boss": "Admins"}, **more,
        }  # fmt: skip
        text = json.dumps([entry])
        settings.OIDC_PROVIDERS = oidc.read_providers(text)
        apps = oidc.allauth_apps(settings.OIDC_PROVIDERS)
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps}}

    provider.known = known
    provider.audience, provider.signs_with, provider.tells = openid.CLIENT_ID, provider.key, {}
    provider.claims = {
        "sub": "erin-1", "email": "erin@example.com", "email_verified": True,
        "preferred_username": "erin", "given_name": "Erin", "groups": ["/ops", "/other"],
    }  # fmt: skip
    known()
    for name, role in (("Operators", "operator"), ("Admins", "admin")):
        group = Group.objects.create(name=name)
        Membership.objects.create(group=group, role=role, everything=True)
    factories.make_user("root", role="admin")
    return provider


def come(client: Client | None = None, wanted: str = "/runs/"):
    """Go through the provider as a browser would; returns (client, the portal's last answer)."""
    client = client or Client()
    page = client.post(START, {"next": wanted})
    assert page.status_code == 200, page.content
    away = unescape(
        re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())[1]
    )
    back = httpx.get(away).headers["Location"].replace("http://testserver", "")
    return client, client.get(back)


def test_groups_bring_roles_and_their_loss_takes_them_at_the_next_sign_in(corp):
    mine = Group.objects.create(name="Not the provider's")
    client, answer = come()
    assert answer.url == "/runs/"
    erin = User.objects.get(username="erin")
    erin.groups.add(mine)
    assert (erin.email, erin.first_name, erin.has_usable_password()) == (
        "erin@example.com", "Erin", False)  # fmt: skip
    assert access.user_can(erin, "change")
    assert not access.user_can(erin, "admin")
    assert client.get("/tenants/").status_code == 200

    corp.claims["groups"] = ["/boss"]
    _, answer = come()
    assert access.user_can(User.objects.get(pk=erin.pk), "admin")
    corp.claims.pop("groups")
    come()
    erin = User.objects.get(pk=erin.pk)
    assert not access.user_can(erin, "view")
    assert [group.name for group in erin.groups.all()] == ["Not the provider's"]
    told = AuditEntry.objects.filter(action="role.follow").order_by("id")
    assert [(row.before["groups"], row.after["groups"]) for row in told] == [
        ([], ["Operators"]), (["Operators"], ["Admins"]), (["Admins"], [])]  # fmt: skip
    assert AuditEntry.objects.filter(action="sign_in", after={"with": "corp"}).count() == 3


def test_the_last_admin_keeps_the_group(corp):
    corp.claims["groups"] = ["/boss"]
    come()
    Membership.objects.filter(user__username="root").delete()
    corp.claims["groups"] = []
    come()
    assert access.user_can(User.objects.get(username="erin"), "admin")
    assert AuditEntry.objects.filter(action="role.follow", is_refused=True).exists()


@pytest.mark.parametrize(
    ("claims", "rules", "words"),
    [
        ({"email": "erin@evil.example"}, {}, "do not open the portal"),
        ({"email": "erin@example.com.evil.example"}, {}, "do not open the portal"),
        ({"email_verified": False}, {}, "do not open the portal"),
        ({"email_verified": False}, {"domains": [], "allowed_groups": ["/ops"]}, "not vouch"),
        ({}, {"allowed_groups": ["/vip"]}, "do not open the portal"),
        ({}, {"creates_accounts": False}, "Ask an admin for an invitation"),
    ],
)
def test_who_is_not_meant_is_turned_away_with_the_next_step(corp, claims, rules, words):
    corp.known(**rules)
    corp.claims |= claims
    client, answer = come()
    assert (answer.status_code, words in answer.content.decode()) == (403, True)
    assert client.get("/").status_code == 302
    assert not User.objects.filter(first_name="Erin").exists()
    assert AuditEntry.objects.get(action="sign_in_failed").target_id == "corp"


def test_a_known_address_is_that_account_and_an_unverified_one_is_not(corp):
    alice = factories.make_user("alice", email="Erin@Example.com")
    corp.claims["email_verified"] = False
    assert come()[1].status_code == 403
    corp.claims["email_verified"] = True
    client, answer = come()
    assert answer.url == "/runs/"
    assert client.get("/profile/").context["user"] == alice
    # From now on by the provider's id: the address may change.
    corp.claims["email"] = "e.rin@example.com"
    assert come()[0].get("/profile/").context["user"] == alice
    alice.is_active = False
    alice.save()
    assert come()[1].url == reverse("account_inactive")
    User.objects.filter(pk=alice.pk).update(is_active=True, is_service=True)
    assert come()[1].status_code == 403


def test_a_token_that_is_not_right_signs_nobody_in(corp):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for change in (
        {"signs_with": stranger},
        {"audience": "another program"},
        {"tells": {"sub": "somebody else"}},
        {"claims": {**corp.claims, "iss": "https://evil.example"}},
        {"claims": {**corp.claims, "exp": 1_000_000_000}},
    ):
        before = {name: getattr(corp, name) for name in change}
        vars(corp).update(change)
        client, answer = come()
        vars(corp).update(before)
        assert answer.status_code == 401, change
        assert "cannot be used" in answer.content.decode()
        assert client.get("/").status_code == 302
    assert come()[1].url == "/runs/"


def test_an_answer_in_another_browser_is_refused_and_leads_to_no_other_site(corp):
    page = Client().post(START, {"next": "/"}).content.decode()
    away = unescape(re.search(r'content="0;url=([^"]+)"', page)[1])
    back = httpx.get(away).headers["Location"].replace("http://testserver", "")
    assert Client().get(back).status_code == 401
    assert come(wanted="https://evil.example/")[1].url == "/"
    assert Client(enforce_csrf_checks=True).post(START).status_code == 403


def test_a_demanded_factor_is_the_portals_unless_the_provider_is_trusted(corp, settings):
    settings.MFA_REQUIRED_ROLES = ["operator"]
    client, _ = come()
    assert client.get("/runs/").url == reverse("mfa_index")
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    session = client.session
    session["account_authentication_methods"][0]["at"] -= 600
    session.save()
    late = client.get(reverse("mfa_activate_totp"))
    assert late.url.startswith(reverse("sign_in_again"))
    assert "sign in by your provider again" in client.get(late.url).content.decode()
    corp.known(trusts_second_factor=True)
    assert come()[0].get("/runs/").status_code == 200


def test_a_silent_provider_is_a_sentence(corp):
    corp.known(server_url="http://127.0.0.1:9")
    answer = Client().post(START)
    assert (answer.status_code, "does not answer" in answer.content.decode()) == (502, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ('{"id": "x"}', "a list of objects"),
        ('[{"id": "x"}]', "lacks"),
        ('[{"id": "x", "server_url": "http://sso.example.com", "client_id": "c"}]', "https"),
        ('[{"id": "x", "server_url": "https://s", "client_id": "c", "creates": true}]', "reads"),
        ('[{"id": "x", "server_url": "https://s", "client_id": "c", "creates_accounts": true}]',
         "everybody"),
        ('[{"id": "x", "server_url": "https://s", "client_id": "c", "domains": "a.example"}]',
         "wrong kind"),
        ('[{"id": "x", "server_url": "https://s", "client_id": "c", "client_secret_file": "/no"}]',
         "cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_said(text: str, why: str):
    with pytest.raises(ImproperlyConfigured, match=why):
        oidc.read_providers(text)
