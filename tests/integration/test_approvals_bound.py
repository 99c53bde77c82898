"""What a second person's yes is bound to, and what happens at the same moment."""

import shutil
import threading

import pytest
from django.db import connection
from django.utils import timezone

from deployments.models import Approval, Plan, Run
from deployments.runstatus import RunStatus
from deployments.services import (
    admit_waiting,
    approve_run,
    cancel_run,
    discard_run,
    reject_run,
)
from deployments.services.approvalerrors import (
    ApprovalDiffers,
    ApprovalLapsed,
    NeedsSecondPerson,
    NothingToApprove,
)
from deployments.services.foureyes import digest_of, lapsed
from deployments.steps import playbooks
from deployments.work import Work
from tenants import blueprints
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Host, Membership, Stack
from tests.factories import make_user, with_four_eyes
from tests.integration.second_persons import (
    WHY,
    actor,
    asked,
    confirm,
    dangerous,
    forced_lock,
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


def test_hosts_changed_after_the_yes_are_not_acted_on(acme, alice, erin):
    host = Host.objects.create(stack=acme, name="app-1", role="app", address="192.0.2.7")
    run = forced_lock(acme, alice)
    shown = digest_of(run)
    Host.objects.create(stack=acme, name="app-2", role="app", address="192.0.2.8")
    with pytest.raises(ApprovalDiffers):
        approve_run(actor(erin), run, reason=WHY, digest=shown)
    Host.objects.filter(name="app-2").delete()
    approve_run(actor(erin), run, reason=WHY, digest=shown)
    admit_waiting(acme.region_id)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert lapsed(run) is None
    Host.objects.filter(pk=host.pk).update(host_key="ssh-ed25519 another")
    assert "hosts were changed" in str(lapsed(run))


# -- the files of the blueprint ----------------------------------------------------------------
@pytest.fixture
def blueprint_root(settings, tmp_path):
    """Return a copy of the blueprints that a test may change."""
    root = tmp_path / "blueprints"
    shutil.copytree(settings.BLUEPRINT_ROOT, root, ignore=shutil.ignore_patterns(".terraform"))
    settings.BLUEPRINT_ROOT = root
    return root


def test_files_changed_after_the_yes_are_not_played(blueprint_root, acme, alice, erin):
    run = forced_lock(acme, alice)
    approve_run(actor(erin), run, reason=WHY)
    admit_waiting(acme.region_id)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert lapsed(run) is None
    (blueprint_root / "lab" / "tenant" / "play.yml").write_text("- hosts: all\n")
    assert "files of the blueprint lab were changed" in str(lapsed(run))


def test_files_changed_before_the_yes_are_not_approved_and_can_be_rejected(
    blueprint_root, acme, alice, erin
):
    run = forced_lock(acme, alice)
    (blueprint_root / "lab" / "tenant" / "play.yml").write_text("- hosts: all\n")
    with pytest.raises(ApprovalLapsed):
        approve_run(actor(erin), run, reason=WHY)
    reject_run(actor(erin), run, reason="queue it again")
    run.refresh_from_db()
    assert run.status == S.CANCELED


def test_files_changed_after_it_was_taken_up_are_not_played_either(blueprint_root, acme, alice):
    work = Work(Run.objects.with_stack().get(pk=forced_lock(acme, alice).pk), "worker-1")
    file = blueprint_root / "lab" / "tenant" / "play.yml"
    file.write_text("- hosts: all\n")
    with pytest.raises(blueprints.BlueprintChanged):
        playbooks.fill_folder(work)
    file.unlink()
    playbooks.fill_folder(work)
    assert (work.folder.tf / "lab" / "blueprint.yaml").is_file()


def test_the_digest_covers_the_files(blueprint_root, acme, alice):
    run = forced_lock(acme, alice)
    before = digest_of(run)
    run.blueprint_digest = "0" * 64
    assert digest_of(run) != before


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
