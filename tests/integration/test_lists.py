"""The lists: what the URL keeps, how many queries they cost, what they export."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments.models import Maintenance
from deployments.runstatus import RunStatus
from tenants import actors, audit
from tenants.models import AuditEntry, Release, SharedEnvironment, Stack, Tenant
from tenants.models.stacks import Condition
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = 50


@pytest.fixture
def environment() -> SharedEnvironment:
    return factories.make_environment("sharedlab", factories.make_region("north"))


@pytest.fixture
def alice(environment: SharedEnvironment) -> Client:
    client = Client()
    user = factories.make_user("alice", role="operator", over=environment.region)
    client.force_login(user)
    client.person = user
    return client


def fill(environment: SharedEnvironment, count: int) -> None:
    """Add tenants with runs, releases, regions, environments and audit entries."""
    actor = actors.system("cron")
    for number in range(count):
        tenant = factories.make_tenant(environment=environment, labels={"tier": "gold"})
        tenant.release = Release.objects.create(
            blueprint="lab", name=f"{tenant.name}.1", components={"app": "2.4.1"}
        )
        tenant.save()
        conditions = list(Condition.values)
        Stack.objects.filter(pk=tenant.stack.pk).update(
            condition=conditions[number % len(conditions)], resource_count=1, applied_release="1"
        )
        status = (RunStatus.APPLIED, RunStatus.ERRORED, RunStatus.PLANNED, RunStatus.APPLYING)
        run = factories.make_run(tenant, status[number % 4])
        factories.make_step(run)
        audit.record(actor.because("why"), "run.queue", run, after={"a": 1, "b": 2})
        factories.make_environment(region=environment.region)


def queries_of(client: Client, address: str, **headers: str) -> int:
    """Return how many queries a page costs when everything is warm."""
    client.get(address, headers=headers)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address, headers=headers).status_code == 200
    return len(caught)


LISTS = ["/", "/regions/", "/environments/", "/tenants/", "/runs/", "/releases/", "/audit/"]
FILTERED = [
    "/tenants/?q=tenant&sort=release,-status&condition=attention",
    "/runs/?q=tenant&status=open&sort=stack,-status",
    "/audit/?q=why&sort=actor",
]


@pytest.mark.parametrize("address", [*LISTS, *FILTERED])
def test_queries_do_not_grow_with_rows(alice: Client, environment: SharedEnvironment, address: str):
    fill(environment, 10)
    few = queries_of(alice, address)
    fill(environment, 50)
    assert queries_of(alice, address) <= few


@pytest.mark.parametrize("address", ["/tenants/", "/runs/", "/audit/"])
def test_fragment_costs_less_than_its_page(
    alice: Client, environment: SharedEnvironment, address: str
):
    fill(environment, 4)
    fragment = queries_of(alice, address, **{"HX-Request": "true"})
    assert fragment < queries_of(alice, address)


def test_list_columns_of_runs_leave_json_in_the_database(
    alice: Client, environment: SharedEnvironment
):
    fill(environment, 4)
    with CaptureQueriesContext(connection) as caught:
        alice.get("/runs/")
    wide = re.compile(r'"deployments_run"."(inputs|steps_wanted|actor|secret_versions)"')
    assert [q["sql"] for q in caught if wide.search(q["sql"])] == []


def names_in(response: Any) -> list[str]:
    """Return the tenants of a list page in its order."""
    found = re.findall(r'href="/tenants/ten_\w+/">([\w-]+)</a>', response.content.decode())
    return list(dict.fromkeys(found))


@pytest.fixture
def three(environment: SharedEnvironment) -> dict[str, Tenant]:
    made = {}
    for name, condition, title in (
        ("acme", "in_service", "ACME Seguros"),
        ("globex", "errored", "Globex Telecom"),
        ("umbrella", "in_service", "Umbrella Saúde"),
    ):
        made[name] = factories.make_tenant(name, environment, title=title)
        Stack.objects.filter(tenant=made[name]).update(condition=condition)
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["globex", "acme", "umbrella"]),
        ("sort=name", ["acme", "globex", "umbrella"]),
        ("sort=-name", ["umbrella", "globex", "acme"]),
        ("sort=-status,-name", ["umbrella", "acme", "globex"]),
        ("sort=-status,name", ["acme", "umbrella", "globex"]),
        ("sort=nonsense", ["globex", "acme", "umbrella"]),
        ("q=seg", ["acme"]),
        ("q=LOB", ["globex"]),
        ("q=nothing", []),
        ("condition=attention", ["globex"]),
        ("condition=in_service", ["acme", "umbrella"]),
        ("condition=nonsense", []),
        ("region=north&q=a&sort=name", ["acme", "umbrella"]),
        ("region=south", []),
        ("environment=sharedlab&sort=name", ["acme", "globex", "umbrella"]),
        ("release=none&sort=name", ["acme", "globex", "umbrella"]),
        ("archived=1", []),
    ],
)
def test_tenants_by_query(alice: Client, three: dict, query: str, expected: list[str]):
    assert names_in(alice.get(f"/tenants/?{query}")) == expected


def test_label_filter_takes_key_and_value(alice: Client, three: dict):
    Tenant.objects.filter(name="acme").update(labels={"tier": "gold"})
    Tenant.objects.filter(name="globex").update(labels={"tier": "iron"})
    assert names_in(alice.get("/tenants/?label=tier%3Dgold")) == ["acme"]
    assert names_in(alice.get("/tenants/?label=tier&sort=name")) == ["acme", "globex"]


def test_archived_tenants_are_shown_on_request_only(alice: Client, three: dict):
    Tenant.objects.filter(name="acme").update(archived_at=timezone.now())
    assert names_in(alice.get("/tenants/?sort=name")) == ["globex", "umbrella"]
    assert names_in(alice.get("/tenants/?archived=1")) == ["acme"]
    assert names_in(alice.get("/tenants/?archived=all&sort=name")) == ["acme", "globex", "umbrella"]


def test_heading_makes_its_column_first_and_the_old_one_second(alice: Client, three: dict):
    text = alice.get("/tenants/?sort=-name&q=e").content.decode()
    assert 'href="?sort=status%2C-name&amp;q=e"' in text
    assert 'href="?sort=name&amp;q=e"' in text
    assert 'aria-sort="descending"' in text


def test_chip_takes_off_its_filter_and_keeps_the_rest(alice: Client, three: dict):
    text = alice.get("/tenants/?q=a&region=north&sort=name&page=3").content.decode()
    assert 'href="?q=a&amp;sort=name" aria-label="Remove the filter Region"' in text


def test_pages_overlap_nowhere_and_miss_nothing(alice: Client, environment: SharedEnvironment):
    for _number in range(2 * PAGE + 7):
        factories.make_tenant(environment=environment)
    seen = []
    for page in (1, 2, 3):
        seen += names_in(alice.get(f"/tenants/?sort=status&page={page}"))
    assert len(seen) == len(set(seen)) == 2 * PAGE + 7
    text = alice.get("/tenants/?sort=-name&page=2&q=tenant").content.decode()
    assert 'rel="prev" href="?sort=-name&amp;q=tenant"' in text
    assert 'rel="next" href="?sort=-name&amp;q=tenant&amp;page=3"' in text


@pytest.mark.parametrize("page", ["99", "0", "-1", "x", "9" * 40])
def test_page_number_out_of_range_shows_a_page(alice: Client, three: dict, page: str):
    response = alice.get(f"/tenants/?page={page}")
    assert response.status_code == 200 and len(names_in(response)) == 3


def test_fragment_is_the_list_alone(alice: Client, three: dict):
    response = alice.get("/tenants/?q=acme", headers={"HX-Request": "true"})
    text = response.content.decode()
    assert "<html" not in text and 'id="list"' in text
    assert 'id="total" hx-swap-oob="true">1<' in text
    assert "HX-Request" in response["Vary"]


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.getvalue().decode())))


def test_export_holds_all_that_match_and_is_kept(alice: Client, environment: SharedEnvironment):
    for _number in range(PAGE + 5):
        factories.make_tenant(environment=environment)
    response = alice.get("/tenants/?format=csv&q=tenant&sort=-name&page=2")
    rows = rows_of(response)
    assert len(rows) == PAGE + 5
    assert rows == sorted(rows, key=lambda row: row["tenant"], reverse=True)
    assert response["Content-Disposition"].startswith('attachment; filename="omlsaas-tenants-')
    entry = AuditEntry.objects.get(action="export")
    wanted = {"list": "tenants", "rows": PAGE + 5, "filters": {"q": "tenant"}}
    assert (entry.actor_name, entry.after) == ("alice", wanted)


@pytest.mark.parametrize(
    "name", ["regions", "environments", "tenants", "runs", "releases", "audit"]
)
def test_every_list_exports(alice: Client, environment: SharedEnvironment, name: str):
    fill(environment, 3)
    response = alice.get(f"/{name}/?format=csv")
    assert response["Content-Type"].startswith("text/csv") and rows_of(response)


def test_export_runs_no_formula(alice: Client, environment: SharedEnvironment):
    factories.make_tenant("acme", environment, title="=HYPERLINK(1)")
    assert rows_of(alice.get("/tenants/?format=csv"))[0]["customer"] == "'=HYPERLINK(1)"


def test_export_holds_only_what_the_person_may_see(alice: Client, three: dict):
    factories.make_tenant("foreign")
    names = {row["tenant"] for row in rows_of(alice.get("/tenants/?format=csv"))}
    assert names == set(three)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=acme", {"acme"}),
        ("q=acme %231", {"acme"}),
        ("q=%231", {"acme", "globex"}),
        ("q=acme %237", set()),
        ("status=planned", {"globex"}),
        ("status=open", {"globex"}),
        ("status=trouble", set()),
        ("status=nonsense", set()),
        ("region=north", {"acme", "globex"}),
        ("region=south", set()),
        ("action=install", {"acme", "globex"}),
        ("actor=usr_alice", {"acme", "globex"}),
        ("actor=usr_other", set()),
        ("since=2020-01-01&until=2020-12-31", set()),
        ("since=2020-01-01", {"acme", "globex"}),
        ("since=nonsense", set()),
    ],
)
def test_runs_by_query(alice: Client, three: dict, query: str, expected: set[str]):
    factories.make_run(three["acme"], RunStatus.APPLIED)
    factories.make_run(three["globex"], RunStatus.PLANNED)
    text = alice.get(f"/runs/?{query}").content.decode()
    assert set(re.findall(r'href="/tenants/ten_\w+/">([\w-]+)</a>', text)) == expected


def test_run_is_found_by_its_id(alice: Client, three: dict):
    run = factories.make_run(three["acme"], RunStatus.APPLIED)
    factories.make_run(three["globex"], RunStatus.APPLIED)
    text = alice.get(f"/runs/?q={run.public_id}").content.decode()
    assert "acme" in text and "globex" not in text


def say(action: str, target: Any, **more: Any) -> None:
    audit.record(actors.system("cron").because(more.pop("reason", "")), action, target, **more)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=slow calls", {"acme"}),
        ("q=medium", {"acme"}),
        ("action=tenant.change", {"globex"}),
        ("refused=1", {"umbrella"}),
        ("tenant=globex", {"globex"}),
        ("actor=system:cron", {"acme", "globex", "umbrella"}),
        ("actor=usr_nobody", set()),
        ("until=2020-01-01", set()),
    ],
)
def test_audit_by_query(alice: Client, three: dict, query: str, expected: set[str]):
    say("stack.inputs", three["acme"], reason="slow calls", after={"size": "medium"})
    say("tenant.change", three["globex"], before={"title": "a"}, after={"title": "b"})
    say("refused", three["umbrella"], is_refused=True)
    text = alice.get(f"/audit/?{query}").content.decode()
    assert set(re.findall(r'href="/tenants/ten_\w+/">([\w-]+)</a>', text)) == expected


def test_own_trail_shows_what_lies_outside_every_region(alice: Client):
    audit.record(actors.from_user(alice.person, origin="portal"), "sign_in", alice.person)
    row = "</i>Signed in</span>"
    assert row not in alice.get("/audit/").content.decode()
    own = alice.get(f"/audit/?actor={alice.person.public_id}").content.decode()
    assert row in own and "What alice did" in own


def test_stored_refusal_is_shown_as_its_sentence(alice: Client, three: dict):
    params = {"stack": "acme", "action": "x", "known": "install"}
    say("refused", three["acme"], after={"code": "UnknownAction", "params": params})
    assert "acme has no action “x”. It has: install." in alice.get("/audit/").content.decode()


def test_nothing_in_an_entry_is_no_null(alice: Client, three: dict):
    say("stack.inputs", three["acme"], before={"zone": None}, after={"zone": "UTC"})
    text = alice.get("/audit/").content.decode()
    assert "null" not in text.split("<tbody>")[1]
    assert '<span class="o-was">–</span>' in text


def counted(client: Client) -> Callable[[str], int]:
    """Return what reads a list's total."""
    return lambda address: int(
        re.search(r'id="total">(\d+)<', client.get(address).content.decode())[1]
    )


def test_lists_count_only_what_the_person_may_see(alice: Client, three: dict):
    factories.make_run(factories.make_tenant("foreign"), RunStatus.PLANNED)
    factories.make_run(three["acme"], RunStatus.PLANNED)
    total = counted(alice)
    addresses = ("/tenants/", "/runs/", "/regions/", "/environments/")
    assert [total(a) for a in addresses] == [3, 1, 1, 1]
    assert (
        '<span class="o-n" title="plans waiting for confirmation">1</span>'
        in alice.get("/tenants/").content.decode()
    )


def test_dashboard_names_three_of_each_trouble_and_counts_the_rest(
    alice: Client, environment: SharedEnvironment
):
    wanted = [*["lost"] * 2, *["errored"] * 5, *["in_service"] * 3]
    for number, condition in enumerate(wanted):
        tenant = factories.make_tenant(f"t{number}", environment)
        # Two that are in service are suspect, which counts with those that are lost.
        Stack.objects.filter(tenant=tenant).update(
            condition=condition, state_suspect=number in (7, 8), resource_count=number,
            applied_release="new" if number % 2 else "old",
        )  # fmt: skip
    page = alice.get("/").content.decode()
    named = re.findall(r"<b>(t\d)\b", page)
    assert named == ["t0", "t1", "t7", "t2", "t3", "t4"]
    assert "1 more are lost or suspect" in page
    assert "2 more errored" in page
    # t0 has no resources: it runs no release.
    releases = re.findall(r'<b class="o-num">(new|old)</b><span class="ms-auto o-num">(\d)', page)
    assert releases == [("new", "5"), ("old", "4")]


def test_dashboard_names_three_plans_and_counts_the_rest(
    alice: Client, environment: SharedEnvironment
):
    for _ in range(5):
        factories.make_run(factories.make_tenant(environment=environment), RunStatus.PLANNED)
    page = alice.get("/").content.decode()
    assert page.count(">Review</a>") == 4
    assert "2 more plans wait" in page
    assert 'title="plans waiting for confirmation">5</span>' in page


def test_dashboard_leaves_archived_tenants_out(alice: Client, three: dict):
    Tenant.objects.filter(name="globex").update(archived_at=timezone.now())
    page = alice.get("/").content.decode()
    assert "2 tenants" in page and "acme" in page
    assert "globex" not in page


def test_dashboard_counts_the_runs_that_it_does_not_name(
    alice: Client, environment: SharedEnvironment
):
    for _ in range(14):
        factories.make_run(factories.make_tenant(environment=environment), RunStatus.APPLYING)
    page = alice.get("/").content.decode()
    assert page.count('<tr id="now-') == 12
    assert "and 2 more" in page


def test_maintenance_that_has_ended_or_run_out_is_no_banner(alice: Client):
    now = timezone.now()
    for words, fields in (
        ("ended", {"ended_at": now}),
        ("run out", {"expires_at": now - timedelta(seconds=1)}),
    ):
        Maintenance.objects.create(reason=f"it has {words}", by="Ada", **fields)
    assert "Maintenance." not in alice.get("/runs/").content.decode()
    Maintenance.objects.create(reason="<b>disk", by="Ada", expires_at=now + timedelta(hours=1))
    assert "&lt;b&gt;disk · Ada" in alice.get("/runs/").content.decode()


@pytest.mark.parametrize("address", ["/tenants/", "/environments/", "/runs/"])
def test_queries_of_an_export_do_not_grow_with_rows(
    alice: Client, environment: SharedEnvironment, address: str
):
    fill(environment, 3)
    few = queries_of(alice, f"{address}?format=csv")
    fill(environment, 6)
    assert queries_of(alice, f"{address}?format=csv") == few
