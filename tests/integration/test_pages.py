"""Every address of the portal, asked by everybody who might; and what single pages promise."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from deployments.looks import CONDITION_LOOKS, RUN_LOOKS
from deployments.models import Maintenance, Plan, Run, StateVersion, WorkerHost
from deployments.runstatus import RunStatus
from deployments.views import bulk, stacks
from deployments.views.frame import Frame
from tenants import blueprints, inputs, secrets
from tenants.models import (
    AuditEntry,
    Host,
    Region,
    Release,
    SharedEnvironment,
    Stack,
    Tenant,
    User,
)
from tenants.models.stacks import Condition
from tests import factories

pytestmark = pytest.mark.django_db
LOGIN = "login"


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


@pytest.fixture
def world(db: None) -> World:
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
    people = {
        "outsider": factories.make_user("charlie", role="operator", over=elsewhere),
        "viewer": factories.make_user("bob", role="viewer", over=region),
        "operator": factories.make_user("alice", role="operator", over=region),
        "admin": factories.make_user("dana", role="admin"),
    }
    return World(region, environment, tenant, stack, run, planned, version, release, host, people)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash passwords cheaply: four people are made for each of hundreds of tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# --- the sweep ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """What an address answers to each kind of person. 302 for anonymous: to the sign-in page."""

    outsider: int
    viewer: int
    operator: int
    admin: int
    args: Callable[[World], tuple] = lambda world: ()
    method: str = "get"
    data: Callable[[World], dict] = lambda world: {}
    anonymous: int = 302


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


def account_of(world: World) -> tuple:
    account = User.objects.create(username="ci", email="ci@example.com", is_service=True)
    return (account.public_id,)


def token_of(world: World) -> tuple:
    account = User.objects.get(public_id=account_of(world)[0])
    return (factories.make_token(account)[0].public_id,)


def host_of(world: World) -> tuple:
    return (world.host.host_id,)


# A new address needs a row: what it answers an outsider, a viewer, an operator and an admin.
ROUTES = {
    "healthz": Route(200, 200, 200, 200, anonymous=200),
    "readyz": Route(200, 200, 200, 200, anonymous=200),
    "login": Route(302, 302, 302, 302, anonymous=200),
    "logout": Route(302, 302, 302, 302, method="post"),
    # They explain; the second answers for paths of the API that there are none of.
    "api_problem": Route(200, 200, 200, 200, lambda w: ("StackBusy",), anonymous=200),
    "api_nothing": Route(404, 404, 404, 404, lambda w: ("v9/x",), anonymous=404),
    "theme": Route(302, 302, 302, 302, method="post", data=lambda w: {"theme": "dark"}),
    "profile": Route(200, 200, 200, 200),
    "tokens": Route(200, 200, 200, 200),
    "token_new": Route(200, 200, 200, 200),
    "token_revoke": Route(404, 404, 404, 302, token_of, method="post"),
    "service_accounts": Route(403, 403, 403, 200),
    "service_account_new": Route(403, 403, 403, 200),
    "service_account_close": Route(403, 403, 403, 302, account_of, method="post"),
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
    "region": Route(404, 200, 200, 200, region_of),
    "environment": Route(404, 200, 200, 200, environment_of),
    "tenant": Route(404, 200, 200, 200, tenant_of),
    "stack": Route(404, 302, 302, 302, stack_of),
    "state": Route(404, 403, 200, 200, lambda w: (w.version.public_id,)),
    # Forms: a viewer is told that the role does not suffice. An outsider operates elsewhere.
    "region_new": Route(403, 403, 403, 200),
    "environment_new": Route(200, 403, 200, 200),
    "tenant_adopt": Route(200, 403, 200, 200),
    "tenant_new": Route(200, 403, 200, 200),
    "release_new": Route(403, 403, 403, 200),
    "region_archive": Route(404, 403, 403, 200, region_of),
    "environment_archive": Route(404, 403, 200, 200, environment_of),
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
    "region_check": Route(404, 403, 200, 200, region_of, method="post"),
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
}


def addresses(resolver: Any = None) -> Iterator[URLPattern]:
    """Yield every address but those of the admin (test_admin) and of the API (test_api_sweep)."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            if entry.namespace not in ("admin", "api"):
                yield from addresses(entry)
        else:
            yield entry


def test_every_address_has_a_row_in_the_sweep():
    unnamed = [str(entry.pattern) for entry in addresses() if not entry.name]
    missing = {entry.name for entry in addresses()} - set(ROUTES)
    stale = set(ROUTES) - {entry.name for entry in addresses()}
    assert (unnamed, missing, stale) == ([], set(), set())


@pytest.mark.parametrize("who", ["anonymous", "outsider", "viewer", "operator", "admin"])
@pytest.mark.parametrize("name", sorted(ROUTES))
def test_address_answers_by_role(world: World, name: str, who: str):
    route = ROUTES[name]
    client = world.client(who)
    address = reverse(name, args=route.args(world))
    response = getattr(client, route.method)(address, route.data(world))
    assert response.status_code == getattr(route, who), response.content[:300]
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


# --- words of single pages ---------------------------------------------------------------------


def test_refused_page_says_why_and_is_kept(world: World):
    response = world.client("viewer").get(reverse("tenant_edit", args=tenant_of(world)))
    assert "it needs the permission “change”" in response.content.decode()
    entry = AuditEntry.objects.get(action="refused")
    assert (entry.target_name, entry.actor_name, entry.is_refused) == ("acme", "bob", True)


def test_viewer_sees_the_tenant_without_buttons(world: World):
    text = world.client("viewer").get(reverse("tenant", args=tenant_of(world))).content.decode()
    assert "acme.example.net" in text
    assert "/actions/" not in text
    assert "<form" not in text.split("<main", 1)[1]


def test_what_moves_on_a_stacks_page_is_fetched_again_as_one(world: World):
    text = world.client("operator").get(reverse("tenant", args=tenant_of(world))).content.decode()
    live = text.split('<div id="stack" data-live', 1)[1]
    for part in ("<h1>acme</h1>", "/actions/change/", 'id="runs"'):
        assert part in live


def test_of_many_inputs_those_that_differ_are_shown_and_all_when_asked(world: World, monkeypatch):
    world.stack.desired_inputs = {"channels": 97}
    world.stack.save()
    address = reverse("tenant", args=tenant_of(world))
    monkeypatch.setattr(stacks, "INPUTS_SHOWN", 3)
    few, every = (world.client("viewer").get(address + q).content.decode() for q in ("", "?all"))
    assert "Simultaneous calls" in few and "Keep recordings" not in few
    assert "Simultaneous calls" in every and "Keep recordings" in every
    assert 'href="?all#inputs"' in few


def test_an_output_of_many_values_is_no_json(world: World):
    world.stack.outputs = {"addresses": {"value": {"app": "10.0.0.4"}}}
    world.stack.save()
    text = world.client("viewer").get(reverse("tenant", args=tenant_of(world))).content.decode()
    assert '<span class="text-secondary">app</span> 10.0.0.4' in text


def test_an_action_that_would_be_refused_says_so_before_the_click(world: World):
    client = world.client("operator")
    address = reverse("stack_action", args=(*stack_of(world), "change"))
    why = "acme needs sharedlab, which is not installed yet. Install sharedlab first."
    assert why not in client.get(address).content.decode()
    Stack.objects.filter(pk=world.environment.stack.pk).update(resource_count=0)
    assert why in client.get(address).content.decode()


def test_of_many_inputs_the_untouched_groups_are_folded(world: World, monkeypatch):
    client = world.client("operator")
    address = reverse("stack_inputs", args=stack_of(world))
    folded = '<details class="card o-group-card"><summary'
    assert folded not in client.get(address).content.decode()
    monkeypatch.setattr(inputs, "FOLDED_FROM", 3)
    before = client.get(address).content.decode()
    groups = before.split("<details")[1:]
    assert folded in before
    # Required and not to be guessed: open.
    assert any('name="in-admin_password"' in g and " open" in g.split(">")[0] for g in groups)
    refused = client.post(address, {"in-channels": "many"}).content.decode()
    groups = refused.split("<details")[1:]
    assert any("is-wrong" in g and " open" in g.split(">")[0] for g in groups)


def test_an_empty_choice_is_a_word(world: World):
    text = world.client("admin").get(reverse("tenant_new")).content.decode()
    assert "choose…" in text and "-----" not in text


def test_operator_sees_the_actions_that_fit_an_installed_stack(world: World):
    text = world.client("operator").get(reverse("tenant", args=tenant_of(world))).content.decode()
    offered = set(re.findall(r"/actions/(\w+)/", text))
    assert offered == {"upgrade", "change", "plan", "refresh", "destroy"}


def test_suspect_stack_offers_only_the_plan_and_says_so(world: World):
    Stack.objects.filter(pk=world.stack.pk).update(
        state_suspect=True, suspect_reason={"code": "RunLost", "params": {"run": 1}}
    )
    text = world.client("operator").get(reverse("tenant", args=tenant_of(world))).content.decode()
    assert set(re.findall(r"/actions/(\w+)/", text)) == {"plan"}
    assert "Run 1 was lost: what it did is not known." in text


def test_sensitive_output_is_shown_on_request_only_and_kept(world: World):
    client = world.client("admin")
    page = client.get(reverse("tenant", args=tenant_of(world))).content.decode()
    assert "shown only on request" not in page
    shown = client.post(reverse("stack_output", args=(*stack_of(world), "admin_password")))
    assert "shown only on request" in shown.content.decode()
    assert shown["Cache-Control"] == "no-store"
    assert AuditEntry.objects.get(action="stack.secret_shown").after == {"output": "admin_password"}


def test_destroy_with_a_wrong_name_is_refused_and_keeps_what_was_typed(world: World):
    client = world.client("operator")
    address = reverse("stack_action", args=(*stack_of(world), "destroy"))
    sent = {"reason": "contract ended", "typed_name": "acm", "request_key": "k1"}
    response = client.post(address, sent)
    text = response.content.decode()
    assert response.status_code == 200
    assert "Type “acme” in full to confirm. Nothing was changed." in text
    assert 'value="contract ended"' in text and 'value="acm"' in text
    assert not Run.objects.filter(action="destroy").exists()


def test_action_is_queued_once_for_one_request_key(world: World):
    client = world.client("operator")
    address = reverse("stack_action", args=(*stack_of(world), "plan"))
    sent = {"reason": "look", "request_key": "k2"}
    first, second = client.post(address, sent), client.post(address, sent)
    run = Run.objects.get(action="plan")
    assert first.url == second.url == reverse("run", args=(run.public_id,))
    assert (run.reason, run.actor_name) == ("look", "alice")


def test_refused_upgrade_leaves_the_release_as_it_was(world: World):
    newer = Release.objects.create(blueprint="lab", name="1.3", components={"app": "2.5.0"})
    Stack.objects.filter(pk=world.stack.pk).update(state_suspect=True)
    client = world.client("operator")
    address = reverse("stack_action", args=(*stack_of(world), "upgrade"))
    response = client.post(address, {"release": newer.pk, "request_key": "k3"})
    assert "is suspect" in response.content.decode()
    world.tenant.refresh_from_db()
    assert world.tenant.release == world.release


def test_state_page_shows_what_rolling_back_would_change(world: World):
    address = reverse("state", args=(world.version.public_id,))
    text = world.client("operator").get(address).content.decode()
    assert "Terraform knows these again" in text and "terraform_data.b" in text


def test_new_tenant_with_a_reserved_name_says_which_and_keeps_the_form(world: World):
    client = world.client("operator")
    sent = {
        "name": "admin", "title": "ACME", "blueprint": "lab", "region": world.region.pk,
        "shared_environment": world.environment.pk, "time_zone": "UTC", "labels": "tier=gold",
    }  # fmt: skip
    text = client.post(reverse("tenant_new"), sent).content.decode()
    assert "“admin” cannot be used as a name: it is reserved" in text
    assert "tier=gold" in text


def test_new_tenant_leads_to_its_page(world: World):
    sent = {
        "name": "initech", "blueprint": "lab", "region": world.region.pk,
        "shared_environment": world.environment.pk, "time_zone": "UTC", "labels": "tier=gold",
    }  # fmt: skip
    response = world.client("operator").post(reverse("tenant_new"), sent)
    made = Tenant.objects.get(name="initech")
    assert response.url == reverse("tenant", args=(made.public_id,))
    assert made.labels == {"tier": "gold"} and made.stack.condition == Condition.NOT_INSTALLED


def test_region_of_somebody_else_cannot_be_chosen(world: World):
    other = Tenant.objects.get(name="globex")
    sent = {
        "name": "initech", "blueprint": "lab", "region": other.region_id,
        "shared_environment": other.shared_environment_id, "time_zone": "UTC",
    }  # fmt: skip
    response = world.client("operator").post(reverse("tenant_new"), sent)
    assert response.status_code == 200
    assert not Tenant.objects.filter(name="initech").exists()


def test_archive_of_an_installed_tenant_is_refused_in_place(world: World):
    address = reverse("tenant_archive", args=tenant_of(world))
    ended = {"status": RunStatus.DISCARDED, "ended_at": timezone.now()}
    Run.objects.filter(pk=world.planned.pk).update(**ended)
    text = world.client("operator").post(address, {"reason": "left"}).content.decode()
    assert "its stack still has 3 resources. Destroy it first." in text


def test_profile_changes_the_zone_in_which_times_are_shown(world: World):
    client = world.client("viewer")
    sent = {"first_name": "Bob", "last_name": "Q", "email": "b@example.com",
            "time_zone": "America/Argentina/Cordoba"}  # fmt: skip
    assert client.post(reverse("profile"), sent).status_code == 302
    text = client.get(reverse("audit"), {"actor": world.people["viewer"].public_id})
    assert "Times are yours, America/Argentina/Cordoba." in text.content.decode()


def test_failed_sign_in_is_kept_without_the_typed_name(world: World):
    client = Client()
    client.post(reverse("login"), {"username": "my-password-by-mistake", "password": "x"})
    assert not AuditEntry.objects.exists()
    client.post(reverse("login"), {"username": "bob", "password": "wrong"})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_name) == ("sign_in_failed", "bob")


def test_sign_in_by_mail_address_leads_to_where_one_wanted(world: World):
    sent = {"username": "bob@example.com", "password": factories.PASSWORD, "next": "/runs/"}
    response = Client().post(reverse("login"), sent)
    assert response.url == "/runs/"
    assert AuditEntry.objects.get(action="sign_in").actor_name == "bob"


def test_theme_leads_back_but_never_to_another_site(world: World):
    client = world.client("viewer")
    kept = client.post(reverse("theme"), {"theme": "dark", "next": "https://evil.example/"})
    assert (kept.url, kept.cookies["theme"].value) == ("/", "dark")
    assert 'data-bs-theme="dark"' in client.get("/runs/").content.decode()


def test_banner_says_since_when_no_worker_is_alive(world: World):
    client = world.client("viewer")
    assert "No worker alive" not in client.get("/runs/").content.decode()
    silent = timezone.now() - timezone.timedelta(minutes=30)
    WorkerHost.objects.update(heartbeat_at=silent)
    assert "No worker alive since" in client.get("/runs/").content.decode()


def test_banner_says_that_maintenance_is_on(world: World):
    Maintenance.objects.create(reason="moving the database", by="dana")
    assert "moving the database" in world.client("viewer").get("/runs/").content.decode()


def test_search_goes_straight_to_the_only_exact_name(world: World):
    client = world.client("viewer")
    assert client.get("/search", {"q": "acme"}).url == reverse("tenant", args=tenant_of(world))
    assert client.get("/search", {"q": world.run.public_id}).url == reverse(
        "run", args=run_of(world)
    )
    assert "ACME Seguros" in client.get("/search", {"q": "seguros"}).content.decode()
    assert "Nothing found" in client.get("/search", {"q": "globex"}).content.decode()


def test_search_finds_runs_by_number_and_stacks_by_output(world: World):
    client = world.client("viewer")
    assert "acme #1" in client.get("/search", {"q": "acme #1"}).content.decode()
    assert (
        "an address or another value"
        in client.get("/search", {"q": "acme.example.net"}).content.decode()
    )


def test_dashboard_shows_what_needs_somebody_first(world: World):
    Stack.objects.filter(pk=world.stack.pk).update(condition=Condition.TO_CONFIRM)
    text = world.client("viewer").get("/").content.decode()
    assert "acme: install" in text and "Review" in text
    assert 'title="acme: To confirm"' in text
    assert "globex" not in text


def test_dashboard_of_somebody_without_a_role_says_how_to_get_one(world: World):
    client = Client()
    client.force_login(factories.make_user("eve"))
    text = client.get("/").content.decode()
    assert "You hold no role yet" in text
    # Its own page does not exist for them either.
    assert reverse("workers") not in text and world.host.name not in text


def test_dashboard_draws_no_more_tiles_than_fit(world: World, monkeypatch):
    monkeypatch.setattr("deployments.fleet.TILES_PER_PAGE", 20)
    for _number in range(25):
        factories.make_tenant(environment=world.environment)
    text = world.client("viewer").get("/").content.decode()
    drawn = text.count('class="o-tile"')
    assert drawn < 26 and f"and {26 - drawn} more" in text


# --- bulk --------------------------------------------------------------------------------------


def frozen(client: Client, tenants: list[Tenant]) -> str:
    """Return the token of a frozen selection."""
    sent = {"id": [tenant.public_id for tenant in tenants]}
    text = client.post(reverse("tenants_bulk"), sent).content.decode()
    return re.search(r'name="selection" value="([^"]+)"', text)[1]


def test_bulk_changes_what_was_selected_and_nothing_that_matches_later(world: World):
    client = world.client("operator")
    other = factories.make_tenant("umbrella", world.environment)
    token = frozen(client, [world.tenant, other])
    later = factories.make_tenant("lumen", world.environment)
    sent = {"selection": token, "operation": "labels", "labels": "tier=gold", "reason": "sale"}
    text = client.post(reverse("tenants_bulk"), sent).content.decode()
    assert "Done for 2" in text
    labels = dict(Tenant.objects.values_list("name", "labels"))
    assert labels["umbrella"] == labels["acme"] == {"tier": "gold"}
    assert labels[later.name] == {}
    entries = AuditEntry.objects.filter(action="tenant.change")
    assert len({entry.operation_id for entry in entries}) == 1 and entries.count() == 2


def test_bulk_goes_on_after_a_refusal_and_says_which(world: World):
    client = world.client("operator")
    foreign = Release.objects.create(blueprint="other", name="9", components={})
    stranger = factories.make_tenant("umbrella", world.environment, blueprint="other")
    token = frozen(client, [world.tenant, stranger])
    sent = {"selection": token, "operation": "release", "release": foreign.pk, "reason": "try"}
    text = client.post(reverse("tenants_bulk"), sent).content.decode()
    assert "Done for 1" in text and "refused for 1" in text
    assert "release 9 is of another blueprint" in text


def test_bulk_over_more_than_ten_asks_for_the_number(world: World):
    client = world.client("operator")
    many = [factories.make_tenant(environment=world.environment) for _number in range(11)]
    token = frozen(client, many)
    sent = {"selection": token, "operation": "labels", "labels": "a=b", "reason": "r"}
    text = client.post(reverse("tenants_bulk"), {**sent, "typed_count": "10"}).content.decode()
    assert "Type 11: so many tenants are changed." in text
    assert not Tenant.objects.filter(labels={"a": "b"}).exists()
    client.post(reverse("tenants_bulk"), {**sent, "typed_count": "11"})
    assert Tenant.objects.filter(labels={"a": "b"}).count() == 11


def test_bulk_takes_all_that_match_the_filters(world: World):
    client = world.client("operator")
    factories.make_tenant("umbrella", world.environment)
    text = client.post(reverse("tenants_bulk"), {"all": "1", "query": "q=umb"}).content.decode()
    assert "Change 1 tenant" in text and "umbrella" in text


def test_bulk_sizes_are_kept_as_values_of_their_types(world: World):
    client = world.client("operator")
    token = frozen(client, [world.tenant])
    sent = {"selection": token, "operation": "sizes", "reason": "grow"}
    text = client.post(reverse("tenants_bulk"), sent).content.decode()
    assert "Choose at least one size." in text
    size = blueprints.load("lab").kinds["tenant"].variables["app_size"].choices[-1]
    client.post(reverse("tenants_bulk"), {**sent, "size_app_size": size})
    assert Stack.objects.get(pk=world.stack.pk).desired_inputs["app_size"] == size


def test_bulk_sizes_that_are_numbers_are_read_as_numbers(world: World):
    kind = blueprints.load("lab").kinds["tenant"]
    number = next(v for v in kind.variables.values() if v.type == "number" and not v.choices)
    form = bulk.BulkForm(
        {"operation": "sizes", "reason": "grow", f"size_{number.name}": "40"},
        tenants=[world.tenant],
    )
    form.sizes = {f"size_{number.name}": number}
    form.fields[f"size_{number.name}"] = forms.CharField(required=False)
    assert form.is_valid(), form.errors
    assert form.wanted().sizes == {number.name: 40}


def test_bulk_selection_of_another_person_is_not_taken(world: World):
    token = frozen(world.client("operator"), [world.tenant])
    sent = {"selection": token, "operation": "labels", "labels": "a=b", "reason": "r"}
    assert world.client("admin").post(reverse("tenants_bulk"), sent).status_code == 302


def test_bulk_plan_sent_twice_queues_each_run_once(world: World):
    client = world.client("operator")
    token = frozen(client, [world.tenant])
    sent = {"selection": token, "operation": "plan", "reason": "nightly"}
    for _time in range(2):
        assert "Done for 1" in client.post(reverse("tenants_bulk"), sent).content.decode()
    assert Run.objects.filter(action="plan", stack=world.stack).count() == 1


# --- what holds for all pages ------------------------------------------------------------------


class Markup(HTMLParser):
    """Collects what a strict policy forbids and what a page without scripts needs."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"inline: {tag} {given}")
        if tag == "style":
            self.faults.append("inline style element")
        if tag == "script" and not given.get("src"):
            self.faults.append("inline script")
        if tag == "a" and not given.get("href"):
            self.faults.append(f"link without address: {given}")
        if tag == "form" and not (given.get("action") or given.get("method") == "get"):
            self.faults.append(f"form without action: {given}")
        if tag == "img" and "alt" not in given:
            self.faults.append("picture without words")
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//", given.get(name) or "") and tag != "a":
                self.faults.append(f"foreign host: {given[name]}")


PAGES = [name for name, route in ROUTES.items() if route.method == "get" and route.admin == 200]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_keeps_the_policy_and_works_without_scripts(world: World, name: str):
    route = ROUTES[name]
    response = world.client("admin").get(reverse(name, args=route.args(world)), route.data(world))
    if not response["Content-Type"].startswith("text/html"):
        pytest.skip("no page")
    markup = Markup()
    markup.feed(response.content.decode())
    assert markup.faults == []
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_empty_portal_has_a_way_on_for_every_list(db: None):
    client = Client()
    client.force_login(factories.make_user("dana", role="admin"))
    for name in ("dashboard", "regions", "environments", "tenants", "runs", "releases", "audit"):
        response = client.get(reverse(name))
        assert response.status_code == 200, name
        assert 'class="o-empty' in response.content.decode(), name


def test_a_region_without_any_account_says_where_one_is_added(db: None):
    client = Client()
    client.force_login(factories.make_user("dana", role="admin"))
    text = client.get(reverse("region_new")).content.decode()
    assert "There is no cloud account yet." in text
    assert reverse("admin:tenants_cloudaccount_add") in text
    factories.make_region()
    assert "no cloud account yet" not in client.get(reverse("region_new")).content.decode()


def test_every_status_and_condition_has_a_look():
    assert set(RUN_LOOKS) == set(RunStatus) and set(CONDITION_LOOKS) == set(Condition)


def test_a_page_that_fails_says_so_without_what_happened(world: World, monkeypatch):
    def fail(user: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("deployments.views.dashboard.picture", fail)
    response = world.client("admin").get("/")
    text = response.content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in text and "hunter2" not in text


def test_unknown_host_is_answered_400_in_words(world: World):
    response = Client(headers={"host": "evil.example"}).get("/healthz")
    assert response.status_code == 400


def test_readiness_names_what_is_missing(settings: Any, db: None):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"database": "ok", "broker": "not reachable"}


def test_health_asks_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").content == b"ok"


def test_frame_of_nobody_asks_nothing(rf, django_assert_num_queries):
    request = rf.get("/")
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        frame = Frame(request)
        assert not (frame.is_signed_in or frame.has_no_worker or frame.plans_waiting)
