"""A lock that stays: what the pages say, who may force it open."""

import pytest
from django.urls import reverse

from deployments.models import Run
from tenants.models import AuditEntry, Stack
from tests.factories import make_run, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
LOCK = {
    "id": "6c3ef0b4-6d1e-2f3a-9c44-aaaaaaaaaaaa",
    "who": "eve@laptop",
    "operation": "OperationTypeApply",
    "created": "2026-03-05 14:02:11.123456789 +0000 UTC",
}


@pytest.fixture
def stack(lab) -> Stack:
    """Return acme's stack, locked by a stranger."""
    Stack.objects.filter(name="acme").update(state_lock=LOCK)
    return lab.stack()


def sign_in(client, role: str) -> None:
    """Sign somebody with this role in."""
    client.force_login(make_user(role, role=role))


def test_the_stacks_page_says_who_since_when_and_whether_they_live(client, stack):
    sign_in(client, "admin")
    page = client.get(reverse("tenant", args=[stack.tenant.public_id])).content.decode()
    for words in ("locked by eve@laptop", "2026-03-05 14:02:11", LOCK["id"], "no host of this"):
        assert words in page
    assert reverse("stack_unlock", args=[stack.public_id]) in page


def test_an_operator_reads_it_and_may_not_force_it(client, stack):
    sign_in(client, "operator")
    page = client.get(reverse("tenant", args=[stack.tenant.public_id])).content.decode()
    assert "locked by eve@laptop" in page
    address = reverse("stack_unlock", args=[stack.public_id])
    assert address not in page
    assert client.post(address, {"reason": "x", "typed": "acme"}).status_code == 403
    assert not Run.objects.exists()


def test_a_reason_and_the_typed_name_are_asked_for(client, stack):
    sign_in(client, "admin")
    address = reverse("stack_unlock", args=[stack.public_id])
    assert LOCK["id"] in client.get(address).content.decode()
    wrong = client.post(address, {"reason": "gone", "typed": "globex", "request_key": "a"})
    assert "in full to force it open" in wrong.content.decode()
    without = client.post(address, {"reason": "", "typed": "acme", "request_key": "b"})
    assert (without.status_code, Run.objects.exists()) == (200, False)
    done = client.post(address, {"reason": "gone", "typed": "acme", "request_key": "c"})
    run = Run.objects.get()
    assert (done.status_code, run.action_kind) == (302, "force_unlock")
    assert [step["kind"] for step in run.steps_wanted] == ["state.unlock"]
    assert AuditEntry.objects.get(action="state.unlock").reason == "gone"
    again = client.post(address, {"reason": "gone", "typed": "acme", "request_key": "c"})
    assert (again.status_code, Run.objects.count()) == (302, 1)


def test_the_run_that_met_the_lock_leads_to_it(client, stack):
    params = {"stack": "acme", "who": "eve@laptop", "created": "2026-03-05 14:02:11",
              "operation": "apply", "lock_id": LOCK["id"]}  # fmt: skip
    error = {"code": "StateLocked", "params": params}
    run = make_run(stack, "errored", error=error, error_kind="refused")
    sign_in(client, "viewer")
    page = client.get(reverse("run", args=[run.public_id])).content.decode()
    assert "is locked by eve@laptop since 2026-03-05 14:02:11" in page
    assert "no host of this portal" in page
    assert "#lock" in page
