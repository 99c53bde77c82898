"""A person of the customer: a viewer of one tenant sees that and no neighbour."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import Approval
from deployments.runstatus import RunStatus
from tenants import actors, audit, secrets
from tests import factories
from tests.integration.access_table import ROUTES, World, make_world

pytestmark = pytest.mark.django_db
# Words of a neighbour in the same shared environment, and of another place.
NEIGHBOUR, ELSEWHERE = "umbrellacorp", "globexcorp"
SECRET = "the-neighbours-secret-91"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(db: None) -> World:
    made = make_world()
    places = (made.environment, factories.make_environment(f"{ELSEWHERE}-shared"))
    for name, environment in zip((NEIGHBOUR, ELSEWHERE), places, strict=True):
        tenant = factories.make_tenant(name, environment, title=f"{name} Inc")
        secrets.store(tenant.stack, "admin_password", SECRET)
        factories.make_run(tenant, RunStatus.PLANNED, reason=f"for {name}")
        waiting = factories.make_run(tenant, RunStatus.PENDING, reason=f"for {name}")
        Approval.objects.create(
            run=waiting, digest="d", risks=["destroy"], asked_by_id="x", asked_by=f"{name}-boss"
        )
        say = actors.system("cron").because(f"about {name}")
        audit.record(say, "tenant.change", tenant, after={"title": f"{name} Inc"})
    shared = made.environment.stack
    factories.make_run(shared, RunStatus.PENDING, created_at=timezone.now(), reason="of all")
    return made


def text_of(response: Any) -> str:
    whole = response.getvalue() if response.streaming else response.content
    return whole.decode()


def words_of(text: str) -> list[str]:
    wanted = (NEIGHBOUR, ELSEWHERE, SECRET, "of all", factories.PASSWORD, "shown only on request")
    return [word for word in wanted if word in text]


def pages(world: World) -> list[str]:
    """Return every page that a customer is shown, with what may be asked of lists."""
    found = []
    for name, route in ROUTES.items():
        if route.method == "get" and route.expected("customer") == 200:
            address = reverse(name, args=route.args(world))
            found.append(address)
    lists = ("tenants", "runs", "environments", "regions", "releases", "audit", "approvals",
             "grants")  # fmt: skip
    queries = ("format=csv", "archived=all")
    asked = [f"{reverse(name)}?{query}" for name in lists for query in queries]
    return [*found, *asked, f"{reverse('tenants')}?environment={world.environment.name}"]


def test_no_page_export_or_search_tells_of_a_neighbour(world: World):
    client = world.client("customer")
    leaks = {address: words_of(text_of(client.get(address))) for address in pages(world)}
    assert {address: words for address, words in leaks.items() if words} == {}
    # The look would find them: an admin is shown both.
    assert words_of(world.client("admin").get(reverse("tenants")).content.decode())


@pytest.mark.parametrize("word", [NEIGHBOUR, ELSEWHERE, "of all"])
def test_a_search_for_a_neighbour_finds_nothing_but_the_question(world: World, word: str):
    client = world.client("customer")
    for address in (reverse("search"), reverse("runs"), reverse("audit"), reverse("tenants")):
        page = client.get(address, {"q": word}).content.decode()
        assert f"{word} Inc" not in page and f"for {word}" not in page
        assert f"about {word}" not in page


def test_the_shared_environment_and_the_region_are_not_there(world: World):
    client = world.client("customer")
    for name in ("region", "environment"):
        args = ROUTES[name].args(world)
        assert client.get(reverse(name, args=args)).status_code == 404
    for name in ("regions", "environments"):
        assert 'id="total">0<' in client.get(reverse(name)).content.decode()


def test_the_customer_reads_their_own_and_starts_nothing(world: World):
    page = world.client("customer").get(reverse("tenant", args=[world.tenant.public_id]))
    text = page.content.decode()
    assert "acme.example.net" in text and "/actions/" not in text
    assert "<form" not in text.split("<main", 1)[1]
