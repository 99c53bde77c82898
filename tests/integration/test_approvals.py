"""Two persons: what needs the second one, who that may be, what a yes is bound to, races."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from deployments.errors import ReasonMissing
from deployments.models import Approval, ApprovalPolicy, Plan, Run, StandingGrant
from deployments.models.approvals import RISKS_BY_DEFAULT
from deployments.runstatus import RunStatus
from deployments.services import (
    admit_waiting,
    approve_run,
    cancel_run,
    change_policy,
    confirm_run,
    discard_run,
    queue_run,
    reject_run,
    rollback_state,
    unlock_state,
)
from deployments.services.approvalerrors import (
    ApprovalDiffers,
    ApproverConfirms,
    NeedsSecondPerson,
    NotAPerson,
    NothingToApprove,
    OwnApproval,
)
from deployments.services.foureyes import lapsed, policy_in_force
from tenants import actors
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Membership, Stack
from tests.factories import give_role, make_user, with_four_eyes
from tests.integration.access_table import keep_state
from tests.integration.test_run_page import CREATE, REPLACE, change, planned

S = RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
WHY = "looked at it with the customer"
DESTROY = change("module.database.terraform_data.this", ["delete"], {"disk": 40})


def actor(user):
    """Return a fresh actor, as each request makes one."""
    return actors.from_user(type(user).objects.get(pk=user.pk), origin="portal")


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


def by(user):
    return {"actor_id": user.public_id, "actor_name": user.display_name}


def dangerous(acme, user, **more):
    """Return a run of this person that replaces what holds data, waiting for a yes."""
    return planned(acme, (REPLACE, CREATE), **by(user), **more)


def confirm(user, run, **more):
    return confirm_run(actor(user), run, has_read=True, typed_name=None, **more)


def asked(user, run):
    """Let the author confirm, so that somebody is asked."""
    with pytest.raises(NeedsSecondPerson):
        confirm(user, run)
    return Approval.objects.get(run=run, state="asked")


# -- what needs one --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "fields", "risks"),
    [
        ((CREATE,), {}, None),
        ((REPLACE,), {}, ["data"]),
        ((change("module.app.terraform_data.this", ["delete"], {"a": 1}),), {}, None),
        ((DESTROY,), {"is_destroy": True, "action_kind": "destroy"}, ["destroy", "data"]),
        ((CREATE,), {"action_kind": "restore"}, ["restore"]),
        ((CREATE,), {"action_kind": "restore", "point": {"id": "x"}}, ["rollback"]),
    ],
)
def test_only_what_is_dangerous_needs_a_second_person(acme, alice, changes, fields, risks):
    run = planned(acme, changes, **by(alice), **fields)
    if risks is None:
        assert confirm(alice, run).status == S.APPLY_QUEUED
        assert not Approval.objects.exists()
    else:
        assert asked(alice, run).risks == risks
        assert Run.objects.get(pk=run.pk).status == S.PLANNED


def test_the_rule_is_strict_where_nobody_ever_set_one(db):
    assert not ApprovalPolicy.objects.exists()
    assert policy_in_force().risks == [str(risk) for risk in RISKS_BY_DEFAULT]
    assert policy_in_force().exempt_accounts == []


def test_an_account_for_trying_out_is_left_out(acme, alice):
    with_four_eyes(exempt_accounts=[acme.region.account.public_id])
    assert confirm(alice, dangerous(acme, alice)).status == S.APPLY_QUEUED


def test_a_wider_rule_reaches_a_plan_that_was_made_before(acme, alice):
    run = planned(acme, (CREATE,), **by(alice))
    with_four_eyes("change")
    assert asked(alice, run).risks == ["change"]


def test_each_way_to_a_dangerous_run_waits(acme, alice):
    """Rolling back and forcing a lock have no plan: they are not admitted before the yes."""
    Stack.objects.filter(pk=acme.pk).update(state_lock={"id": "lock-1", "who": "eve@laptop"})
    forced = unlock_state(actor(alice), acme, reason="dead", typed="acme")
    keep_state(acme, 1, ("a", "b"))
    keep_state(acme, 2, ("a",))
    version = acme.state_versions.get(serial=1)
    back = rollback_state(actor(alice), version, reason="wrong", seen_serial=2)
    for run, risk in ((forced, "force_unlock"), (back, "rollback")):
        run.refresh_from_db()
        assert (run.status, run.waiting["code"]) == (S.PENDING, "NeedsSecondPerson")
        assert run.approvals.get().risks == [risk]
    assert admit_waiting(acme.region_id) == 0
    # Who waits for a person keeps nobody else waiting.
    plan = queue_run(actor(alice), acme, "plan")
    assert plan.status == S.PLAN_QUEUED


def test_the_system_is_no_way_around(acme):
    cron = actors.system("cron")
    run = dangerous(acme, make_user("zoe", role="operator"))
    with pytest.raises(NeedsSecondPerson):
        confirm_run(cron, run, has_read=True, typed_name=None)
    with pytest.raises(NotAPerson):
        approve_run(cron, run, reason=WHY)


# -- who it may be ---------------------------------------------------------------------------
def test_a_second_person_agrees_and_the_first_confirms(acme, alice, erin):
    run = dangerous(acme, alice)
    request = asked(alice, run)
    given = approve_run(actor(erin), run, reason=WHY, digest=request.digest)
    assert given.expires_at > timezone.now()
    assert confirm(alice, run).status == S.APPLY_QUEUED
    entry = AuditEntry.objects.get(action="run.confirm")
    assert (entry.after["approved_by"], entry.after["approval"]) == ("Erin", given.public_id)
    assert AuditEntry.objects.get(action="approval.approve").reason == WHY


def test_nobody_is_their_own_second_person(acme, erin):
    run = dangerous(acme, erin)
    asked(erin, run)
    with pytest.raises(OwnApproval):
        approve_run(actor(erin), run, reason=WHY)
    # In another session it is the same person.
    with pytest.raises(OwnApproval):
        approve_run(actors.from_user(erin, origin="another"), run, reason=WHY)


def test_the_database_forbids_it_too(acme, erin):
    run = dangerous(acme, erin)
    row = asked(erin, run)
    with pytest.raises(IntegrityError, match="approval_two_persons"), transaction.atomic():
        Approval.objects.filter(pk=row.pk).update(
            state="approved", decided_by_id=erin.public_id, decided_at=timezone.now(),
            reason="x", expires_at=timezone.now(),
        )  # fmt: skip


def test_who_approved_does_not_confirm_as_well(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    approve_run(actor(erin), run, reason=WHY)
    with pytest.raises(ApproverConfirms):
        confirm(erin, run)
    assert Run.objects.get(pk=run.pk).status == S.PLANNED


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_a_lesser_role_approves_nothing(acme, alice, role):
    run = dangerous(acme, alice)
    asked(alice, run)
    with pytest.raises(NotAllowed):
        approve_run(actor(make_user("bob", role=role)), run, reason=WHY)


def test_a_service_account_approves_nothing(acme, alice):
    run = dangerous(acme, alice)
    asked(alice, run)
    robot = make_user("robot", role="admin", is_service=True)
    for service in (approve_run, reject_run):
        with pytest.raises(NotAPerson):
            service(actor(robot), run, reason=WHY)


def test_a_reason_is_asked_for(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    with pytest.raises(ReasonMissing):
        approve_run(actor(erin), run, reason="  ")


# -- what it is bound to ---------------------------------------------------------------------
def test_a_yes_runs_out(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    given = approve_run(actor(erin), run, reason=WHY)
    Approval.objects.filter(pk=given.pk).update(expires_at=timezone.now())
    assert asked(alice, run).pk != given.pk


def test_a_yes_is_for_this_plan_alone(acme, alice, erin):
    run = dangerous(acme, alice)
    first = asked(alice, run)
    Plan.objects.filter(run=run).update(digest="cd" * 32)
    with pytest.raises(ApprovalDiffers):
        approve_run(actor(erin), run, reason=WHY, digest=first.digest)
    second = asked(alice, run)
    first.refresh_from_db()
    assert (first.state, second.digest) == ("void", "cd" * 32)
    with pytest.raises(ApprovalDiffers):
        approve_run(actor(erin), run, reason=WHY, digest=first.digest)
    approve_run(actor(erin), run, reason=WHY, digest=second.digest)
    Plan.objects.filter(run=run).update(digest="ef" * 32)
    asked(alice, run)


def test_an_approver_who_lost_the_role_has_not_agreed(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    approve_run(actor(erin), run, reason=WHY)
    Membership.objects.filter(user=erin).delete()
    asked(alice, run)


def test_a_role_that_was_taken_meanwhile_does_not_approve(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    before = actor(erin)
    assert before.role == "approver"  # its roles are read, and kept for the request
    Membership.objects.filter(user=erin).delete()
    with pytest.raises(NotAllowed):
        approve_run(before, run, reason=WHY)


def test_what_is_over_is_not_approved(acme, alice, erin):
    run = dangerous(acme, alice)
    row = asked(alice, run)
    discard_run(actor(alice), run)
    with pytest.raises(NothingToApprove):
        approve_run(actor(erin), run, reason=WHY)
    row.refresh_from_db()
    assert row.state == "void"


def test_an_expired_plan_is_not_approved(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    Run.objects.filter(pk=run.pk).update(plan_expires_at=timezone.now())
    with pytest.raises(NothingToApprove):
        approve_run(actor(erin), run, reason=WHY)


def test_a_no_discards_the_plan_with_its_reason(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    reject_run(actor(erin), run, reason="not on a Friday")
    run.refresh_from_db()
    assert run.status == S.DISCARDED and "not on a Friday" in run.error_text
    assert AuditEntry.objects.filter(action="approval.reject", run_id=run.public_id).exists()


def forced_lock(acme, user):
    Stack.objects.filter(pk=acme.pk).update(state_lock={"id": "lock-1", "who": "eve@laptop"})
    return unlock_state(actor(user), acme, reason="dead", typed="acme")


def test_without_a_plan_the_yes_admits_and_the_no_ends(acme, alice, erin):
    run = forced_lock(acme, alice)
    approve_run(actor(erin), run, reason=WHY)
    assert admit_waiting(acme.region_id) == 1
    run.refresh_from_db()
    assert run.status == S.PLAN_QUEUED and lapsed(run) is None
    cancel_run(actor(alice), run)
    again = forced_lock(acme, alice)
    reject_run(actor(erin), again, reason="no")
    again.refresh_from_db()
    assert again.status == S.CANCELED and "rejected" in again.error_text


def test_what_changes_after_the_yes_is_not_done(acme, alice, erin):
    run = forced_lock(acme, alice)
    approve_run(actor(erin), run, reason=WHY)
    admit_waiting(acme.region_id)
    Stack.objects.filter(pk=acme.pk).update(desired_inputs={"delay_ms": 7})
    assert "inputs" in str(lapsed(Run.objects.with_stack().get(pk=run.pk)))


@pytest.mark.django_db(transaction=True)
def test_a_worker_refuses_what_lapsed(worker, acme, alice, erin):
    run = forced_lock(acme, alice)
    approve_run(actor(erin), run, reason=WHY)
    admit_waiting(acme.region_id)
    Approval.objects.update(expires_at=timezone.now())
    worker.work(run.public_id)
    run.refresh_from_db()
    assert (run.status, run.error["code"]) == (S.ERRORED, "ApprovalLapsed")


# -- races -----------------------------------------------------------------------------------
def together(*acts):
    """Do these at once; return what each gave: None, or the exception."""
    barrier, found = threading.Barrier(len(acts)), [None] * len(acts)

    def act(number, do):
        barrier.wait()
        try:
            do()
        except Exception as error:
            found[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.django_db(transaction=True)
def test_of_two_approvers_at_once_one_decides(acme, alice, erin):
    frank = make_user("frank", role="approver", over=acme)
    run = dangerous(acme, alice)
    asked(alice, run)
    found = together(
        lambda: approve_run(actor(erin), run, reason=WHY),
        lambda: reject_run(actor(frank), run, reason="no"),
    )
    assert sorted(type(error).__name__ for error in found) == ["NoneType", "NothingToApprove"]
    row = Approval.objects.get(run=run)
    expected = (S.PLANNED, "approved") if found[0] is None else (S.DISCARDED, "rejected")
    assert (Run.objects.get(pk=run.pk).status, row.state) == expected


@pytest.mark.django_db(transaction=True)
def test_a_yes_and_a_discard_at_once_leave_no_yes_over_a_dead_plan(acme, alice, erin):
    run = dangerous(acme, alice)
    asked(alice, run)
    found = together(
        lambda: approve_run(actor(erin), run, reason=WHY),
        lambda: discard_run(actor(alice), run),
    )
    assert found[1] is None
    assert found[0] is None or isinstance(found[0], NothingToApprove)
    assert not Approval.objects.filter(run=run, state="asked").exists()


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_at_once_ask_once(acme, alice):
    run = dangerous(acme, alice)
    found = together(*[lambda: confirm(alice, run)] * 3)
    assert {type(error) for error in found} == {NeedsSecondPerson}
    assert Approval.objects.filter(run=run).count() == 1


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
