"""Every door leaves an entry: all addresses, all forms and actions of the administration."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from deployments import tasks
from deployments.models import Run
from omlsaas.celery import app
from tenants import actors, services
from tenants.audit import Target
from tenants.models import AuditEntry
from tests.factories import make_region, make_run, make_user
from tests.integration.audit_walk import (
    ADMIN,
    ADMIN_READS,
    ADMIN_SITE_READS,
    APART,
    HOST_ROUTES,
    READS,
    ROUTES,
    Act,
    World,
    make_world,
)
from tests.integration.audit_walk_people import EPHEMERAL, IN_STEPS, PEOPLE, SHOWS
from tests.integration.test_adoption import (  # noqa: F401 fixtures
    environment,
    region,
    upload,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
PROJECT = Path(__file__).resolve().parents[2]
# What a request writes beside the acts of people.
UNIMPORTANT = ("django_session", "tenants_auditcursor")
WRITES = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)', re.IGNORECASE)


@contextmanager
def undone() -> Iterator[None]:
    """Do something and take it back, sign-ins included."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def written(queries: CaptureQueriesContext) -> set[str]:
    """Return the tables that were written."""
    found = (WRITES.match(query["sql"]) for query in queries.captured_queries)
    return {match[1] for match in found if match} - set(UNIMPORTANT)


def leaves(world: World, address: Any, act: Act, *, origin: str) -> str:
    """Return why an act did not leave its entry; empty when it did."""
    arguments, data, target = act.do(world)
    last = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    response = world.browser.post(address(arguments), data)
    rows = list(AuditEntry.objects.filter(pk__gt=last, action=act.action))
    if not rows:
        context = response.context or {}
        errors = [dict(f.errors) for f in (context.get("form"), context.get("start")) if f]
        adminform = context.get("adminform")
        errors += [dict(adminform.form.errors)] if adminform else []
        return f"no entry {act.action}: {response.status_code} {errors}"
    entry = rows[-1]
    if (entry.actor_id, entry.origin) != (world.ada.public_id, origin):
        return f"by {entry.actor_name} through {entry.origin}"
    if not entry.ip or not entry.request_id or not entry.role:
        return "without address, request id or role"
    if target is not None and entry.target_id != Target.of(target).id:
        return f"about {entry.target_kind} {entry.target_id}"
    return ""


def walk(world: World, table: dict[str, Act], **more: Any) -> dict[str, str]:
    """Do each act of a table in a transaction of its own; return what is wrong, by name."""
    wrong = {}
    for name, act in table.items():
        with undone():
            found = leaves(world, lambda args, name=name: reverse(name, args=args), act, **more)
        world.browser.force_login(world.ada)
        vars(world).pop("stack", None)
        if found:
            wrong[name] = found
    return wrong


def routes(prefix: str = "") -> dict[str, Any]:
    """Return the patterns by name, of the portal or of a namespace."""

    def names(patterns: list, namespace: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                inner = pattern.namespace or namespace
                yield from names(pattern.url_patterns, inner)
            elif namespace == prefix and pattern.name:
                yield pattern.name, pattern

    return dict(names(get_resolver().url_patterns, ""))


def test_every_address_stands_in_a_table() -> None:
    known = set(ROUTES) | set(HOST_ROUTES) | set(READS) | APART
    known |= set(PEOPLE) | set(EPHEMERAL) | IN_STEPS | set(SHOWS)
    assert set(routes()) - known == set(), "give the new address a row in audit_walk.py"
    assert known - set(routes()) == set(), "these addresses are no more"


@pytest.mark.terraform
def test_every_post_of_the_portal_leaves_its_entry(lab) -> None:
    world = make_world(lab)
    assert walk(world, ROUTES, origin="portal") == {}


def test_every_post_about_people_and_notices_leaves_its_entry(lab, settings) -> None:
    # Nobody is there to answer a test: how it went is not the question here.
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    assert walk(make_world(lab), PEOPLE, origin="portal") == {}


def test_every_post_of_hosts_and_stacks_for_a_while_leaves_its_entry(throw_away) -> None:
    tenant = services.create_tenant(
        actors.system("test"), name="acme", region=make_region(), blueprint="hosted"
    )
    world = World(None, make_user("ada", role="admin"))
    world.browser.force_login(world.ada)
    plain = services.create_tenant(
        actors.system("test"), name="demo", region=tenant.region, blueprint="plain"
    )
    for name, act in {**HOST_ROUTES, **EPHEMERAL}.items():
        with undone():
            vars(world)["stack"] = (plain if name in EPHEMERAL else tenant).stack
            where = lambda args, name=name: reverse(name, args=args)  # noqa: E731
            assert leaves(world, where, act, origin="portal") == "", name


@pytest.mark.terraform
def test_adopting_leaves_its_entry(client, region, environment) -> None:  # noqa: F811
    ada = make_user("ada", role="admin")
    client.force_login(ada)
    shown = client.post(reverse("tenant_adopt"), upload(region, environment))
    assert not AuditEntry.objects.filter(action="tenant.adopt").exists()
    sent = {**shown.context["sent"], "packed": shown.context["packed"]}
    client.post(reverse("tenant_adopt"), sent)
    assert AuditEntry.objects.get(action="tenant.adopt").actor_id == ada.public_id


def test_what_only_shows_writes_nothing_when_it_is_posted_to(lab) -> None:
    world = make_world(lab)
    run = make_run(world.stack, "applied")
    ids = {"region_id": lab.region.public_id, "environment_id": lab.environment.public_id,
           "tenant_id": lab.acme.public_id, "stack_id": world.stack.public_id,
           "run_id": run.public_id, "public_id": run.public_id}  # fmt: skip
    patterns = routes()
    for name in READS:
        given = {key: ids[key] for key in patterns[name].pattern.converters}
        with CaptureQueriesContext(connection) as queries:
            response = world.browser.post(reverse(name, kwargs=given), {"theme": "dark", "q": "x"})
        assert response.status_code < 500, name
        assert written(queries) == set(), name


# --- the administration -------------------------------------------------------------------------
def permitted(user: Any) -> set[str]:
    """Return "<app>_<model>.<page or action>" of all that the administration lets a person do."""
    request = RequestFactory().get("/admin/")
    request.user = user
    found = set()
    for model, door in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        pages = {"add": door.has_add_permission(request),
                 "change": door.has_change_permission(request),
                 "delete": door.has_delete_permission(request)}  # fmt: skip
        found |= {f"{name}.{page}" for page, is_there in pages.items() if is_there}
        found |= {f"{name}.{action}" for action in door.get_actions(request)}
        common = {"changelist", "add", "change", "delete", "history"}
        own = {p.name.removeprefix(f"{name}_") for p in door.get_urls() if p.name}
        found |= {f"{name}.{page}" for page in own - common}
    return found


def test_everything_that_the_administration_does_stands_in_a_table() -> None:
    known = set(ADMIN) | set(ADMIN_READS)
    assert permitted(make_user("ada", role="admin")) == known
    models = {f"{m._meta.app_label}_{m._meta.model_name}" for m in admin.site._registry}
    names = {n for n in routes("admin") if not any(n.startswith(f"{m}_") for m in models)}
    assert names == set(ADMIN_SITE_READS)


def test_every_form_and_action_of_the_administration_leaves_its_entry(lab) -> None:
    world, wrong = make_world(lab), {}
    request = RequestFactory().get("/admin/")
    request.user = world.ada
    doors = admin.site._registry.values()
    actions = {name for door in doors for name in door.get_actions(request)}
    for name, act in ADMIN.items():
        model, _dot, page = name.partition(".")
        page = "changelist" if page in actions else page
        with undone():
            where = f"admin:{model}_{page}"
            found = leaves(world, lambda args, w=where: reverse(w, args=args), act, origin="admin")
        vars(world).pop("stack", None)
        if found:
            wrong[name] = found
    assert wrong == {}


def test_what_the_administration_does_not_offer_is_refused_and_writes_nothing(lab) -> None:
    world = make_world(lab)
    for model, _door in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        row = model.objects.order_by("pk").first()
        for page in ("add", "change", "delete"):
            if f"{name}.{page}" in ADMIN or (row is None and page != "add"):
                continue
            address = reverse(f"admin:{name}_{page}", args=[] if page == "add" else [row.pk])
            with CaptureQueriesContext(connection) as queries:
                response = world.browser.post(address, {"post": "yes"})
            assert response.status_code == 403, (name, page)
            assert written(queries) <= {"tenants_auditentry"}, (name, page)
    for name in ADMIN_SITE_READS:
        given = {"app_label": "tenants"} if name == "app_list" else {}
        given |= {"content_type_id": 1, "object_id": 1} if name == "view_on_site" else {}
        with CaptureQueriesContext(connection) as queries:
            world.browser.post(reverse(f"admin:{name}", kwargs=given), {"new_password1": "x"})
        assert written(queries) == set(), name


def test_failed_sign_ins_and_refusals_leave_entries(client: Client) -> None:
    bob = make_user("bob", role="viewer")
    client.post(reverse("login"), {"username": "bob", "password": "wrong"})
    client.force_login(bob)
    client.post(reverse("region_new"), {})
    found = AuditEntry.objects.filter(is_refused=True).order_by("id")
    assert [entry.action for entry in found] == ["sign_in_failed", "refused"]
    assert found[0].target_id == bob.public_id


# --- the shell and the clock --------------------------------------------------------------------
COMMANDS = {
    "run_action": "run.queue", "reap_runs": "run.discard", "prune_logs": "logs.prune",
    "archive_audit": "walked in test_audit_chain", "adopt": "walked in test_adoption",
    "bootstrap": "makes the lab through the services that are walked above",
    "at_work": "the launcher's question; --cancel calls the service that run_cancel does",
    "doctor": "looks", "verify_audit": "looks", "prepare": "migrations and static files",
    "seed_cloud": "a simulation for tests and demos", "seed_fleet": "rows for measurements",
}  # fmt: skip
TASKS = {
    "deployments.reap": "run.discard", "deployments.prune": "logs.prune",
    "deployments.seal": "seals; its switch is walked in test_audit_forward",
    "deployments.work": "the worker's part of a run: run.end, run.lost",
    "deployments.cancel": "passes a request on that has its entry",
    "deployments.admit": "the queue's own order", "deployments.instances": "pushes to a repository",
}  # fmt: skip


def test_every_command_and_task_stands_in_a_table() -> None:
    commands = {path.stem for path in PROJECT.glob("*/management/commands/[a-z]*.py")}
    assert commands == set(COMMANDS)
    assert {name for name in app.tasks if name.startswith("deployments.")} == set(TASKS)


def _expired(stack: Any) -> Run:
    now = timezone.now()
    return make_run(stack, "planned", planned_at=now, plan_expires_at=now)


@pytest.mark.parametrize("door", ["command", "task"])
def test_the_clock_leaves_entries_of_what_it_changes(lab, settings, door: str) -> None:
    run = _expired(lab.stack())
    old = make_run(lab.stack("globex"), "applied", log_state="compacted", log_bytes=1,
                   ended_at=timezone.now() - timezone.timedelta(days=400))  # fmt: skip
    settings.KEEP_LOGS_RUNS = 0
    if door == "task":
        tasks.reap()
        tasks.prune()
    else:
        call_command("reap_runs")
        call_command("prune_logs")
    name = "system:cron" if door == "command" else "system:reaper"
    entry = AuditEntry.objects.get(action="run.discard")
    assert (entry.target_id, entry.actor_name) == (run.public_id, name)
    entry = AuditEntry.objects.get(action="logs.prune")
    assert (entry.actor_name, entry.after["logs"]) == (name, 1)
    assert Run.objects.get(pk=old.pk).log_state == "pruned"


@pytest.mark.terraform
def test_the_shell_leaves_who_it_was(lab) -> None:
    ada = make_user("ada", role="admin")
    with pytest.raises(SystemExit, match="0"):
        call_command("run_action", "acme", "plan", "--actor", "ada", "--reason", "look")
    entry = AuditEntry.objects.get(action="run.queue")
    assert (entry.actor_id, entry.reason) == (ada.public_id, "look")
    assert entry.origin.startswith("command by ")
