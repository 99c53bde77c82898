"""The admin: who enters, that every change goes through a service, and bulk edit."""

import io
import re
import threading
from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deployments.models import Maintenance, Run, WorkerHost
from tenants import people, secrets
from tenants.actors import from_user, system
from tenants.errors import LastAdmin, OnlySuperuser
from tenants.models import (
    AuditEntry,
    CloudAccount,
    ComponentPin,
    Membership,
    Region,
    Release,
    Secret,
    Tenant,
    User,
)
from tests.factories import (
    PASSWORD,
    give_role,
    make_environment,
    make_region,
    make_run,
    make_step,
    make_tenant,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
CRON = system("test")
READ_ONLY = (
    "approval",
    "approvalpolicy",
    "standinggrant",
    "run",
    "runstep",
    "runevent",
    "plan",
    "stateversion",
    "secret",
    "auditentry",
    "auditseal",
    "auditanchor",
    "auditcursor",
    "invitation",
)


def models() -> list[tuple[str, type]]:
    """Return (name of its addresses, admin class) of every registered model."""
    return [
        (f"{model._meta.app_label}_{model._meta.model_name}", model_admin)
        for model, model_admin in admin.site._registry.items()
    ]


@pytest.fixture
def ada() -> User:
    """Return an admin of everything who is no superuser."""
    return make_user("ada", role="admin")


@pytest.fixture
def browser(ada: User) -> Client:
    """Return a client that Ada is signed in with."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def entries(request: pytest.FixtureRequest) -> Callable[[], list[AuditEntry]]:
    """Return a function that gives the audit entries since the test began, the lab's aside."""
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab")
    first = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return lambda: list(AuditEntry.objects.filter(id__gt=first).order_by("id"))


def page(name: str, kind: str = "changelist", *args: object) -> str:
    """Return the address of an admin page, such as `page("tenants_tenant", "change", 1)`."""
    return reverse(f"admin:{name}_{kind}", args=args)


def text(response) -> str:
    """Return a page's text."""
    return response.content.decode()


# --- who may enter -----------------------------------------------------------------------------
def test_stranger_is_sent_to_the_sign_in(client: Client) -> None:
    response = client.get(page("tenants_tenant"), follow=True)
    assert response.redirect_chain[-1][0] == f"{reverse('login')}?next=/admin/tenants/tenant/"


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_other_roles_get_a_403(client: Client, role: str) -> None:
    client.force_login(make_user(role=role))
    assert client.get(page("tenants_tenant")).status_code == 403


def test_admin_of_one_region_gets_a_403(client: Client) -> None:
    client.force_login(make_user(role="admin", over=make_region()))
    assert client.get("/admin/").status_code == 403


def test_is_staff_alone_opens_nothing(client: Client) -> None:
    client.force_login(make_user(role="viewer", is_staff=True))
    assert client.get("/admin/").status_code == 403


def test_refusal_at_the_door_is_in_the_audit_trail(client: Client) -> None:
    client.force_login(make_user("bob", role="viewer"))
    client.get("/admin/tenants/user/")
    entry = AuditEntry.objects.get(action="refused")
    assert (entry.actor_name, entry.is_refused) == ("bob", True)
    assert entry.after["path"] == "/admin/tenants/user/"


def test_outsider_reaches_no_admin_address(client: Client) -> None:
    client.force_login(make_user(role="operator"))
    for name, _model_admin in models():
        for kind in ("changelist", "add"):
            assert client.get(page(name, kind)).status_code == 403, (name, kind)
        assert client.get(page(name, "change", 1)).status_code == 403, name
    assert client.post(reverse("admin:tenants_tenant_bulk")).status_code == 403


def test_admin_enters_every_list(browser: Client) -> None:
    for name, _model_admin in models():
        assert browser.get(page(name)).status_code == 200, name


def test_admin_login_page_leads_to_the_portals_own(client: Client) -> None:
    response = client.get("/admin/login/")
    assert response["Location"] == f"{reverse('login')}?next=/admin/"


# --- what every model keeps to ------------------------------------------------------------------
def test_all_models_but_log_chunks_are_there() -> None:
    from django.apps import apps

    ours = {
        m.__name__
        for a in ("tenants", "deployments", "notices")
        for m in apps.get_app_config(a).get_models()
    }
    assert ours - {m.__name__ for m in admin.site._registry} == {"LogChunk"}


@pytest.mark.parametrize("name", READ_ONLY)
def test_history_is_read_only(browser: Client, rf, ada: User, name: str) -> None:
    request = rf.get("/admin/")
    request.user = ada
    model_admin = next(a for m, a in admin.site._registry.items() if m._meta.model_name == name)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)


def test_only_rows_without_a_history_can_be_deleted(rf, ada: User) -> None:
    request = rf.get("/admin/")
    request.user = ada
    deletable = {
        model.__name__
        for model, a in admin.site._registry.items()
        if a.has_delete_permission(request)
    }
    assert deletable == {"Membership", "ComponentPin"}


def test_a_read_only_page_refuses_a_post(browser: Client) -> None:
    run = make_run()
    response = browser.post(page("deployments_run", "change", run.pk), {"status": "applied"})
    assert response.status_code == 403
    run.refresh_from_db()
    assert run.status == "pending"


def test_details_of_every_model_can_be_read(browser: Client, lab) -> None:
    from deployments.models import Plan, RunEvent, StateVersion

    run = make_run(lab.acme)
    step = make_step(run)
    event = RunEvent.objects.create(run=run, to_status="pending", actor_name="A", actor_id="a")
    plan = Plan.objects.create(run=run, digest="ab" * 32, bundle=b"sealed", key_id="k1")
    state = StateVersion.objects.create(
        stack=run.stack, run=run, moment="after_apply", serial=1, ciphertext=b"x", key_id="k1"
    )
    rows = (run, step, event, plan, state, lab.acme, lab.environment, lab.region, run.stack,
            lab.region.account, AuditEntry.objects.first(), Secret.objects.first())  # fmt: skip
    for row in rows:
        name = f"{row._meta.app_label}_{row._meta.model_name}"
        assert browser.get(page(name, "change", row.pk)).status_code == 200, name


def test_no_secret_value_and_no_ciphertext_is_in_any_page(browser: Client, lab) -> None:
    from tests.lab import SECRET

    secret = Secret.objects.filter(stack=lab.acme.stack).first()
    pages = [page("tenants_secret"), page("tenants_secret", "change", secret.pk),
             page("tenants_stack", "change", lab.acme.stack.pk),
             page("tenants_auditentry")]  # fmt: skip
    for address in pages:
        body = text(browser.get(address))
        assert SECRET not in body
        assert "ciphertext" not in body
    assert secrets.reveal(secret, lab.acme.stack) == SECRET


@pytest.mark.parametrize("name", ["tenants_tenant", "deployments_run", "tenants_auditentry"])
def test_queries_of_a_list_do_not_grow_with_its_rows(browser: Client, name: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(page(name)).status_code == 200
        return len(captured)

    environment = make_environment()
    for _number in range(2):
        make_run(make_tenant(environment=environment, release=None))
    few = queries()
    for _number in range(12):
        make_run(make_tenant(environment=environment))
    assert queries() == few


def test_pages_of_a_list_follow_each_other_without_gap(browser: Client) -> None:
    environment = make_environment()
    names = [make_tenant(f"row{n:03}", environment).name for n in range(120)]
    seen = []
    for number in (1, 2, 3):
        body = text(browser.get(page("tenants_tenant"), {"p": number}))
        seen += re.findall(r">(row\d{3})</a>", body)
    assert seen == names


def test_large_tables_are_estimated(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenants.admin import paging

    environment = make_environment()
    for number in range(60):
        make_tenant(f"row{number:03}", environment)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tenants_stack")
    monkeypatch.setattr(paging, "COUNTED", 1)
    last = text(browser.get(page("tenants_stack"), {"p": 2}))
    assert "about 61" in last
    assert "row059" in last


def test_archived_rows_are_hidden_until_asked_for(browser: Client) -> None:
    from django.utils import timezone

    make_tenant("living")
    gone = make_tenant("longgone")
    Tenant.objects.filter(pk=gone.pk).update(archived_at=timezone.now(), archived_reason="left")
    assert "longgone" not in text(browser.get(page("tenants_tenant")))
    assert "longgone" in text(browser.get(page("tenants_tenant"), {"archived": "1"}))


def test_archived_rows_can_only_be_read(browser: Client) -> None:
    from django.utils import timezone

    gone = make_tenant()
    Tenant.objects.filter(pk=gone.pk).update(archived_at=timezone.now(), archived_reason="left")
    response = browser.post(page("tenants_tenant", "change", gone.pk), {"title": "New"})
    assert response.status_code == 403


@pytest.mark.parametrize("word", ["acme #1", "acme"])
def test_runs_are_found_as_people_call_them(browser: Client, word: str) -> None:
    make_run(make_tenant("acme"))
    make_run(make_tenant("globex"))
    body = text(browser.get(page("deployments_run"), {"q": word}))
    assert "acme #1" in body
    assert "globex #1" not in body


def test_runs_are_found_by_their_id(browser: Client) -> None:
    wanted, other = make_run(), make_run()
    body = text(browser.get(page("deployments_run"), {"q": wanted.public_id}))
    assert str(wanted) in body
    assert str(other) not in body


def test_history_leads_to_the_audit_trail_of_the_row(browser: Client) -> None:
    tenant = make_tenant()
    response = browser.get(page("tenants_tenant", "history", tenant.pk), follow=True)
    assert response.status_code == 200
    assert tenant.public_id in response.redirect_chain[0][0]


def test_pages_hold_nothing_that_the_policy_forbids(browser: Client, lab) -> None:
    addresses = ["/admin/", page("tenants_tenant"), page("tenants_tenant", "add"),
                 page("tenants_tenant", "import"), page("tenants_tenant", "export"),
                 page("tenants_tenant", "change", lab.acme.pk), page("tenants_membership", "add"),
                 page("deployments_workerhost")]  # fmt: skip
    for address in addresses:
        response = browser.get(address)
        body = text(response)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)", body), address
        assert not re.search(r"<[^>]+\son\w+=", body), address
        assert not re.search(r"<[^>]+\sstyle=|<style", body), address


# --- changes go through services ----------------------------------------------------------------
def tenant_fields(tenant: Tenant, **changed: object) -> dict[str, object]:
    """Return what the tenant's form posts."""
    return {"title": tenant.title, "release": "", "time_zone": "UTC", "labels": "", "notes": "",
            "reason": "", **changed}  # fmt: skip


def test_a_change_of_a_tenant_leaves_one_entry_with_its_reason(browser, entries, ada) -> None:
    tenant = make_tenant("acme", title="Old")
    data = tenant_fields(tenant, title="New", labels="tier=gold", reason="they asked")
    response = browser.post(page("tenants_tenant", "change", tenant.pk), data)
    assert response.status_code == 302
    tenant.refresh_from_db()
    assert (tenant.title, tenant.labels) == ("New", {"tier": "gold"})
    (entry,) = entries()
    assert (entry.action, entry.actor_id, entry.origin) == ("tenant.change", ada.public_id, "admin")
    assert entry.reason == "they asked"
    assert entry.before == {"title": "Old", "labels": {}}
    assert entry.after == {"title": "New", "labels": {"tier": "gold"}}


def test_saving_without_a_change_leaves_no_entry(browser, entries) -> None:
    tenant = make_tenant()
    browser.post(page("tenants_tenant", "change", tenant.pk), tenant_fields(tenant))
    assert entries() == []


def test_only_what_the_person_changed_is_written(browser) -> None:
    """A field that somebody else changed meanwhile keeps their value."""
    tenant = make_tenant(title="Old", notes="old")
    data = tenant_fields(tenant, title="New", notes="old")
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Europe/Paris")
    data["time_zone"] = "Europe/Paris"
    browser.post(page("tenants_tenant", "change", tenant.pk), data)
    tenant.refresh_from_db()
    assert (tenant.title, tenant.time_zone) == ("New", "Europe/Paris")


def test_a_tenant_is_created_with_its_stack(browser, entries, lab) -> None:
    data = {"name": "umbrella", "title": "Umbrella", "blueprint": "lab", "region": lab.region.pk,
            "shared_environment": lab.environment.pk, "time_zone": "UTC"}  # fmt: skip
    assert browser.post(page("tenants_tenant", "add"), data).status_code == 302
    assert Tenant.objects.get(name="umbrella").stack.kind == "tenant"
    assert [entry.action for entry in entries()] == ["tenant.create"]


def test_a_refusal_stands_at_the_name_and_loses_nothing(browser, entries, lab) -> None:
    data = {"name": "acme", "title": "Typed with care", "blueprint": "lab",
            "region": lab.region.pk, "shared_environment": lab.environment.pk,
            "time_zone": "UTC", "labels": "tier=gold"}  # fmt: skip
    response = browser.post(page("tenants_tenant", "add"), data)
    assert response.status_code == 200
    form = response.context["adminform"].form
    assert "taken" in form.errors["name"][0]
    assert "Typed with care" in text(response)
    assert "tier=gold" in text(response)
    assert entries() == []


def test_a_name_against_the_blueprints_rule_is_refused_in_words(browser, lab) -> None:
    data = {"name": "UPPER", "blueprint": "lab", "region": lab.region.pk, "time_zone": "UTC",
            "shared_environment": lab.environment.pk}  # fmt: skip
    response = browser.post(page("tenants_tenant", "add"), data)
    assert "cannot be used as a name" in response.context["adminform"].form.errors["name"][0]


def test_account_region_release_and_environment_are_made_and_changed(browser, entries) -> None:
    browser.post(page("tenants_cloudaccount", "add"), {"name": "north", "provider": "lab"})
    account = CloudAccount.objects.get(name="north")
    region = {"account": account.pk, "slug": "north-1", "time_zone": "UTC", "max_runs": 4,
              "state_backend": "local", "backend_config": "{}"}  # fmt: skip
    browser.post(page("tenants_region", "add"), region)
    row = Region.objects.get(slug="north-1")
    changed = {"title": "Oslo", "time_zone": "UTC", "max_runs": 8, "backend_config": "{}"}
    browser.post(page("tenants_region", "change", row.pk), changed)
    release = {"blueprint": "lab", "name": "9.9", "components": '{"app_version": "2.5.0"}',
               "region_values": "{}"}  # fmt: skip
    browser.post(page("tenants_release", "add"), release)
    environment = {"name": "sharednorth", "blueprint": "lab", "region": row.pk}
    browser.post(page("tenants_sharedenvironment", "add"), environment)
    assert [entry.action for entry in entries()] == [
        "account.create", "region.create", "region.change", "release.create", "environment.create",
    ]  # fmt: skip
    row.refresh_from_db()
    assert (row.title, row.max_runs) == ("Oslo", 8)


def test_a_release_of_unknown_components_is_refused(browser) -> None:
    data = {"blueprint": "lab", "name": "1", "components": '{"nope": "1"}', "region_values": "{}"}
    response = browser.post(page("tenants_release", "add"), data)
    assert "nope" in response.context["adminform"].form.errors["components"][0]
    assert not Release.objects.exists()


def test_stack_settings_go_through_the_service(browser, entries) -> None:
    stack = make_tenant().stack
    browser.post(page("tenants_stack", "change", stack.pk), {"is_auto_apply": "on", "reason": "ok"})
    stack.refresh_from_db()
    assert stack.is_auto_apply
    assert [(e.action, e.reason) for e in entries()] == [("stack.settings", "ok")]


def test_pins_are_set_and_taken_off_with_entries(browser, entries) -> None:
    tenant = make_tenant()
    data = {"tenant": tenant.pk, "component": "app", "version": "2.4", "reason": "waits"}
    browser.post(page("tenants_componentpin", "add"), data)
    pin = ComponentPin.objects.get()
    assert (pin.version, pin.reason) == ("2.4", "waits")
    changed = {"version": "2.5", "reason": "waits on"}
    browser.post(page("tenants_componentpin", "change", pin.pk), changed)
    pin.refresh_from_db()
    assert (pin.version, pin.reason) == ("2.5", "waits on")
    browser.post(page("tenants_componentpin", "delete", pin.pk), {"post": "yes"})
    assert not ComponentPin.objects.exists()
    assert [entry.action for entry in entries()] == ["pin.change"] * 3


def test_archiving_asks_why_and_tells_each_refusal(browser, entries) -> None:
    free, busy = make_tenant("free"), make_tenant("busy")
    make_run(busy, "planning")
    chosen = {"action": "archive_selected", "_selected_action": [free.pk, busy.pk]}
    response = browser.post(page("tenants_tenant"), chosen)
    assert response.status_code == 200
    assert entries() == []
    data = {**chosen, "archive": "1", "reason": "contract ended"}
    response = browser.post(page("tenants_tenant"), data, follow=True)
    free.refresh_from_db()
    busy.refresh_from_db()
    assert free.is_archived
    assert not busy.is_archived
    assert "run 1 is open" in text(response)
    assert [(e.action, e.reason) for e in entries()] == [("tenant.archive", "contract ended")]


def test_a_host_is_drained_and_declared_gone(browser, entries) -> None:
    host = WorkerHost.objects.create(host_id="h1", name="worker-1")
    run = make_run(status="applying", host_id="h1")
    browser.post(page("deployments_workerhost", "change", host.pk), {"is_draining": "on"})
    chosen = {"action": "declare_gone", "_selected_action": [host.pk]}
    browser.post(page("deployments_workerhost"), {**chosen, "gone": "1", "reason": "burnt"})
    host.refresh_from_db()
    run.refresh_from_db()
    assert host.is_draining
    assert host.gone_reason == "burnt"
    assert run.status == "lost"
    actions = [entry.action for entry in entries()]
    assert actions[:2] == ["host.drain", "host.gone"]


def test_maintenance_is_switched_on_and_off(browser, entries) -> None:
    browser.post(page("deployments_maintenance", "add"), {"reason": "new switches"})
    row = Maintenance.objects.get()
    assert (row.reason, row.by, row.ended_at) == ("new switches", "ada", None)
    chosen = {"action": "end_maintenance", "_selected_action": [row.pk]}
    browser.post(page("deployments_maintenance"), chosen)
    row.refresh_from_db()
    assert row.ended_at is not None
    assert [entry.action for entry in entries()] == ["maintenance.change"] * 2


# --- people -------------------------------------------------------------------------------------
def user_fields(user: User, **changed: object) -> dict[str, object]:
    """Return what a user's form posts."""
    names = ("username", "first_name", "last_name", "email", "time_zone", "language")
    kept = {name: getattr(user, name) for name in names}
    return {**kept, "is_active": "on", "password": "", **changed}


def test_a_user_is_created_and_can_sign_in(browser, entries, client: Client) -> None:
    data = {"username": "carol", "email": "carol@example.com", "password": PASSWORD,
            "time_zone": "UTC", "language": "en", "is_active": "on"}  # fmt: skip
    assert browser.post(page("tenants_user", "add"), data).status_code == 302
    assert client.login(username="carol", password=PASSWORD)
    (entry,) = entries()
    assert entry.action == "user.create"
    assert PASSWORD not in str(entry.after)


def test_a_weak_password_is_refused_at_its_field(browser) -> None:
    data = {"username": "carol", "email": "carol@example.com", "password": "123",
            "time_zone": "UTC", "language": "en"}  # fmt: skip
    response = browser.post(page("tenants_user", "add"), data)
    assert "too short" in response.context["adminform"].form.errors["password"][0]


def test_an_e_mail_address_in_use_is_refused_at_its_field(browser, ada: User) -> None:
    data = {"username": "carol", "email": ada.email.upper(), "time_zone": "UTC", "language": "en"}
    response = browser.post(page("tenants_user", "add"), data)
    assert "Another user" in response.context["adminform"].form.errors["email"][0]


def test_a_new_password_is_told_but_not_shown_in_the_trail(browser, entries, client) -> None:
    bob = make_user("bob")
    new = "quite another battery"
    browser.post(page("tenants_user", "change", bob.pk), user_fields(bob, password=new))
    assert client.login(username="bob", password=new)
    (entry,) = entries()
    assert entry.after == {"password": "(changed)"}


def test_a_user_page_does_not_hold_the_digest_of_the_password(browser) -> None:
    bob = make_user("bob")
    assert bob.password not in text(browser.get(page("tenants_user", "change", bob.pk)))


def test_saving_a_user_without_a_password_keeps_theirs(browser, client: Client) -> None:
    bob = make_user("bob")
    browser.post(page("tenants_user", "change", bob.pk), user_fields(bob, first_name="Robert"))
    assert client.login(username="bob", password=PASSWORD)


def test_groups_of_a_user_are_in_the_entry_before_and_after(browser, entries) -> None:
    bob, group = make_user("bob"), Group.objects.create(name="on-call")
    browser.post(page("tenants_user", "change", bob.pk), user_fields(bob, groups=[group.pk]))
    (entry,) = entries()
    assert (entry.before, entry.after) == ({"groups": []}, {"groups": ["on-call"]})


def test_members_of_a_group_are_in_the_entry_before_and_after(browser, entries) -> None:
    bob, group = make_user("bob"), Group.objects.create(name="on-call")
    data = {"name": "on-call", "members": [bob.pk]}
    browser.post(page("auth_group", "change", group.pk), data)
    (entry,) = entries()
    assert (entry.before, entry.after) == ({"members": []}, {"members": ["bob"]})


def test_a_role_is_granted_and_filed_under_its_place(browser, entries) -> None:
    bob, region = make_user("bob"), make_region("north")
    data = {"user": bob.pk, "role": "operator", "region": region.pk}
    browser.post(page("tenants_membership", "add"), data)
    (entry,) = entries()
    assert (entry.action, entry.target_name, entry.region_id) == ("role.grant", "bob", region.pk)
    assert entry.after == {"role": "operator", "scope": "north"}


@pytest.mark.parametrize("data", [{}, {"everything": "on", "region": "x"}])
def test_a_role_over_none_or_two_scopes_is_refused(browser, data: dict) -> None:
    bob = make_user("bob")
    posted = {"user": bob.pk, "role": "viewer", **data}
    if "region" in data:
        posted["region"] = make_region().pk
    response = browser.post(page("tenants_membership", "add"), posted)
    assert "Choose one" in response.context["adminform"].form.errors["everything"][0]


def test_the_same_role_twice_is_refused_in_words(browser) -> None:
    bob = make_user("bob", role="viewer")
    data = {"user": bob.pk, "role": "viewer", "everything": "on"}
    response = browser.post(page("tenants_membership", "add"), data)
    assert "already" in text(response)


def test_a_role_is_taken_with_an_entry(browser, entries) -> None:
    bob = make_user("bob", role="viewer")
    row = Membership.objects.get(user=bob)
    browser.post(page("tenants_membership", "delete", row.pk), {"post": "yes"})
    assert not Membership.objects.filter(user=bob).exists()
    assert [(e.action, e.before["role"]) for e in entries()] == [("role.revoke", "viewer")]


def test_the_last_admin_cannot_give_the_role_up(browser, ada: User, entries) -> None:
    row = Membership.objects.get(user=ada)
    response = browser.post(page("tenants_membership", "delete", row.pk), {"post": "yes"})
    assert response.status_code == 403
    assert Membership.objects.filter(pk=row.pk).exists()
    assert entries() == []


def test_the_last_admin_cannot_be_deactivated(browser, ada: User) -> None:
    data = user_fields(ada)
    del data["is_active"]
    response = browser.post(page("tenants_user", "change", ada.pk), data)
    assert "last active admin" in text(response)
    ada.refresh_from_db()
    assert ada.is_active


def test_an_admin_by_group_counts_as_one(ada: User) -> None:
    group = Group.objects.create(name="admins")
    Membership.objects.create(group=group, role="admin", everything=True)
    make_user("eve").groups.add(group)
    people.change_user(CRON, ada, is_active=False)
    with pytest.raises(LastAdmin):
        people.change_group(CRON, group, name="admins", members=[])


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_deactivate_each_other_leave_one(ada: User) -> None:
    eve, refused, start = make_user("eve", role="admin"), [], threading.Barrier(2)

    def deactivate(who: User, whom: User) -> None:
        start.wait(10)
        try:
            people.change_user(from_user(who, origin="admin"), whom, is_active=False)
        except LastAdmin as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    both = [threading.Thread(target=deactivate, args=pair) for pair in ((ada, eve), (eve, ada))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)
    assert len(refused) == 1
    assert people.admins().count() == 1


def test_only_superusers_make_superusers(ada: User) -> None:
    with pytest.raises(OnlySuperuser):
        people.create_user(from_user(ada, origin="admin"), username="x", is_superuser=True)


def test_an_admin_cannot_take_over_a_superuser(browser, ada: User) -> None:
    root = make_user("root", is_superuser=True)
    data = user_fields(root, password="quite another battery")
    assert browser.post(page("tenants_user", "change", root.pk), data).status_code == 403
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


# --- bulk edit ----------------------------------------------------------------------------------
def start_bulk(browser: Client, tenants: list[Tenant]):
    """Choose tenants in the list; return the page that asks what to change."""
    chosen = {"action": "bulk_edit", "_selected_action": [tenant.pk for tenant in tenants]}
    return browser.post(page("tenants_tenant"), chosen)


def bulk_fields(response, **wanted: object) -> dict[str, object]:
    """Return what the page posts back."""
    return {"selection": response.context["selection"].token, "reason": "a wave", **wanted}


BULK = "/admin/tenants/tenant/bulk/"


@pytest.fixture
def releases() -> tuple[Release, Release]:
    """Return two releases of the lab."""
    return tuple(
        Release.objects.create(blueprint="lab", name=name, components={}) for name in ("1", "2")
    )


def test_bulk_edit_shows_what_changes_before_anything_does(browser, entries, releases) -> None:
    old, new = releases
    tenants = [make_tenant(name, release=old, labels={"a": "1"}) for name in ("acme", "globex")]
    data = bulk_fields(
        start_bulk(browser, tenants), release=new.pk, labels="wave=1", labels_gone="a"
    )
    response = browser.post(BULK, {**data, "preview": "1"})
    assert [line.tenant.name for line in response.context["lines"]] == ["acme", "globex"]
    shown = [(c.name, c.before, c.after) for c in response.context["lines"][0].changes]
    assert shown == [("release", "1", "2"), ("label a", "1", None), ("label wave", None, "1")]
    assert entries() == []


def test_bulk_edit_changes_exactly_the_chosen_in_one_operation(browser, entries, releases) -> None:
    old, new = releases
    tenants = [make_tenant(name, release=old) for name in ("acme", "globex")]
    left = make_tenant("umbrella", release=old)
    first = start_bulk(browser, tenants)
    data = bulk_fields(first, release=new.pk, time_zone="Europe/Paris")
    shown = browser.post(BULK, {**data, "preview": "1"})
    done = browser.post(BULK, {**data, "carry_out": "1", "digest": shown.context["digest"]})
    assert all(outcome.done and not outcome.refused for outcome in done.context["outcomes"])
    names = dict(Tenant.objects.values_list("name", "release__name"))
    assert names == {"acme": "2", "globex": "2", left.name: "1"}
    found = entries()
    assert [entry.action for entry in found] == ["tenant.change"] * 2
    assert {entry.operation_id for entry in found} == {first.context["selection"].operation_id}
    assert {entry.reason for entry in found} == {"a wave"}


def test_bulk_edit_is_shown_again_when_something_changed_meanwhile(browser, releases) -> None:
    old, new = releases
    tenant = make_tenant(release=old)
    data = bulk_fields(start_bulk(browser, [tenant]), release=new.pk)
    shown = browser.post(BULK, {**data, "preview": "1"})
    Tenant.objects.filter(pk=tenant.pk).update(release=None)
    response = browser.post(BULK, {**data, "carry_out": "1", "digest": shown.context["digest"]})
    assert "Something changed since" in text(response)
    tenant.refresh_from_db()
    assert tenant.release is None


def test_bulk_edit_of_many_asks_for_their_number(browser, releases) -> None:
    environment = make_environment()
    tenants = [make_tenant(environment=environment) for _number in range(11)]
    data = bulk_fields(start_bulk(browser, tenants), release=releases[1].pk)
    shown = browser.post(BULK, {**data, "preview": "1"})
    data |= {"carry_out": "1", "digest": shown.context["digest"]}
    assert "Type 11" in text(browser.post(BULK, data))
    assert not Tenant.objects.filter(release__isnull=False).exists()
    browser.post(BULK, {**data, "typed_count": "11"})
    assert Tenant.objects.filter(release=releases[1]).count() == 11


def test_bulk_edit_takes_no_selection_of_another_person(browser, releases) -> None:
    data = bulk_fields(start_bulk(browser, [make_tenant()]), release=releases[1].pk)
    other = Client()
    other.force_login(make_user(role="admin"))
    response = other.post(BULK, {**data, "preview": "1"}, follow=True)
    assert "too old" in text(response)


def test_bulk_edit_without_a_change_says_so(browser) -> None:
    data = bulk_fields(start_bulk(browser, [make_tenant()]))
    response = browser.post(BULK, {**data, "preview": "1"})
    assert "at least one thing" in text(response)


@pytest.mark.terraform
def test_bulk_edit_of_a_size_is_judged_and_a_refusal_stops_no_other(browser, entries, lab) -> None:
    first = start_bulk(browser, [lab.acme, lab.globex])
    data = bulk_fields(first, size_app_size="large")
    shown = browser.post(BULK, {**data, "preview": "1"})
    lab.globex.stack.desired_inputs = {"zones": "not a list of the rule"}
    lab.globex.stack.save()
    done = browser.post(BULK, {**data, "carry_out": "1", "digest": shown.context["digest"]})
    outcomes = {o.tenant.name: o for o in done.context["outcomes"]}
    assert not outcomes["acme"].refused
    assert outcomes["globex"].refused
    lab.acme.stack.refresh_from_db()
    assert lab.acme.stack.desired_inputs["app_size"] == "large"
    assert [entry.action for entry in entries()] == ["stack.inputs"]


def test_bulk_edit_queues_a_plan_for_each(browser, lab) -> None:
    from tests.lab import SHARED_OUTPUTS, install_on_paper

    install_on_paper(lab.environment, SHARED_OUTPUTS)
    first = start_bulk(browser, [lab.acme, lab.globex])
    data = bulk_fields(first, has_plan="on")
    shown = browser.post(BULK, {**data, "preview": "1"})
    data |= {"carry_out": "1", "digest": shown.context["digest"]}
    browser.post(BULK, data)
    assert Run.objects.filter(is_plan_only=True, reason="a wave").count() == 2
    browser.post(BULK, data)
    assert Run.objects.count() == 2, "a repeat gives the same runs"


# --- files --------------------------------------------------------------------------------------
def test_an_export_of_tenants_is_audited_and_runs_no_formula(browser, entries) -> None:
    make_tenant("acme", title="=cmd()", labels={"tier": "gold"})
    response = browser.post(page("tenants_tenant", "export"), {"format": "0", "resource": ""})
    body = text(response)
    assert response["Content-Type"].startswith("text/csv")
    assert "acme,'=cmd()," in body
    assert "tier=gold" in body
    (entry,) = entries()
    assert (entry.action, entry.after["list"], entry.after["rows"]) == ("export", "tenants", 1)


def test_an_export_follows_the_filters(browser, entries) -> None:
    make_tenant("acme")
    make_tenant("globex")
    address = page("tenants_tenant", "export") + "?q=acme"
    body = text(browser.post(address, {"format": "0", "resource": ""}))
    assert "acme" in body
    assert "globex" not in body
    assert entries()[0].after["filters"] == {"q": "acme"}


@pytest.mark.parametrize("name", ["deployments_run", "tenants_stack", "tenants_auditentry",
                                  "tenants_release"])  # fmt: skip
def test_other_lists_are_exported(browser, name: str) -> None:
    make_run(make_tenant())
    response = browser.post(page(name, "export"), {"format": "0", "resource": ""})
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment")


def test_an_export_as_a_spreadsheet_opens(browser) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    make_tenant("acme")
    response = browser.post(page("tenants_tenant", "export"), {"format": "1", "resource": ""})
    sheet = openpyxl.load_workbook(io.BytesIO(response.content)).active
    assert sheet["A1"].value == "name"
    assert sheet["A2"].value == "acme"


def load(browser: Client, lines: str):
    """Load a CSV file of tenants; return the page after the dry run."""
    header = "name,title,blueprint,region,shared_environment,release,time_zone,labels,notes\n"
    file = SimpleUploadedFile("tenants.csv", (header + lines).encode(), "text/csv")
    return browser.post(page("tenants_tenant", "import"), {"import_file": file, "format": "0"})


def confirm(browser: Client, response):
    """Say yes to an import."""
    data = response.context["confirm_form"].initial
    return browser.post(page("tenants_tenant", "process_import"), data, follow=True)


def test_an_import_tries_first_and_then_creates(browser, entries, lab) -> None:
    response = load(browser, 'umbrella,Umbrella,lab,lab,sharedlab,,UTC,"tier=gold",\n')
    assert not Tenant.objects.filter(name="umbrella").exists()
    assert entries() == []
    confirm(browser, response)
    made = Tenant.objects.get(name="umbrella")
    assert made.labels == {"tier": "gold"}
    assert made.stack.kind == "tenant"
    (entry,) = entries()
    assert (entry.action, bool(entry.operation_id)) == ("tenant.create", True)


def test_errors_of_an_import_stand_at_their_rows_and_nothing_is_made(browser, lab) -> None:
    lines = (
        "umbrella,,lab,lab,sharedlab,,UTC,,\nacme,,lab,lab,sharedlab,,UTC,,\nx,,lab,nowhere,,,,,\n"
    )
    response = load(browser, lines)
    body = text(response)
    assert "confirm_form" not in response.context or response.context.get("confirm_form") is None
    assert "is taken" in body
    assert "nowhere" in body
    assert not Tenant.objects.filter(name="umbrella").exists()


def test_an_import_that_no_longer_fits_makes_nothing(browser, lab) -> None:
    lines = "umbrella,,lab,lab,sharedlab,,UTC,,\ninitech,,lab,lab,sharedlab,,UTC,,\n"
    response = load(browser, lines)
    make_tenant("initech", lab.environment)
    after = confirm(browser, response)
    assert "Nothing was imported" in text(after)
    assert not Tenant.objects.filter(name="umbrella").exists()


def test_roles_of_a_group_reach_its_members_admin(client: Client) -> None:
    group = Group.objects.create(name="admins")
    Membership.objects.create(group=group, role="admin", everything=True)
    eve = make_user("eve")
    eve.groups.add(group)
    client.force_login(eve)
    assert client.get("/admin/").status_code == 200


def test_a_role_given_twice_over_different_scopes_is_fine() -> None:
    bob, region = make_user("bob"), make_region()
    give_role(bob, "viewer", region)
    people.grant_role(CRON, user=bob, role="viewer", everything=True)
    assert bob.memberships.count() == 2
