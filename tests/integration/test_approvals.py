"""Two persons: what needs the second one, and who that may be."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from deployments.errors import ReasonMissing
from deployments.models import Approval, ApprovalPolicy, Happening, Run
from deployments.models.approvals import RISKS_BY_DEFAULT
from deployments.runstatus import RunStatus
from deployments.services import (
    admit_waiting,
    approve_run,
    confirm_run,
    queue_run,
    reject_run,
    rollback_state,
    unlock_state,
)
from deployments.services.approvalerrors import (
    ApproverConfirms,
    NeedsSecondPerson,
    NotAPerson,
    OwnApproval,
)
from deployments.services.foureyes import policy_in_force
from tenants import actors
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Stack
from tests.factories import make_user, with_four_eyes
from tests.integration.access_table import keep_state
from tests.integration.second_persons import (
    WHY,
    actor,
    asked,
    by,
    confirm,
    dangerous,
)
from tests.integration.test_run_page import CREATE, REPLACE, change, planned

S = RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
DESTROY = change("module.database.terraform_data.this", ["delete"], {"disk": 40})


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
    # Who listens hears of both, as of any run that is queued.
    told = Happening.objects.filter(kind="run.pending").order_by("id")
    assert [(row.run_id, row.facts["by_id"]) for row in told] == [
        (forced.pk, alice.public_id), (back.pk, alice.public_id)
    ]  # fmt: skip
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
