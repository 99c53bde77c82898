"""Who is answered what at every address: the one table, and the world that it speaks of.

A new address of the portal, page of the administration or websocket needs a row here.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from deployments.models import Plan, Run, StandingGrant, StateVersion, WorkerHost
from deployments.runstatus import RunStatus
from tenants import secrets
from tenants.models import Host, Region, Release, SharedEnvironment, Stack, Tenant, User
from tests import factories

KINDS_OF_PEOPLE = (
    "anonymous", "outsider", "customer", "viewer", "operator", "approver", "admin",
)  # fmt: skip


@dataclass
class World:
    """Tenant acme of one region, seen by all kinds of people; Charlie belongs elsewhere."""

    region: Region
    environment: SharedEnvironment
    tenant: Tenant
    stack: Stack
    run: Run
    planned: Run
    version: StateVersion
    release: Release
    host: WorkerHost
    people: dict[str, User]

    def client(self, who: str) -> Client:
        """Return a browser in which this person is signed in; anybody for ``anonymous``."""
        client = Client(raise_request_exception=False)
        if who != "anonymous":
            client.force_login(self.people[who])
        return client


def keep_state(stack: Stack, serial: int, names: tuple[str, ...]) -> StateVersion:
    """Return a kept state with resources of these names."""
    version = StateVersion(
        stack=stack, moment="after_apply", serial=serial, lineage="line", digest="d", size=900
    )
    resources = [
        {"mode": "managed", "type": "terraform_data", "name": name,
         "instances": [{"attributes": {"input": serial}}]}
        for name in names
    ]  # fmt: skip
    content = json.dumps({"resources": resources}).encode()
    bound = f"state:{stack.public_id}:{version.public_id}"
    version.key_id, version.ciphertext = secrets.encrypt(content, bound)
    version.save()
    return version


def make_world() -> World:
    """Return the world that the table below speaks of."""
    region = factories.make_region("north")
    environment = factories.make_environment("sharedlab", region)
    release = Release.objects.create(blueprint="lab", name="1.2", components={"app": "2.4.1"})
    tenant = factories.make_tenant("acme", environment, release=release, title="ACME Seguros")
    stack = tenant.stack
    secrets.store(stack, "admin_password", factories.PASSWORD)
    secrets.store(stack, "admin_password", "shown only on request", kind="output")
    stack.outputs = {
        "url": {"value": "https://acme.example.net", "sensitive": False},
        "admin_password": {"sensitive": True},
    }
    stack.resource_count, stack.state_serial = 3, 2
    stack.save()
    environment.stack.resource_count = 3
    environment.stack.save()
    run = factories.make_run(stack, RunStatus.APPLIED)
    planned = factories.make_run(stack, RunStatus.PLANNED, planned_at=timezone.now())
    Plan.objects.create(run=planned, digest="d" * 64)
    version = keep_state(stack, 1, ("a", "b"))
    keep_state(stack, 2, ("a",))
    host = WorkerHost.objects.create(
        host_id="00000000-0000-0000-0000-00000000000a", name="lima-1", capacity=4,
        heartbeat_at=timezone.now(),
    )  # fmt: skip
    elsewhere = factories.make_tenant("globex")
    Host.objects.create(stack=stack, name="app-one", role="app", address="192.0.2.7")
    StandingGrant.objects.create(
        region=region, stack=stack, may_destroy=True, reason="nightly", granted_by="Erin",
        ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    people = {
        "outsider": factories.make_user("charlie", role="operator", over=elsewhere),
        "viewer": factories.make_user("bob", role="viewer", over=region),
        "operator": factories.make_user("alice", role="operator", over=region),
        "approver": factories.make_user("erin", role="approver", over=region),
        "admin": factories.make_user("dana", role="admin"),
        "customer": factories.make_user("carol", role="viewer", over=tenant),
    }
    return World(region, environment, tenant, stack, run, planned, version, release, host, people)


@dataclass(frozen=True)
class Route:
    """What an address answers to each kind of person. 302 for anonymous: to the sign-in page.

    An approver is answered as an operator, a customer (viewer of one tenant) as a viewer, where
    nothing else is said.
    """

    outsider: int
    viewer: int
    operator: int
    admin: int
    args: Callable[[World], tuple] = lambda world: ()
    method: str = "get"
    data: Callable[[World], dict] = lambda world: {}
    anonymous: int = 302
    approver: int = 0
    customer: int = 0

    def expected(self, who: str) -> int:
        """Return what this kind of person is answered."""
        instead = {"approver": self.operator, "customer": self.viewer}
        return getattr(self, who) or instead[who]


def run_of(world: World) -> tuple:
    return (world.run.public_id,)


def planned_of(world: World) -> tuple:
    return (world.planned.public_id,)


def tenant_of(world: World) -> tuple:
    return (world.tenant.public_id,)


def environment_of(world: World) -> tuple:
    return (world.environment.public_id,)


def region_of(world: World) -> tuple:
    return (world.region.public_id,)


def stack_of(world: World) -> tuple:
    return (world.stack.public_id,)


def machine_of(world: World) -> tuple:
    return (world.stack.hosts.get().public_id,)


def host_of(world: World) -> tuple:
    return (world.host.host_id,)


def grant_of(world: World) -> tuple:
    return (StandingGrant.objects.get().public_id,)


# A new address needs a row: what it answers an outsider, a viewer, an operator and an admin.
ROUTES = {
    "healthz": Route(200, 200, 200, 200, anonymous=200),
    "readyz": Route(200, 200, 200, 200, anonymous=200),
    "login": Route(302, 302, 302, 302, anonymous=200),
    "logout": Route(302, 302, 302, 302, method="post"),
    "theme": Route(302, 302, 302, 302, method="post", data=lambda w: {"theme": "dark"}),
    "profile": Route(200, 200, 200, 200),
    "search": Route(200, 200, 200, 200),
    # Lists answer everybody, with what each may see.
    "dashboard": Route(200, 200, 200, 200),
    "regions": Route(200, 200, 200, 200),
    "environments": Route(200, 200, 200, 200),
    "tenants": Route(200, 200, 200, 200),
    "runs": Route(200, 200, 200, 200),
    "releases": Route(200, 200, 200, 200),
    "audit": Route(200, 200, 200, 200),
    "workers": Route(200, 200, 200, 200),
    # Pages of things: an outsider is not told that they exist.
    "region": Route(404, 200, 200, 200, region_of, customer=404),
    "environment": Route(404, 200, 200, 200, environment_of, customer=404),
    "tenant": Route(404, 200, 200, 200, tenant_of),
    "stack": Route(404, 302, 302, 302, stack_of),
    "state": Route(404, 403, 200, 200, lambda w: (w.version.public_id,)),
    # Forms: a viewer is told that the role does not suffice. An outsider operates elsewhere.
    "region_new": Route(403, 403, 403, 200),
    "environment_new": Route(200, 403, 200, 200),
    "tenant_adopt": Route(200, 403, 200, 200),
    "tenant_new": Route(200, 403, 200, 200),
    "release_new": Route(403, 403, 403, 200),
    "region_archive": Route(404, 403, 403, 200, region_of, customer=404),
    "environment_archive": Route(404, 403, 200, 200, environment_of, customer=404),
    "tenant_edit": Route(404, 403, 200, 200, tenant_of),
    "tenant_archive": Route(404, 403, 200, 200, tenant_of),
    "release_archive": Route(403, 403, 403, 200, lambda w: (w.release.public_id,)),
    "tenants_bulk": Route(
        302, 200, 200, 200, method="post", data=lambda w: {"id": [w.tenant.public_id]}
    ),
    "stack_inputs": Route(404, 403, 200, 200, stack_of),
    "stack_action": Route(404, 403, 200, 200, lambda w: (w.stack.public_id, "plan")),
    "stack_settings": Route(404, 403, 403, 302, stack_of, method="post"),
    "stack_review": Route(404, 403, 302, 302, stack_of, method="post"),
    "stack_unlock": Route(404, 403, 403, 200, stack_of),
    "region_check": Route(404, 403, 200, 200, region_of, method="post", customer=404),
    "stack_output": Route(
        404, 403, 403, 200, lambda w: (w.stack.public_id, "admin_password"), method="post"
    ),
    "stack_backups": Route(404, 200, 200, 200, stack_of),
    "stack_hosts": Route(404, 200, 200, 200, stack_of),
    "stack_inventory": Route(404, 200, 200, 200, stack_of),
    "stack_host_new": Route(404, 403, 200, 200, stack_of),
    "stack_inventory_read": Route(404, 403, 200, 200, stack_of),
    "stack_host": Route(404, 403, 200, 200, machine_of),
    # No key was shown: the refusal is shown in place.
    "stack_host_pin": Route(404, 403, 200, 200, machine_of, method="post"),
    "stack_host_remove": Route(404, 403, 302, 302, machine_of, method="post"),
    "worker_drain": Route(403, 403, 403, 302, host_of, method="post"),
    "worker_gone": Route(403, 403, 403, 302, host_of, method="post"),
    # One run.
    "run": Route(404, 200, 200, 200, run_of),
    "run_live": Route(404, 200, 200, 200, run_of),
    "run-log": Route(404, 200, 200, 200, run_of),
    "run-log-lines": Route(404, 200, 200, 200, run_of),
    "run-log-search": Route(404, 200, 200, 200, run_of, data=lambda w: {"q": "x"}),
    "run-log-tail": Route(404, 200, 200, 200, run_of),
    "run_plan_json": Route(404, 404, 404, 404, planned_of),
    # Without a sealed plan, too early, not suspect: the refusal is shown in place.
    "run_confirm": Route(404, 403, 200, 200, planned_of, method="post"),
    "run_discard": Route(404, 403, 302, 302, planned_of, method="post"),
    "run_cancel": Route(404, 403, 302, 302, planned_of, method="post"),
    "run_force_cancel": Route(404, 403, 403, 200, planned_of, method="post"),
    "run_retry": Route(404, 403, 302, 302, run_of, method="post"),
    "run_hold": Route(404, 403, 403, 302, run_of, method="post"),
    "run_handed": Route(
        404, 403, 403, 302, lambda w: (w.run.public_id, "admin_password"), method="post"
    ),
    "run_review": Route(404, 403, 200, 200, run_of, method="post"),
    # Second persons: nobody was asked over this run, which is said in place.
    "approvals": Route(200, 200, 200, 200),
    "approval_policy": Route(403, 403, 403, 200, approver=200),
    "run_approve": Route(404, 403, 403, 200, planned_of, method="post", approver=200),
    "run_reject": Route(404, 403, 403, 200, planned_of, method="post", approver=200),
    "grants": Route(200, 200, 200, 200),
    "grant_new": Route(403, 403, 403, 200, approver=200),
    "grant_revoke": Route(404, 403, 403, 302, grant_of, method="post", approver=302),
    "stack_end": Route(404, 403, 200, 200, stack_of),
    "stack_keep": Route(404, 403, 302, 302, stack_of, method="post"),
}


def addresses(resolver: Any = None) -> Iterator[URLPattern]:
    """Yield every address but those of the admin, below, and of the API (test_api_sweep)."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            if entry.namespace not in ("admin", "api"):
                yield from addresses(entry)
        else:
            yield entry


# The administration is for admins of everything: all others are told so, whatever they ask for.
# A new model needs a row: whether an admin may add rows of it by hand.
ADMIN_MODELS = {
    "deployments_approval": False,
    "deployments_approvalpolicy": False,
    "deployments_backup": False,
    "deployments_happening": False,
    "deployments_instancesrecord": False,
    "deployments_maintenance": True,
    "deployments_plan": False,
    "deployments_restorepoint": False,
    "deployments_run": False,
    "deployments_runevent": False,
    "deployments_runstep": False,
    "deployments_standinggrant": False,
    "deployments_stateversion": False,
    "deployments_workerhost": False,
    "notices_channel": False,
    "notices_delivery": False,
    "notices_notice": False,
    "notices_subscription": False,
    "tenants_apitoken": False,
    "tenants_apitokenplace": False,
    "tenants_auditanchor": False,
    "tenants_auditcursor": False,
    "tenants_auditentry": False,
    "tenants_auditseal": False,
    "tenants_cloudaccount": True,
    "tenants_componentpin": True,
    "tenants_host": False,
    "tenants_invitation": False,
    "tenants_membership": True,
    "tenants_region": True,
    "tenants_release": True,
    "tenants_secret": False,
    "tenants_sharedenvironment": True,
    "tenants_stack": False,
    "tenants_tenant": True,
    "tenants_user": True,
    "auth_group": True,
}
# What an admin, and what everybody else with a session is answered at the other addresses.
ADMIN_PAGES = {
    "index": (200, 403),
    "login": (302, 302),
    "logout": (302, 403),
    "password_change": (302, 403),
    "password_change_done": (200, 403),
    "autocomplete": (403, 403),
    "jsi18n": (200, 403),
    "app_list": (200, 403),
    "view_on_site": (404, 403),
}
# Close codes of the websockets; 0: it stays open.
WEBSOCKETS = {
    "ws-run": {"anonymous": 4401, "outsider": 4404},
    "ws-fleet": {"anonymous": 4401},
}


def admin_addresses() -> Iterator[URLPattern]:
    """Yield every address of the administration."""
    return _walk(admin.site.urls[0])


def _walk(entries: Any) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns)
        else:
            yield entry
