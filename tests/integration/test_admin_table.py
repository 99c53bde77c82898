"""The tables of the admin's lists: cell for cell what Django makes, without asking for more."""

from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_list import results
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone

from deployments.models import Backup, InstancesRecord, Maintenance, RestorePoint, WorkerHost
from deployments.runstatus import RunStatus
from tenants import actors, audit
from tenants.admin.table import table_rows
from tenants.models import ComponentPin, Host, Release, Stack, Tenant, User
from tests import factories

pytestmark = pytest.mark.django_db
HOSTILE = """x"'><script>bad()</script><i onfocus='bad()'>&lt;"""
MODELS = {f"{m._meta.app_label}_{m._meta.model_name}": m for m in admin.site._registry}


@pytest.fixture
def ada() -> User:
    return factories.make_user("ada", role="admin", first_name=HOSTILE)


@pytest.fixture
def rows(ada: User) -> None:
    """Make rows of many kinds, hostile wherever the database lets them be."""
    now = timezone.now()
    environment = factories.make_environment("sharedlab", title=HOSTILE)
    release = Release.objects.create(blueprint="lab", name=HOSTILE, components={HOSTILE: "1"})
    factories.make_token(ada, name=HOSTILE, places=[environment])
    for number in range(3):
        tenant = factories.make_tenant(
            environment=environment, title=HOSTILE, labels={HOSTILE: HOSTILE, "empty": ""}
        )
        Tenant.objects.filter(pk=tenant.pk).update(release=release if number else None)
        Stack.objects.filter(pk=tenant.stack.pk).update(
            name=f"{HOSTILE}{number}", applied_release=HOSTILE, state_suspect=number == 1,
            applied_at=now if number else None, condition=["lost", "drift", "in_service"][number],
        )  # fmt: skip
        status = (RunStatus.PENDING, RunStatus.APPLIED, RunStatus.APPLYING)[number]
        run = factories.make_run(
            tenant, status, action_label=HOSTILE, actor_name=HOSTILE, release_name=" ",
            to_create=number,
        )  # fmt: skip
        factories.make_step(run)
        Backup.objects.create(
            stack=tenant.stack, component=HOSTILE, name=HOSTILE, key=HOSTILE, size=number,
            taken_at=now, seen_at=now, run=run,
        )  # fmt: skip
        RestorePoint.objects.create(stack=tenant.stack, run=run, release_name=HOSTILE)
        InstancesRecord.objects.create(
            run=run, stack=tenant.stack, remote=HOSTILE, folder=HOSTILE, message=HOSTILE,
            author_name=HOSTILE, author_email="a@example.com",
        )  # fmt: skip
        Host.objects.create(
            stack=tenant.stack, name=f"app-{number}", role=HOSTILE[:32], address=HOSTILE,
            pinned_by=HOSTILE, pinned_at=now if number else None,
        )  # fmt: skip
        ComponentPin.objects.create(tenant=tenant, component="app", version="1", reason=HOSTILE)
        audit.record(actors.system(HOSTILE).because(HOSTILE), "run.queue", run, after={"a": 1})
    Group.objects.create(name=HOSTILE)
    factories.make_invitation(note=HOSTILE, accepted_at=now)
    WorkerHost.objects.create(host_id="h1", name=HOSTILE, heartbeat_at=now)
    Maintenance.objects.create(reason=HOSTILE, by=HOSTILE)


def list_of(name: str, ada: User, query: str = ""):
    """Return a list's ChangeList as a request makes it."""
    address = reverse(f"admin:{name}_changelist")
    request = RequestFactory().get(f"{address}{query}")
    request.user, request.resolver_match = ada, resolve(address)
    request.session, request._messages = {}, SimpleNamespace(add=lambda *_: None)
    changes = admin.site._registry[MODELS[name]].get_changelist_instance(request)
    # The view sets it: a form in cells, which no list of ours has.
    changes.formset = None
    return changes


@pytest.mark.parametrize("query", ["", "?_popup=1", "?q=a&o=1"])
@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_what_django_makes_of_it(rows: None, ada: User, name: str, query: str):
    changes = list_of(name, ada, query)
    expected = ["".join(items) for items in results(changes)]
    assert table_rows(changes) == "\n".join(f"<tr>{cells}</tr>" for cells in expected)


# Tables of these are compared without a row.
WITHOUT_ROWS = {
    "deployments_approval", "deployments_happening", "deployments_plan", "deployments_runevent",
    "deployments_standinggrant", "deployments_stateversion", "notices_channel",
    "notices_delivery", "notices_notice", "notices_subscription", "tenants_auditanchor",
    "tenants_auditcursor", "tenants_auditseal", "tenants_secret",
}  # fmt: skip


def test_the_compared_tables_have_rows(rows: None, ada: User):
    empty = [name for name in MODELS if not list_of(name, ada).result_list]
    assert set(empty) == WITHOUT_ROWS


@pytest.mark.parametrize("name", MODELS)
def test_a_table_asks_the_database_nothing_that_its_list_did_not(rows: None, ada: User, name: str):
    changes = list_of(name, ada)
    list(changes.result_list)
    with CaptureQueriesContext(connection) as caught:
        table_rows(changes)
    assert [query["sql"] for query in caught] == []


@pytest.mark.parametrize("name", ["tenants_tenant", "tenants_stack", "deployments_run",
                                  "tenants_auditentry"])  # fmt: skip
def test_hostile_texts_stay_texts_on_the_page(rows: None, ada: User, name: str):
    client = Client()
    client.force_login(ada)
    page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert "&lt;script&gt;bad()" in page
    assert "<script>bad" not in page
    assert "onfocus='" not in page


def test_a_row_leads_to_its_own_page_with_the_lists_filters(rows: None, ada: User):
    client = Client()
    client.force_login(ada)
    tenant = Tenant.objects.order_by("name").first()
    page = client.get("/admin/tenants/tenant/?q=row-of-the-list").content.decode()
    assert "/change/" not in page
    page = client.get("/admin/tenants/tenant/?region__id__exact=" + str(tenant.region_id))
    kept = f"region__id__exact%3D{tenant.region_id}"
    wanted = f'href="/admin/tenants/tenant/{tenant.pk}/change/?_changelist_filters={kept}"'
    assert wanted in page.content.decode()
