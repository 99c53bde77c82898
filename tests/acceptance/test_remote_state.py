"""States in a bucket and in PostgreSQL: made, locked, lost, given back. No provider needed."""

import json

import pytest
from botocore.exceptions import ClientError
from django.conf import settings as django_settings
from django.db import connection

from deployments.cloud.errors import LockNotTyped, NotLocked
from deployments.errors import StackBusy
from deployments.models import StateVersion, WorkerHost
from deployments.runner.terraform import CommandLines
from deployments.runstatus import RunStatus
from deployments.services import confirm_run, discard_run, rollback_state, unlock_state
from deployments.services.states import current_version
from deployments.services.unlocking import holder_of
from omlsaas.lib.refusals import sentence
from tenants import actors, secrets, services
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Region, Stack
from tests.awsapi import running
from tests.cloudruns import (
    BUCKET,
    TEST,
    do,
    install,
    log_of,
    make_s3_region,
    make_stack,
    queue,
    state_key,
)
from tests.factories import make_region, make_user

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.usefixtures("throw_away"),
]
S = RunStatus
LOCK_ID = "6c3ef0b4-6d1e-2f3a-9c44-aaaaaaaaaaaa"


@pytest.fixture
def stack(aws) -> Stack:
    """Return a stack whose state is in a bucket."""
    return make_stack(make_s3_region(aws))


def again(stack: Stack) -> Stack:
    """Return the stack as the database has it."""
    return Stack.objects.get(pk=stack.pk)


def put_lock(aws, stack: Stack, who: str = "eve@laptop", created: str = "") -> None:
    """Leave a lock in the bucket, as a Terraform somewhere else does."""
    content = {
        "ID": LOCK_ID,
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.11.4",
        "Created": created or "2026-03-05T14:02:11.123456789Z",
        "Path": f"{BUCKET}/{state_key(stack)}",
    }
    key = f"{state_key(stack)}.tflock"
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content).encode())


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Do not wait a minute for a lock."""
    original = CommandLines.plan
    monkeypatch.setattr(
        CommandLines, "plan", lambda self, **more: original(self, **{**more, "lock_timeout_s": 0})
    )


def test_the_bucket_of_states_is_made_private_versioned_and_encrypted(worker, aws, stack):
    install(worker, stack)
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=BUCKET)
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert Region.objects.get(slug="ohio").backend_config == {"bucket": BUCKET}
    entry = AuditEntry.objects.filter(action="region.change").first()
    assert entry.after == {"backend_config": {"bucket": BUCKET}}
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=state_key(stack))["Body"].read())
    assert (again(stack).state_serial, again(stack).state_host_id) == (state["serial"], "")


def test_a_table_of_locks_is_made_where_it_is_asked_for(worker, aws):
    region = make_s3_region(aws, backend_config={"dynamodb_table": "tf-locks", "bucket": "own-x"})
    install(worker, make_stack(region))
    assert aws.client("dynamodb").describe_table(TableName="tf-locks")
    assert aws.client("s3").head_bucket(Bucket="own-x")


def test_a_bucket_of_another_account_is_told(worker, aws):
    aws.client("s3").create_bucket(
        Bucket="taken-already", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    region = make_s3_region(aws, backend_config={"bucket": "taken-already"})
    role = "arn:aws:iam::210987654321:role/portal"
    services.change_account(TEST, region.account, role_arn=role, account_number="210987654321")
    run = do(worker, queue(make_stack(region)))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused"), run.error_text
    assert "taken-already" in run.error_text
    assert "Choose another" in run.error_text


def test_wrong_credentials_are_told_with_the_way_out(worker):
    with running(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:
        run = do(worker, queue(make_stack(make_s3_region(strict), "wrong")))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "does not accept the credentials (InvalidClientTokenId)" in run.error_text


def test_an_account_without_a_key_refuses_before_anything_starts(worker, stack):
    services.change_account(TEST, stack.region.account, access_key_id="")
    run = do(worker, queue(stack))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "has no access key" in run.error_text


def test_an_api_out_of_reach_is_told_with_its_address(worker, aws, stack):
    services.change_region(TEST, stack.region, endpoint_url="http://127.0.0.1:9")
    run = do(worker, queue(stack))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "cannot be reached at http://127.0.0.1:9" in run.error_text


def test_a_strangers_lock_is_named_and_can_be_forced_open(worker, aws, stack, impatient):
    install(worker, stack)
    put_lock(aws, stack)
    run = do(worker, queue(stack, "plan"))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused"), log_of(run)
    assert "is locked by eve@laptop since 2026-03-05 14:02:11" in run.error_text
    stack = again(stack)
    assert (stack.state_lock["id"], stack.state_lock["who"]) == (LOCK_ID, "eve@laptop")
    assert "no host of this portal" in holder_of(stack).text

    with pytest.raises(LockNotTyped):
        unlock_state(TEST, stack, reason="she is on holiday", typed="yes")
    bob = actors.from_user(make_user("bob", role="operator"), origin="portal")
    with pytest.raises(NotAllowed):
        unlock_state(bob, stack, reason="me too", typed=LOCK_ID)
    unlock = do(worker, unlock_state(TEST, stack, reason="she is on holiday", typed=LOCK_ID))
    assert unlock.status == S.PLANNED_AND_FINISHED, (unlock.error_text, log_of(unlock))
    entry = AuditEntry.objects.get(action="state.unlock")
    assert (entry.reason, entry.before["who"]) == ("she is on holiday", "eve@laptop")
    assert again(stack).state_lock is None
    with pytest.raises(NotLocked):
        unlock_state(TEST, again(stack), reason="again", typed=stack.name)
    with pytest.raises(ClientError):
        aws.client("s3").head_object(Bucket=BUCKET, Key=f"{state_key(stack)}.tflock")
    assert do(worker, queue(stack, "plan")).status == S.PLANNED_AND_FINISHED


def test_a_lock_of_our_own_run_says_which_and_that_it_is_over(worker, aws, stack, impatient):
    from deployments import identity

    run = install(worker, stack)
    step = run.steps.get(kind="terraform.apply")
    WorkerHost.objects.create(host_id=identity.host_id(), name="host-a")
    put_lock(aws, stack, "omlsaas@host-a", step.started_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    do(worker, queue(stack, "plan"))
    holder = holder_of(again(stack))
    assert (holder.run, holder.is_dead) == (run, True)
    assert "our own run 1 on host host-a, which is over (applied)" in holder.text


def test_a_lock_is_not_forced_open_under_a_run_of_our_own(worker, stack):
    install(worker, stack)
    run = do(worker, queue(stack, "change", inputs={"note": "other"}))
    assert run.status == S.PLANNED
    Stack.objects.filter(pk=stack.pk).update(state_lock={"id": LOCK_ID, "who": "eve@laptop"})
    with pytest.raises(StackBusy, match="Confirm or discard"):
        unlock_state(TEST, again(stack), reason="x", typed="acme")
    discard_run(TEST, run)
    assert unlock_state(TEST, again(stack), reason="x", typed="acme").action == "unlock_state"


def test_a_plan_is_not_applied_on_a_state_that_somebody_changed(worker, aws, stack):
    install(worker, stack)
    run = do(worker, queue(stack, "change", inputs={"note": "other"}))
    key, s3 = state_key(stack), aws.client("s3")
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    state["serial"] += 5
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(state).encode())
    confirm_run(TEST, run)
    run = do(worker, run)
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "the state's serial was 1 at plan time and is 6 here" in run.error_text
    assert not run.steps.filter(kind="terraform.apply").exists()


def test_a_lost_state_is_not_planned_on_and_is_given_back(worker, aws, stack):
    install(worker, stack)
    aws.client("s3").delete_object(Bucket=BUCKET, Key=state_key(stack))
    run = do(worker, queue(stack, "change", inputs={"note": "other"}, auto_apply=True))
    assert (run.status, run.error_kind) == (S.ERRORED, "refused")
    assert "is lost: serial 1 with 1 resources was known" in run.error_text

    version = current_version(stack)
    back = rollback_state(TEST, version, reason="it is gone", seen_serial=version.serial)
    back = do(worker, back)
    assert back.status == S.PLANNED_AND_FINISHED, (back.error_text, log_of(back))
    assert (back.to_create, back.to_update) == (0, 1), "it knows its resource again"
    run = do(worker, queue(stack, "change", auto_apply=True))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))


def test_a_state_that_its_place_did_not_take_is_kept(worker, stack, settings, tmp_path):
    install(worker, stack)
    run = do(worker, queue(stack, "change", inputs={"note": "other"}))
    confirm_run(TEST, run)
    # Terraform leaves what it could not write beside the module, and ends with an error.
    wrapper = tmp_path / "terraform"
    wrapper.write_text(
        '#!/bin/sh\n[ "$1" = apply ] || exec terraform "$@"\nterraform "$@"\n'
        'terraform state pull | sed \'s/"serial": 2/"serial": 3/\' > errored.tfstate\nexit 1\n'
    )
    wrapper.chmod(0o755)
    settings.TERRAFORM_BIN = str(wrapper)
    run = do(worker, run)
    settings.TERRAFORM_BIN = "terraform"
    assert run.status == S.ERRORED
    found = again(stack)
    assert (found.state_suspect, current_version(found).serial) == (True, 3)
    assert "could not be written to its place" in sentence(found.suspect_reason)
    version = current_version(found)
    back = do(worker, rollback_state(TEST, version, reason="write it", seen_serial=3))
    assert back.status == S.PLANNED_AND_FINISHED, (back.error_text, log_of(back))
    assert (again(stack).state_serial, back.has_changes) == (4, False)


def test_a_state_in_postgresql_is_kept_locked_and_given_back(worker, places):
    address = connection.get_connection_params()
    conn_str = f"postgres://{address.get('user') or ''}@/{address['dbname']}?host={address['host']}"
    conn_str += "&sslmode=disable"
    region = make_region(slug="site")
    services.change_region(TEST, region, conn_str=conn_str)
    Region.objects.filter(pk=region.pk).update(state_backend="pg")
    region = Region.objects.get(pk=region.pk)
    assert secrets.own(region) == conn_str
    stack = make_stack(region)
    try:
        run = install(worker, stack)
        assert conn_str not in log_of(run)
        do(worker, queue(stack, "change", inputs={"note": "other"}, auto_apply=True))
        assert again(stack).state_serial == 2
        first = StateVersion.objects.filter(stack=stack).last()
        back = rollback_state(TEST, first, reason="back", seen_serial=2)
        back = do(worker, back)
        assert (back.status, back.to_update) == (S.PLANNED_AND_FINISHED, 1), log_of(back)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'drop schema if exists "{stack.public_id.lower()}" cascade')
    assert (
        django_settings.STATE_ROOT and not (django_settings.STATE_ROOT / stack.public_id).exists()
    )
