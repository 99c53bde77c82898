"""Every address, asked by everybody who might: the answers of the access table."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.routing import websockets
from tests.asgiserver import serving
from tests.integration.access_people import PEOPLE
from tests.integration.access_table import (
    ADMIN_MODELS,
    ADMIN_PAGES,
    KINDS_OF_PEOPLE,
    ROUTES,
    WEBSOCKETS,
    World,
    addresses,
    admin_addresses,
    make_world,
)
from tests.integration.test_stream import Watcher, cookie_of

pytestmark = pytest.mark.django_db
LOGIN = "login"
EVERY = ROUTES | PEOPLE
OF_OTHERS = [
    n
    for n, r in EVERY.items()
    if r.outsider == 404 and not n.startswith(("mfa_", "openid", "api_"))
]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash passwords cheaply: people are made for each of hundreds of tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_every_address_has_a_row_in_the_sweep():
    unnamed = [str(entry.pattern) for entry in addresses() if not entry.name]
    missing = {entry.name for entry in addresses()} - set(EVERY)
    stale = set(EVERY) - {entry.name for entry in addresses()}
    assert (unnamed, missing, stale) == ([], set(), set())


@pytest.mark.parametrize("who", KINDS_OF_PEOPLE)
@pytest.mark.parametrize("name", sorted(EVERY))
def test_address_answers_by_role(world: World, name: str, who: str):
    route = EVERY[name]
    client = world.client(who)
    address = reverse(name, args=route.args(world))
    response = getattr(client, route.method)(address, route.data(world))
    assert response.status_code == route.expected(who), response.content[:300]
    # The link of an invitation goes on to its form, which is for strangers.
    if who == "anonymous" and response.status_code == 302 and name != "invitation":
        assert response.url.startswith(reverse(LOGIN))


@pytest.mark.parametrize("name", sorted(OF_OTHERS))
def test_outsider_cannot_tell_what_exists_from_what_does_not(world: World, name: str):
    route = EVERY[name]
    client = world.client("outsider")
    args = route.args(world)
    made_up = (args[0][:4] + "0" * 26, *args[1:])
    real, none = (
        getattr(client, route.method)(reverse(name, args=a), route.data(world))
        for a in (args, made_up)
    )
    without_ids = [re.sub(rb"req_\w+", b"", r.content) for r in (real, none)]
    assert (real.status_code, without_ids[0]) == (none.status_code, without_ids[1])


@pytest.mark.parametrize("name", sorted(n for n, r in EVERY.items() if r.method == "post"))
def test_forms_are_refused_without_the_csrf_token(world: World, name: str):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["admin"])
    route = EVERY[name]
    response = client.post(reverse(name, args=route.args(world)), route.data(world))
    assert response.status_code == 403
    assert "send this form again" in response.content.decode()


# --- the administration ------------------------------------------------------------------------


def parts(name: str) -> tuple[str, str]:
    """Return the model that an address of the administration belongs to, and what it does."""
    model = max((m for m in ADMIN_MODELS if name.startswith(f"{m}_")), key=len, default="")
    return model, name.removeprefix(f"{model}_")


def admin_names() -> list[str]:
    return [entry.name for entry in admin_addresses() if entry.name]


def test_every_page_of_the_administration_has_a_row():
    found = [parts(name) for name in admin_names()]
    assert {model for model, _act in found if model} == set(ADMIN_MODELS)
    assert {act for model, act in found if not model} == set(ADMIN_PAGES)


def admin_address(entry: Any) -> str:
    given = {name: "tenants" if name == "app_label" else "1" for name in entry.pattern.converters}
    given |= dict.fromkeys(entry.pattern.regex.groupindex, "tenants")
    return reverse(f"admin:{entry.name}", kwargs=given)


@pytest.mark.parametrize("who", [kind for kind in KINDS_OF_PEOPLE if kind != "admin"])
def test_the_administration_is_closed_to(world: World, who: str):
    client, wrong = world.client(who), []
    for entry in admin_addresses():
        if not entry.name:
            continue
        model, act = parts(entry.name)
        expected = 403 if model else ADMIN_PAGES[act][1]
        for method in ("get", "post"):
            response = getattr(client, method)(admin_address(entry))
            if response.status_code != (302 if who == "anonymous" else expected):
                wrong.append((entry.name, method, response.status_code))
    assert wrong == []


def test_the_administration_answers_an_admin_as_the_table_says(world: World):
    client, wrong = world.client("admin"), []
    for entry in admin_addresses():
        if not entry.name:
            continue
        model, act = parts(entry.name)
        if model and act not in ("changelist", "add"):
            continue
        expected = ADMIN_PAGES[act][0] if not model else 200
        if model and act == "add" and not ADMIN_MODELS[model]:
            expected = 403
        response = client.get(admin_address(entry))
        if response.status_code != expected:
            wrong.append((entry.name, response.status_code))
    assert wrong == []


# --- the websockets ----------------------------------------------------------------------------


def test_every_websocket_has_a_row():
    named = {route.name for route in websockets.routes if route.name}
    assert named == set(WEBSOCKETS)


@pytest.mark.django_db(transaction=True)
def test_websockets_answer_as_the_table_says(world: World):
    with serving() as server:
        for name, codes in WEBSOCKETS.items():
            path = f"/ws/runs/{world.planned.public_id}/" if name == "ws-run" else "/ws/fleet/"
            for who in KINDS_OF_PEOPLE:
                cookie = cookie_of(world.people[who]) if who != "anonymous" else ""
                watcher = Watcher(server, path, cookie)
                try:
                    first = watcher.next()
                    assert (watcher.code or 0, name, who) == (codes.get(who, 0), name, who), first
                finally:
                    watcher.socket.close()
