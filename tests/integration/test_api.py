"""What single routes of the API promise."""

import json
import threading
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from deployments.models import Plan, Run
from deployments.runstatus import RunStatus
from omlsaas.lib.refusals import Refusal
from tenants.models import AuditEntry, Tenant, User
from tests import factories
from tests.integration.apicalls import caller


@pytest.fixture
def operator(db: None) -> User:
    return factories.make_user("oscar", role="operator")


@pytest.fixture
def call(operator: User, settings):
    return caller(settings, operator)


@pytest.mark.django_db
def test_pages_follow_a_key_and_miss_nothing(call):
    environment = factories.make_environment()
    names = [factories.make_tenant(f"t{n:03}", environment).name for n in range(23)]
    found, path = [], "tenants?limit=5&region=" + environment.region.slug
    while path:
        page = call("get", path).json()
        found += [item["name"] for item in page["items"]]
        # What comes before the key meanwhile moves nothing.
        factories.make_tenant(f"a{len(found):03}", environment)
        path = page["next"] and page["next"].partition("/api/v1/")[2]
    assert found == names


@pytest.mark.django_db
def test_filters_are_those_of_the_page_and_unknown_ones_are_refused(call):
    factories.make_tenant("acme", labels={"tier": "gold"})
    factories.make_tenant("globex")
    found = call("get", "tenants?label=tier%3Dgold").json()["items"]
    assert [tenant["name"] for tenant in found] == ["acme"]
    for wrong in ("lable=x", "region=nowhere", "condition=fine", "limit=0", "cursor=abc",
                  "limit=99999999999999999999", "archived=2"):  # fmt: skip
        answer = call("get", f"tenants?{wrong}")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [wrong.split("=")[0]])


@pytest.mark.django_db
def test_a_cursor_of_another_list_is_refused(call):
    for _ in range(3):
        factories.make_run()
    following = call("get", "runs?limit=1").json()["next"].partition("?")[2]
    assert call("get", f"tenants?{following}").status_code == 422


@pytest.mark.django_db
def test_a_run_is_queued_named_and_told(call, lab):
    body = {"stack": lab.stack("acme").public_id, "action": "plan", "reason": "a look"}
    answer = call("post", "runs", body, Idempotency_Key="k-1", X_Request_ID="req-of-mine")
    run = Run.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, run.public_id)
    assert answer["Location"] == f"/api/v1/runs/{run.public_id}"
    again = call("post", "runs", body, Idempotency_Key="k-1")
    assert (again.status_code, again.json()["id"]) == (202, run.public_id)
    other = call("post", "runs", body | {"reason": "another"}, Idempotency_Key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "RequestReused")
    entry = AuditEntry.objects.get(action="run.queue")
    assert (entry.token_id, entry.origin) == (call.token.public_id, "api")
    assert entry.request_id == "req-of-mine"
    told = call("get", f"runs/{run.public_id}/events").json()["items"]
    assert told[0]["to_status"] == "pending" and told[0]["comment"] == "a look"


@pytest.mark.django_db
def test_refusals_of_services_are_problems_with_fields(call, lab):
    stack = lab.stack("acme")
    body = {"stack": stack.public_id, "action": "plan", "params": {"nothing": 1}}
    answer = call("post", "runs", body)
    assert (answer.status_code, answer.json()["errors"].keys()) == (422, {"nothing"})
    answer = call("post", "runs", {"stack": stack.public_id, "action": "dance"})
    assert (answer.status_code, answer.json()["code"]) == (422, "UnknownAction")
    page = Client().get(answer.json()["type"])
    assert page.status_code == 200 and "UnknownAction" in page.content.decode()


@pytest.mark.django_db
def test_secrets_go_in_and_never_out(call, lab):
    stack = lab.stack("acme")
    secret = "a-new-s3cret-77"
    path = f"stacks/{stack.public_id}/inputs"
    answer = call("patch", path, {"secrets": {"admin_password": secret}})
    assert answer.status_code == 200, answer.content
    assert "admin_password" in answer.json()["secrets_set"]
    assert secret not in answer.content.decode()
    assert secret not in call("get", "audit").content.decode()
    short = call("patch", path, {"secrets": {"admin_password": "tiny"}})
    assert short.status_code == 422 and "tiny" not in short.content.decode()


@pytest.mark.django_db
def test_a_confirmation_needs_the_digest_that_was_read(call, operator: User):
    run = factories.make_run(factories.make_tenant("acme"), RunStatus.PLANNED)
    Plan.objects.create(run=run, digest="the-digest")
    assert call("get", f"runs/{run.public_id}").json()["plan_digest"] == "the-digest"
    path = f"runs/{run.public_id}/confirm"
    assert call("post", path, {}).status_code == 422
    wrong = call("post", path, {"plan_digest": "another"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "PlanDigestDiffers")


@pytest.mark.django_db
def test_a_log_is_read_by_offset_and_waited_for(call):
    run = factories.make_run(factories.make_tenant("acme"), RunStatus.APPLIED)
    answer = call("get", f"runs/{run.public_id}/log?wait=20")
    assert (answer.status_code, answer["Log-Eof"], answer["Run-Status"]) == (200, "1", "applied")
    assert call("get", f"runs/{run.public_id}/log?offset=99").status_code == 422
    assert call("get", f"runs/{run.public_id}/log?wait=99").status_code == 422


HOSTILE: list[bytes] = [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"name": "a\\u0000b"}', b'{"name": "\\ud800"}',
    b'{"name": ' + b"9" * 5000 + b"}", b'{"labels": {"x": NaN}}', b"[" * 100_000,
    b'{"name": "x", "unknown": 1}', b'{"name": {"a": 1}}', b'{"title": "' + b"x" * 300_000 + b'"}',
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_problems_and_no_faults(call, body: bytes):
    for path in ("tenants", "runs", "releases", "environments"):
        answer = call("post", path, body)
        assert answer.status_code in (400, 403, 422), (path, answer.content)
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["tenants/a%00b", "runs/%FF", "tenants?q=%00", "tenants?cursor=%00", "runs?q=%23" + "9" * 5000,
     "audit?since=yesterday", "audit?since=0000-00-00", "tenants/" + "x" * 3000, "nowhere",
     "runs?status=%00", "tenants/x/y/z", "audit?actor=%00", "stacks?name=%00"],
)  # fmt: skip
def test_hostile_addresses_are_problems_and_no_faults(call, path: str):
    answer = call("get", path)
    assert answer.status_code in (200, 400, 404, 422), answer.content
    if answer.status_code != 200:
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_an_unknown_method_is_a_problem_that_names_the_known_ones(call):
    answer = call("delete", "tenants")
    assert (answer.status_code, answer.json()["code"]) == (405, "MethodUnknown")
    assert set(answer["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.django_db
def test_a_fault_of_ours_is_told_neutrally_and_logged(call, monkeypatch, caplog):
    from api import dress

    def broken(row: Any) -> Any:
        raise RuntimeError("the inside")

    factories.make_run()
    monkeypatch.setattr(dress, "run", broken)
    from api.routes import runs

    monkeypatch.setattr(runs.dress, "run", broken)
    answer = call("get", "runs", X_Request_ID="req-broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "InternalError")
    assert "the inside" not in answer.content.decode() and "req-broken" in caplog.text


def test_every_status_of_a_problem_is_of_a_refusal_that_there_is():
    from api.problems import STATUS

    assert set(STATUS) <= set(Refusal.codes)


@pytest.mark.django_db
def test_the_browsable_page_loads_nothing_from_elsewhere(operator: User):
    client = Client()
    assert client.get(reverse("api:openapi-view")).status_code == 302
    client.force_login(operator)
    page = client.get(reverse("api:openapi-view"))
    text = page.content.decode()
    assert page.status_code == 200 and "://" not in text.replace("http://www.w3.org", "")
    assert json.loads(client.get("/api/v1/openapi.json").content)["openapi"] == "3.1.0"


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_once_with_one_key_make_one_run(lab, settings):
    settings.API_RATE_ADDRESS = settings.API_RATE_TOKEN = 10**6
    user = factories.make_user("oscar", role="operator")
    _, text = factories.make_token(user)
    body = {"stack": lab.stack("acme").public_id, "action": "plan"}
    barrier, answers = threading.Barrier(4), []

    def post() -> None:
        try:
            barrier.wait(10)
            headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "one"}
            client = Client(raise_request_exception=False)
            answers.append(client.post("/api/v1/runs", body, "application/json", headers=headers))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [202] * 4, answers[0].content
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_a_tenants_own_viewer_sees_it_alone(settings):
    here = factories.make_tenant("acme")
    factories.make_tenant("globex", here.shared_environment)
    _, text = factories.make_token(factories.make_user(role="viewer", over=here))
    answer = Client().get("/api/v1/tenants", headers={"Authorization": f"Bearer {text}"})
    assert [row["name"] for row in answer.json()["items"]] == ["acme"]
    assert Tenant.objects.count() == 2
