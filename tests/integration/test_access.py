"""Every address, asked by everybody who might: the answers of the access table."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.integration.access_table import (
    KINDS_OF_PEOPLE,
    ROUTES,
    World,
    addresses,
    make_world,
)

pytestmark = pytest.mark.django_db
LOGIN = "login"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash passwords cheaply: people are made for each of hundreds of tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_every_address_has_a_row_in_the_sweep():
    unnamed = [str(entry.pattern) for entry in addresses() if not entry.name]
    missing = {entry.name for entry in addresses()} - set(ROUTES)
    stale = set(ROUTES) - {entry.name for entry in addresses()}
    assert (unnamed, missing, stale) == ([], set(), set())


@pytest.mark.parametrize("who", KINDS_OF_PEOPLE)
@pytest.mark.parametrize("name", sorted(ROUTES))
def test_address_answers_by_role(world: World, name: str, who: str):
    route = ROUTES[name]
    client = world.client(who)
    address = reverse(name, args=route.args(world))
    response = getattr(client, route.method)(address, route.data(world))
    assert response.status_code == route.expected(who), response.content[:300]
    if who == "anonymous" and response.status_code == 302:
        assert response.url.startswith(reverse(LOGIN))


@pytest.mark.parametrize("name", sorted(n for n, r in ROUTES.items() if r.outsider == 404))
def test_outsider_cannot_tell_what_exists_from_what_does_not(world: World, name: str):
    route = ROUTES[name]
    client = world.client("outsider")
    args = route.args(world)
    made_up = (args[0][:4] + "0" * 26, *args[1:])
    real, none = (
        getattr(client, route.method)(reverse(name, args=a), route.data(world))
        for a in (args, made_up)
    )
    without_ids = [re.sub(rb"req_\w+", b"", r.content) for r in (real, none)]
    assert (real.status_code, without_ids[0]) == (none.status_code, without_ids[1])


@pytest.mark.parametrize("name", sorted(n for n, r in ROUTES.items() if r.method == "post"))
def test_forms_are_refused_without_the_csrf_token(world: World, name: str):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["admin"])
    route = ROUTES[name]
    response = client.post(reverse(name, args=route.args(world)), route.data(world))
    assert response.status_code == 403
    assert "send this form again" in response.content.decode()
