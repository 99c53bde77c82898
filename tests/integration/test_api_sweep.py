"""Every route of the API, asked with every kind of token; and that none is forgotten."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.utils import timezone

from api.app import api
from deployments.models import Plan, StandingGrant, StateVersion, WorkerHost
from deployments.runstatus import RunStatus
from notices import services as notices
from notices.fanout import make_delivery
from tenants import actors, secrets
from tenants.models import ApiToken, Host, Release, Stack
from tests import factories
from tests.integration.api_sweep_table import ROUTES

pytestmark = pytest.mark.django_db
WHO = (
    "anonymous", "outsider", "customer", "viewer", "operator", "approver", "admin", "expired",
    "narrow",
)  # fmt: skip


@dataclass
class World:
    """Tenant acme of one region, and the tokens of all kinds of people."""

    ids: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)


def more_ids(stack: Stack) -> dict[str, str]:
    """Make one of everything else that an address can name; return the ids."""
    person, service = factories.make_user("mel"), factories.make_user("ci", is_service=True)
    group = Group.objects.create(name="night")
    role = factories.give_role(person, "viewer", stack.owner)
    invitation = factories.make_invitation()
    system = actors.system("test")
    channel, _key = notices.create_channel(
        system, name="ops", kind="webhook", url="https://127.0.0.1/x"
    )
    held = notices.subscribe(system, person, events=["run.lost"])
    delivery = make_delivery("test", {}, timezone.now(), channel=channel)
    delivery.save()
    grant = StandingGrant.objects.create(
        region=stack.region, stack=stack, may_destroy=True, reason="r", granted_by="Erin",
        ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    return {
        "user_id": person.public_id, "service_id": service.public_id, "group_id": group.pk,
        "role_id": role.pk, "invitation_id": invitation.public_id,
        "channel_id": channel.public_id, "subscription_id": held.public_id,
        "delivery_id": delivery.public_id, "grant_id": grant.public_id,
    }  # fmt: skip


@pytest.fixture
def world(db: None) -> World:
    tenant = factories.make_tenant("acme")
    region, environment, stack = tenant.region, tenant.shared_environment, tenant.stack
    run = factories.make_run(tenant, RunStatus.APPLIED)
    planned = factories.make_run(tenant, RunStatus.PLANNED)
    Plan.objects.create(run=planned, digest="the-plan")
    release = Release.objects.create(blueprint="lab", name="1.0", components={"app": "1"})
    version = StateVersion.objects.create(
        stack=stack, moment="after_apply", serial=3, lineage="x", digest="d", ciphertext=b"",
        key_id="k1",
    )  # fmt: skip
    host = Host.objects.create(stack=stack, name="app-one", role="app", address="192.0.2.7")
    secrets.store(stack, "password", "s3cret-word", kind="output")
    WorkerHost.objects.create(host_id="h1", name="h1", capacity=1)
    world = World({
        "region_id": region.public_id, "environment_id": environment.public_id,
        "tenant_id": tenant.public_id, "stack_id": stack.public_id, "run_id": run.public_id,
        "planned_id": planned.public_id, "release_id": release.public_id, "component": "app",
        "version_id": version.public_id, "region": region.slug,
        "account_id": region.account.public_id, "host_id": host.public_id, "name": "password",
        "worker_id": "h1",
    })  # fmt: skip
    world.ids |= more_ids(stack)
    people = {
        "outsider": factories.make_user("olga", role="operator", over=factories.make_region()),
        "viewer": factories.make_user("vera", role="viewer", over=region),
        "operator": factories.make_user("oscar", role="operator", over=region),
        "approver": factories.make_user("erin", role="approver", over=region),
        "customer": factories.make_user("carol", role="viewer", over=tenant),
        "admin": factories.make_user("ada", role="admin"),
    }
    world.tokens = {who: factories.make_token(user)[1] for who, user in people.items()}
    expired, world.tokens["expired"] = factories.make_token(people["admin"])
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    # An admin's token that may see and plan, and that on another tenant of the same region alone.
    other = factories.make_tenant("globex", environment)
    world.tokens["narrow"] = factories.make_token(
        people["admin"], kinds=["view", "plan"], places=[other]
    )[1]
    return world


def operations() -> dict[str, tuple[str, str]]:
    """Return each operation's method and path, as the document has them."""
    document = api.get_openapi_schema(path_prefix="/api/v1/")
    return {
        operation["operationId"]: (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_has_a_row_in_the_sweep():
    assert set(operations()) == set(ROUTES)


@pytest.mark.parametrize("who", WHO)
def test_routes_answer_by_token(world: World, who: str, settings):
    settings.API_RATE_ADDRESS = settings.API_RATE_REFUSED = settings.API_RATE_TOKEN = 10**6
    client = Client(raise_request_exception=False)
    found, expected = {}, {}
    for name, (method, path) in sorted(operations().items()):
        route = ROUTES[name]
        ids = world.ids | {key: world.ids[value] for key, value in route.ids.items()}
        more: dict[str, Any] = {"headers": {"X-Request-ID": f"sweep-{name}"}}
        if who != "anonymous":
            more["headers"]["Authorization"] = f"Bearer {world.tokens[who]}"
        if route.body is not None:
            more |= {"data": route.body(world.ids), "content_type": "application/json"}
        # What one route does is undone before the next one is asked.
        with transaction.atomic():
            response = getattr(client, method)(path.format(**ids), **more)
            transaction.set_rollback(True)
        expected[name] = route.expected(who)
        found[name] = response.status_code
        assert response["X-Request-ID"] == f"sweep-{name}"
        if response.status_code >= 400:
            assert response["Content-Type"] == "application/problem+json", (name, response.content)
            assert response.json()["status"] == response.status_code
    assert found == expected
