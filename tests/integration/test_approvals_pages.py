"""The rule of second persons, and the pages where they decide."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from deployments.models import Approval, ApprovalPolicy, StandingGrant
from deployments.models.approvals import RISKS_BY_DEFAULT
from deployments.runstatus import RunStatus
from deployments.services import (
    approve_run,
    change_policy,
)
from deployments.services.foureyes import policy_in_force
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Membership, Stack
from tests.factories import give_role, make_user, with_four_eyes
from tests.integration.second_persons import (
    WHY,
    actor,
    asked,
    dangerous,
)

S = RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]


@pytest.fixture
def acme(lab):
    with_four_eyes()
    return lab.stack("acme")


@pytest.fixture
def alice(acme):
    return make_user("alice", role="admin", first_name="Alice")


@pytest.fixture
def erin(acme):
    return make_user("erin", role="approver", over=acme, first_name="Erin")


# -- the rule --------------------------------------------------------------------------------
def rule(user, **more):
    given = {"risks": list(RISKS_BY_DEFAULT), "exempt_accounts": [], "valid_minutes": 60}
    return change_policy(actor(user), reason="we are three", **(given | more))


def test_less_holds_later_and_more_at_once(acme, alice):
    narrow = rule(alice, risks=["destroy"])
    assert narrow.takes_effect_at > timezone.now()
    assert "data" in policy_in_force().risks
    entry = AuditEntry.objects.get(action="approval.policy")
    assert entry.created_at < narrow.takes_effect_at and entry.reason == "we are three"
    wide = rule(alice, risks=[*RISKS_BY_DEFAULT, "change"])
    assert wide.takes_effect_at <= timezone.now()
    # The newest wins, also once the older one's time has come.
    ApprovalPolicy.objects.filter(pk=narrow.pk).update(takes_effect_at=timezone.now())
    assert "change" in policy_in_force().risks


@pytest.mark.parametrize("more", [{"valid_minutes": 61}, {"exempt_accounts": True}])
def test_longer_and_elsewhere_are_less_as_well(acme, alice, more):
    if "exempt_accounts" in more:
        more = {"exempt_accounts": [acme.region.account.public_id]}
    assert rule(alice, **more).takes_effect_at > timezone.now()


def test_only_an_admin_of_everything_changes_the_rule(acme, erin):
    give_role(erin, "admin", acme.region)
    with pytest.raises(NotAllowed):
        rule(erin)


# -- pages -----------------------------------------------------------------------------------
def test_the_page_asks_lets_the_second_decide_and_the_first_go_on(acme, alice, erin, client):
    run = dangerous(acme, alice)
    address = reverse("run", args=[run.public_id])
    yes = {"has_read": "on", "plan_digest": run.plan.digest}
    client.force_login(alice)
    refused = client.post(reverse("run_confirm", args=[run.public_id]), yes).content.decode()
    assert "This needs a second person" in refused and "Erin may approve it" in refused
    client.force_login(erin)
    page = client.get(address).content.decode()
    assert "Needs a second person" in page and 'name="second_reason"' in page
    digest = Approval.objects.get().digest
    none = client.post(reverse("run_approve", args=[run.public_id]), {"digest": digest})
    assert "A reason is needed" in none.content.decode() or Approval.objects.get().state == "asked"
    given = {"digest": digest, "second_reason": WHY}
    assert client.post(reverse("run_approve", args=[run.public_id]), given).status_code == 302
    page = client.get(address).content.decode()
    assert "You approved it: somebody else confirms it." in page
    client.force_login(alice)
    assert client.post(reverse("run_confirm", args=[run.public_id]), yes).status_code == 302
    run.refresh_from_db()
    assert run.status == S.APPLY_QUEUED


def test_the_form_of_a_dangerous_action_says_so_before_the_click(acme, alice, client):
    Stack.objects.filter(pk=acme.pk).update(resource_count=3)
    client.force_login(alice)
    for action, is_said in (("destroy", True), ("change", False)):
        page = client.get(reverse("stack_action", args=[acme.public_id, action]))
        assert ("Somebody else has to approve it" in page.content.decode()) is is_said


def test_a_change_of_the_rule_that_comes_is_told_where_it_will_matter(acme, alice, client):
    run = dangerous(acme, alice)
    asked(alice, run)
    Stack.objects.filter(pk=acme.pk).update(resource_count=3)
    client.force_login(alice)
    pages = {
        reverse("run", args=[run.public_id]): "The rule is about to change.",
        reverse("stack_action", args=[acme.public_id, "destroy"]): "What needs somebody else",
    }
    for address, words in pages.items():
        assert words not in client.get(address).content.decode()
    rule(alice, risks=["destroy"])
    for address, words in pages.items():
        assert words in client.get(address).content.decode()
    harmless = reverse("stack_action", args=[acme.public_id, "change"])
    assert "What needs somebody else" not in client.get(harmless).content.decode()


def test_a_bare_post_is_no_way_around(acme, alice, client):
    run = dangerous(acme, alice)
    client.force_login(alice)
    client.post(
        reverse("run_confirm", args=[run.public_id]), {"has_read": "on"}, HTTP_HX_REQUEST="true"
    )
    run.refresh_from_db()
    assert run.status == S.PLANNED


def test_the_list_and_the_count_are_of_what_one_may_decide(acme, alice, erin, client):
    asked(alice, dangerous(acme, alice))
    for user, count in ((erin, 1), (alice, 0), (make_user("zed", role="operator"), 0)):
        client.force_login(user)
        page = client.get(reverse("approvals") + "?status=mine").content.decode()
        assert f'id="total">{count}<' in page
        assert ("waiting for you as the second person" in page) is bool(count)
    outsider = make_user("oscar", role="approver", over=acme.parent_environment)
    Membership.objects.filter(user=outsider).delete()
    client.force_login(outsider)
    assert 'id="total">0<' in client.get(reverse("approvals")).content.decode()


def test_the_list_exports_and_runs_no_formula(acme, alice, erin, client):
    run = dangerous(acme, alice)
    asked(alice, run)
    approve_run(actor(erin), run, reason="=HYPERLINK(1)")
    client.force_login(erin)
    text = client.get(reverse("approvals") + "?format=csv").content.decode()
    assert "'=HYPERLINK(1)" in text and AuditEntry.objects.filter(action="export").exists()
    assert not StandingGrant.objects.exists()


def test_reasons_are_escaped(acme, alice, erin, client):
    run = dangerous(acme, alice)
    asked(alice, run)
    approve_run(actor(erin), run, reason="<script>alert(1)</script>")
    client.force_login(erin)
    for address in (reverse("run", args=[run.public_id]), reverse("approvals")):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_the_list_asks_no_more_with_more_rows(acme, alice, erin, client):
    client.force_login(erin)

    def cost():
        client.get(reverse("approvals"))
        with CaptureQueriesContext(connection) as caught:
            assert client.get(reverse("approvals")).status_code == 200
        return len(caught)

    run = dangerous(acme, alice)
    asked(alice, run)
    few = cost()
    for number in range(12):
        Approval.objects.create(
            run=run, digest=f"{number}", state="void", asked_by_id="x", asked_by="x",
            decided_at=timezone.now() - timedelta(hours=number),
        )  # fmt: skip
    assert cost() <= few
