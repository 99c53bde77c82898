"""API tokens: what one opens, what narrows it, how one ends, and guessing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants import access, actors, tokens
from tenants.errors import NotAllowed, TokenNotMade
from tenants.models import ApiToken, AuditEntry, Stack, Tenant, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> User:
    return factories.make_user("ada", role="admin")


def ask(text: str, path: str = "me", address: str = "127.0.0.1", **headers: str) -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {text}"} | headers)


def narrowed(user: User, **more: Any) -> User:
    """Return the user as a request with such a token has them."""
    return tokens.owner_of(factories.make_token(user, **more)[1], None)


def test_only_a_hash_is_kept_and_the_text_works(admin: User):
    token, text = factories.make_token(admin)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(t)::text FROM tenants_apitoken t")
        kept = cursor.fetchone()[0]
    assert text.partition(".")[2] not in kept and token.digest in kept
    answer = ask(text)
    assert (answer.status_code, answer.json()["token"]) == (200, token.public_id)
    assert not AuditEntry.objects.filter(after__icontains=text.partition(".")[2]).exists()


@pytest.mark.parametrize("shape", ["region", "environment", "tenant"])
def test_a_token_is_the_meeting_of_role_and_places(shape: str):
    here, there = factories.make_tenant("acme"), factories.make_tenant("globex")
    neighbour = factories.make_tenant("initech", here.shared_environment)
    over = {"region": here.region, "environment": here.shared_environment, "tenant": here}
    for held in (None, here.region, here.shared_environment, here):
        user = factories.make_user(role="operator", over=held)
        if held is None:
            # Somebody who reaches all: the token's place decides.
            expected = {"acme"} if shape == "tenant" else {"acme", "initech"}
            bound = narrowed(user, places=[over[shape]])
        else:
            # Not everybody sees the region itself as a place of theirs; make it by hand.
            token, _ = factories.make_token(user)
            token.everything = False
            token.save()
            column = "shared_environment" if shape == "environment" else shape
            token.places.create(**{column: over[shape]})
            bound = User.objects.get(pk=user.pk)
            from tenants.limits import Limits

            bound.limits = Limits.of(token)
            expected = {"acme"} if shape == "tenant" or held is here else {"acme", "initech"}
        names = set(Tenant.objects.visible_to(bound).values_list("name", flat=True))
        assert names == expected, held
        assert access.user_can(bound, "change", here)
        assert not access.user_can(bound, "change", there)
        assert access.user_can(bound, "change", neighbour) == ("initech" in expected)


def test_places_apart_from_the_role_open_nothing():
    here, there = factories.make_tenant("acme"), factories.make_tenant("globex")
    user = factories.make_user(role="admin", over=here.region)
    token, _ = factories.make_token(user)
    token.places.create(tenant=there)
    ApiToken.objects.update(everything=False)
    from tenants.limits import Limits

    user.limits = Limits.of(ApiToken.objects.get())
    assert not Tenant.objects.visible_to(user).exists()
    assert not access.user_can(user, "view", there)
    with pytest.raises(TokenNotMade):
        factories.make_token(user, places=[there])


def test_kinds_narrow_a_superuser_too():
    tenant = factories.make_tenant("acme")
    root = factories.make_user("root", is_superuser=True)
    bound = narrowed(root, kinds=["plan"])
    assert access.user_can(bound, "plan", tenant) and access.user_can(bound, "view", tenant)
    assert not access.user_can(bound, "destroy", tenant)
    assert not access.may_anywhere(bound, "admin")


def test_a_user_that_a_service_reads_anew_stays_narrowed(admin: User):
    tenant = factories.make_tenant("acme")
    actor = actors.from_user(narrowed(admin, kinds=["view"]), origin="api")
    fresh = replace(actor, user=User.objects.get(pk=admin.pk))
    assert not access.can(fresh, "destroy", tenant)
    assert "limits" not in actor.to_json() and actor.to_json()["token_id"].startswith("tok_")


def test_only_the_one_place_asks_for_grants():
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    files = [p for app in ("api", "tenants", "deployments") for p in (root / app).rglob("*.py")]
    asking = {str(p.relative_to(root)) for p in files if "GRANTS" in p.read_text()}
    assert asking <= {
        "tenants/access.py",
        "tenants/models/access.py",
    }


def test_ended_tokens_say_why_only_to_who_has_the_secret(admin: User):
    token, text = factories.make_token(admin, networks=["10.1.0.0/16", "2001:db8::/32"])
    assert ask(text, address="10.1.2.3").status_code == 200
    assert ask(text, address="2001:db8::7").status_code == 200
    told = {"elsewhere": ask(text, address="10.2.0.1")}
    ApiToken.objects.update(expires_at=timezone.now())
    told["expired"] = ask(text, address="10.1.2.3")
    tokens.revoke_token(actors.from_user(admin, origin="test"), token)
    told["revoked"] = ask(text, address="10.1.2.3")
    assert [answer.status_code for answer in told.values()] == [401] * 3
    words = {key: answer.json()["detail"] for key, answer in told.items()}
    assert "10.2.0.1" in words["elsewhere"] and "expired" in words["expired"]
    assert "revoked" in words["revoked"]
    wrong, unknown = text[:-3] + "AAA", "oml_" + "0" * 26 + "." + "a" * 43
    assert ask(wrong).json()["detail"] == ask(unknown).json()["detail"]
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in told.values())
    refused = AuditEntry.objects.filter(action="token.refused", token_id=token.public_id)
    assert refused.count() == 4


@pytest.mark.parametrize("text", ["", "x", "oml_", "oml_1.2", "ö" * 60, "oml_" + "A" * 9000])
def test_what_is_no_token_is_refused(admin: User, text: str):
    assert ask(text).status_code == 401


def test_a_closed_account_has_no_tokens_that_open(admin: User):
    _, text = factories.make_token(admin)
    User.objects.update(is_active=False)
    assert ask(text).status_code == 401


def test_guessing_is_stopped_by_address_and_by_token(admin: User, settings):
    settings.API_RATE_REFUSED = 3
    _token, text = factories.make_token(admin)
    guesses = [ask(text[:-9] + f"{n:09}", address="192.0.2.9") for n in range(5)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert int(guesses[-1]["Retry-After"]) >= 1
    # What was right is not looked at either: it might have been guessed.
    assert ask(text, address="192.0.2.9").status_code == 429


def test_guesses_from_everywhere_are_slowed_and_lock_nobody_out(admin: User, settings):
    settings.API_RATE_REFUSED = 3
    _token, text = factories.make_token(admin)
    wrong = text[:-9] + "000000000"
    answers = [ask(wrong, address=f"198.51.100.{n}") for n in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 3
    assert int(answers[-1]["Retry-After"]) >= 1
    assert AuditEntry.objects.filter(action="token.refused").count() == 3
    # Its id is no secret: whoever has the secret goes on, from wherever they are.
    assert ask(text, address="198.51.100.77").status_code == 200
    assert ask(text, address="198.51.100.5").status_code == 200


def test_one_guesser_has_a_whole_network_of_ipv6(admin: User, settings):
    settings.API_RATE_REFUSED = 2
    _token, text = factories.make_token(admin)
    unknown = ["oml_" + f"{n:026}" + "." + "a" * 43 for n in range(3)]
    for number, guess in enumerate(unknown):
        answer = ask(guess, address=f"2001:db8:0:7::{number}")
    assert answer.status_code == 429
    assert ask(text, address="2001:db8:0:8::1").status_code == 200


def test_a_token_has_its_requests_a_minute(admin: User, settings):
    settings.API_RATE_TOKEN = 2
    _, text = factories.make_token(admin)
    answers = [ask(text, address="192.0.2.20") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "TooManyRequests"


def test_its_use_is_written_down_once_a_minute(admin: User):
    token, text = factories.make_token(admin)
    ask(text, address="192.0.2.30")
    token.refresh_from_db()
    assert token.last_used_ip == "192.0.2.30"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask(text)
    assert not [q for q in queries if q["sql"].startswith("UPDATE")]


def test_a_token_makes_no_tokens_and_nobody_makes_those_of_others(admin: User):
    bound = actors.from_user(narrowed(admin), origin="api")
    more = {"name": "x", "kinds": ["view"], "expires_at": timezone.now() + timedelta(days=1)}
    with pytest.raises(NotAllowed):
        tokens.create_token(bound, admin, **more)
    other = factories.make_user("olga", role="operator")
    with pytest.raises(NotAllowed):
        tokens.create_token(actors.from_user(admin, origin="test"), other, **more)
    service = factories.make_user("ci", is_service=True)
    with pytest.raises(NotAllowed):
        tokens.create_token(actors.from_user(other, origin="test"), service, **more)
    assert tokens.create_token(actors.from_user(admin, origin="test"), service, **more)


@pytest.mark.parametrize(
    "wrong",
    [{"kinds": []}, {"kinds": ["everything"]}, {"networks": ["nowhere"]}, {"name": " "},
     {"expires_at": timezone.now() + timedelta(days=9000)},
     {"expires_at": timezone.now() - timedelta(days=1)}],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(admin: User, wrong: dict[str, Any]):
    with pytest.raises(TokenNotMade):
        factories.make_token(admin, **wrong)


def test_a_session_works_only_with_its_csrf_token_and_not_beside_a_token(admin: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.get("/api/v1/me").json()["token"] is None
    body = {"data": {"reason": "x"}, "content_type": "application/json"}
    assert client.post("/api/v1/regions/x/archive", **body).status_code == 401
    headers = {"Authorization": "Bearer oml_wrong"}
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_the_page_makes_one_shows_it_once_and_revokes_it(admin: User):
    tenant = factories.make_tenant("acme")
    client = Client()
    client.force_login(admin)
    factories.prove(client)
    fields = {"name": "nightly", "kinds": ["view", "plan"], "tenants": "acme", "days": "30",
              "networks": "10.0.0.0/8"}  # fmt: skip
    page = client.post("/profile/tokens/new/", fields)
    token = ApiToken.objects.get()
    assert f"{token.shown_id}." in page.content.decode() and page["Cache-Control"] == "no-store"
    assert (token.kinds, token.networks) == (["view", "plan"], ["10.0.0.0/8"])
    assert [place.tenant for place in token.places.all()] == [tenant]
    assert f"{token.shown_id}." not in client.get("/profile/tokens/").content.decode()
    client.post(f"/profile/tokens/{token.public_id}/revoke/")
    token.refresh_from_db()
    assert token.revoked_by == admin.display_name
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"token.create", "token.revoke"} <= actions


@pytest.mark.parametrize("whose", ["own", "service"])
def test_a_session_of_long_ago_proves_who_it_is_before_it_makes_one(admin: User, whose: str):
    robot = factories.make_user("ci", is_service=True)
    address = "/profile/tokens/new/" + (f"?for={robot.public_id}" if whose == "service" else "")
    fields = {"name": "nightly", "kinds": ["view"], "days": "30"}
    client = Client()
    client.force_login(admin)
    for answer in (client.get(address), client.post(address, fields)):
        assert answer.status_code == 302 and answer.url.startswith("/profile/prove/?next=")
    assert not ApiToken.objects.exists()
    assert "Prove that it is you" in client.get(answer.url).content.decode()
    assert client.post(answer.url, {"password": "wrong"}).status_code == 200
    assert client.post(address, fields).status_code == 302
    proved = client.post(answer.url, {"password": factories.PASSWORD})
    # What was typed before is done then, or asked for again.
    if proved.status_code == 302:
        assert proved.url == address
        proved = client.post(address, fields)
    assert "oml_" in proved.content.decode()
    assert ApiToken.objects.get().user == (robot if whose == "service" else admin)


def test_the_list_asks_no_more_with_more_tokens(admin: User):
    client = Client()
    client.force_login(admin)
    stack = Stack.objects.get(tenant=factories.make_tenant("acme"))

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/profile/tokens/").status_code == 200
        return len(queries)

    factories.make_token(admin, places=[stack.tenant, stack.region])
    count()
    few = count()
    for _ in range(9):
        factories.make_token(admin, places=[stack.tenant, stack.region])
    assert count() == few


def test_the_owner_of_a_token_is_as_the_orm_reads_them(admin: User):
    token, text = factories.make_token(admin, networks=["127.0.0.0/8"], kinds=["view", "plan"])
    tokens.owner_of(text, "127.0.0.1")
    token.refresh_from_db()
    with CaptureQueriesContext(connection) as asked:
        read = tokens._with_owner(token.public_id)
    assert len(asked) == 1
    for ours, theirs in ((read, token), (read.user, User.objects.get(pk=admin.pk))):
        for field in theirs._meta.concrete_fields:
            assert getattr(ours, field.attname) == getattr(theirs, field.attname), field
        assert not ours.get_deferred_fields() and not ours._state.adding
    assert read.kinds == ["view", "plan"] and read.last_used_ip == "127.0.0.1"
    assert tokens._with_owner("tok_unknown") is None
