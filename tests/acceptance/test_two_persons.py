"""Four eyes and grants with real Terraform: what waits, and what goes by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments.models import Run
from deployments.runstatus import RunStatus
from deployments.services import approve_run, confirm_run, grant, queue_run, set_end
from tenants import actors
from tenants.models import AuditEntry, Stack
from tests.awsapi import make_cloud_region
from tests.cloudruns import do, install, make_stack
from tests.factories import make_user, with_four_eyes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.usefixtures("throw_away"),
]
S = RunStatus


def actor(user):
    return actors.from_user(type(user).objects.get(pk=user.pk), origin="portal")


@pytest.fixture
def stack(aws, worker):
    made = make_stack(make_cloud_region(aws))
    install(worker, made)
    with_four_eyes()
    return Stack.objects.get(pk=made.pk)


def test_a_destroy_waits_at_its_plan_and_goes_with_two(worker, stack):
    alice = make_user("alice", role="operator")
    erin = make_user("erin", role="approver")
    run = do(worker, queue_run(actor(alice), stack, "destroy", auto_apply=True))
    # Auto-apply is no way around.
    assert run.status == S.PLANNED
    asked = run.approvals.get()
    assert (asked.risks, asked.digest) == (["destroy"], run.plan.digest)
    approve_run(actor(erin), run, reason="agreed with the customer", digest=asked.digest)
    confirm_run(actor(alice), run, has_read=True, typed_name=None)
    run = do(worker, run)
    assert run.status == S.APPLIED, run.error_text


def test_a_service_account_takes_an_ephemeral_stack_down_alone(worker, stack):
    erin = make_user("erin", role="approver")
    robot = make_user("robot", role="operator", is_service=True)
    soon = timezone.now() + timedelta(days=1)
    otto = make_user("otto", role="operator")
    set_end(actor(otto), stack, purpose="a demonstration", kept_by=erin, expires_at=soon,
            reason="sales")  # fmt: skip
    run = do(worker, queue_run(actor(robot), stack, "destroy"))
    assert run.status == S.PLANNED and run.approvals.get().state == "asked"
    Run.objects.filter(pk=run.pk).update(status=S.CANCELED, ended_at=timezone.now())
    made = grant(actor(erin), stack=stack, accounts=[robot], may_create=False, may_destroy=True,
                 ends_at=soon, reason="nightly")  # fmt: skip
    run = do(worker, queue_run(actor(robot), stack, "destroy"))
    assert run.status == S.APPLIED, run.error_text
    for action in ("run.queue", "run.confirm"):
        entry = AuditEntry.objects.get(action=action, run_id=run.public_id)
        assert entry.after["grant"] == made.public_id
