"""Every route of the API, asked with every kind of token; and that none is forgotten."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from api.app import api
from deployments.models import Plan, StateVersion
from deployments.runstatus import RunStatus
from tenants.models import ApiToken, Release
from tests import factories

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
    world = World({
        "region_id": region.public_id, "environment_id": environment.public_id,
        "tenant_id": tenant.public_id, "stack_id": stack.public_id, "run_id": run.public_id,
        "planned_id": planned.public_id, "release_id": release.public_id, "component": "app",
        "version_id": version.public_id, "region": region.slug,
    })  # fmt: skip
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


@dataclass(frozen=True)
class Route:
    """What a route answers an outsider, a viewer, an operator, an admin and a narrow token.

    Strangers and expired tokens always get 401. An approver is answered as an operator, a customer
    (viewer of one tenant) as a viewer, where nothing else is said.
    """

    outsider: int
    viewer: int
    operator: int
    admin: int
    narrow: int
    body: Callable[[dict[str, str]], dict[str, Any]] | None = None
    ids: dict[str, str] = field(default_factory=dict)
    approver: int = 0
    customer: int = 0

    def expected(self, who: str) -> int:
        """Return what this caller is answered."""
        if who in ("anonymous", "expired"):
            return 401
        instead = {"approver": self.operator, "customer": self.viewer}
        return getattr(self, who) or instead[who]


def everybody(**more: Any) -> Route:
    return Route(200, 200, 200, 200, 200, **more)


def said(**body: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda ids: body


WHY = said(reason="a reason")
PLANNED = {"run_id": "planned_id"}
NEW_REGION = said(account="lab", slug="new-place")
# A new route needs a row.
ROUTES: dict[str, Route] = {
    "get_me": everybody(),
    "list_regions": everybody(),
    "list_environments": everybody(),
    "list_releases": everybody(),
    "list_tenants": everybody(),
    "list_stacks": everybody(),
    "list_runs": everybody(),
    "list_audit": everybody(),
    "list_workers": everybody(),
    "get_release": everybody(),
    # The narrow token's tenant lies in this region and environment; nothing else there is its.
    "get_region": Route(404, 200, 200, 200, 404, customer=404),
    "get_environment": Route(404, 200, 200, 200, 404, customer=404),
    "get_tenant": Route(404, 200, 200, 200, 404),
    "get_stack": Route(404, 200, 200, 200, 404),
    "list_actions": Route(404, 200, 200, 200, 404),
    "list_backups": Route(404, 200, 200, 200, 404),
    "list_restore_points": Route(404, 200, 200, 200, 404),
    "list_states": Route(404, 200, 200, 200, 404),
    "get_run": Route(404, 200, 200, 200, 404),
    "list_events": Route(404, 200, 200, 200, 404),
    "get_log": Route(404, 200, 200, 200, 404),
    # This run made no plan.
    "get_plan": Route(404, 404, 404, 404, 404),
    "create_region": Route(403, 403, 403, 201, 403, NEW_REGION),
    "change_region": Route(404, 403, 403, 200, 404, said(title="There"), customer=404),
    "ask_region": Route(404, 403, 200, 200, 404, customer=404),
    # Things stand there.
    "archive_region": Route(404, 403, 403, 409, 404, WHY, customer=404),
    "create_environment": Route(
        422,
        403,
        201,
        201,
        403,
        lambda ids: {"name": "sharednew", "blueprint": "lab", "region": ids["region_id"]},
    ),
    "archive_environment": Route(404, 403, 409, 409, 404, WHY, customer=404),
    "create_release": Route(
        403, 403, 403, 422, 403, said(blueprint="lab", name="2", components={"nothing": "1"})
    ),
    "archive_release": Route(403, 403, 403, 200, 403, WHY),
    "create_tenant": Route(
        422,
        403,
        201,
        201,
        403,
        lambda ids: {"name": "newco", "blueprint": "lab", "environment": ids["environment_id"]},
    ),
    "change_tenant": Route(404, 403, 200, 200, 404, said(title="Acme Inc.")),
    "archive_tenant": Route(404, 403, 409, 409, 404, WHY),
    "pin_component": Route(404, 403, 200, 200, 404, said(version="2", reason="a try")),
    "unpin_component": Route(404, 403, 404, 404, 404),
    "change_inputs": Route(404, 403, 422, 422, 404, said(inputs={"nothing": 1})),
    "change_settings": Route(
        404, 403, 403, 200, 404, said(is_auto_apply=True, is_auto_destroy=False)
    ),
    # Not suspect: nothing to do.
    "review_stack": Route(404, 403, 200, 200, 404, said(comment="looked at it")),
    "unlock_state": Route(404, 403, 403, 409, 404, said(reason="stuck", typed="acme")),
    "rollback_state": Route(404, 403, 409, 409, 404, said(reason="back", seen_serial=1)),
    # The shared environment is not installed.
    "create_run": Route(
        404, 403, 409, 409, 404, lambda ids: {"stack": ids["stack_id"], "action": "install"}
    ),
    # Not the plan that waits.
    "confirm_run": Route(404, 403, 409, 409, 404, said(plan_digest="x"), PLANNED),
    "discard_run": Route(404, 403, 200, 200, 404, said(), PLANNED),
    "cancel_run": Route(404, 403, 200, 200, 404, said(), PLANNED),
    "force_cancel_run": Route(404, 403, 403, 409, 404, said(), PLANNED),
    "retry_run": Route(404, 403, 409, 409, 404, said()),
    "hold_run": Route(404, 403, 403, 200, 404, said(on=True, reason="a dispute")),
}


# Nothing waits for a second person.
DECIDING = Route(404, 403, 403, 409, 404, WHY, PLANNED, approver=409)
ROUTES |= {"approve_run": DECIDING, "reject_run": DECIDING}


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
