"""Operations beside Terraform: commands, backups, groups, buckets, handed-over secrets."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from deployments import execution, logstore
from deployments.errors import ParamsRefused
from deployments.models import Backup, Run, RunStep
from deployments.runstatus import RunStatus
from deployments.services import cancel_run, confirm_run
from deployments.steps import pieces_of
from deployments.worker import Worker
from tenants import secrets
from tenants.models import AuditEntry, Secret
from tests.operated import Agent, commands_sent, make_group, make_operated, members

pytestmark = pytest.mark.django_db(transaction=True)
S = RunStatus
BLUEPRINTS = Path(__file__).parents[1] / "blueprints"
NAME = "250101-235000-oml-backup"


@pytest.fixture
def operated(aws, places, settings):
    """Return tenants with machines and buckets at the local API."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    return make_operated(aws)


def do(worker, run: Run) -> Run:
    """Let the worker do all that it can."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def log_of(run: Run) -> str:
    """Return the stored log."""
    return logstore.read(run.pk, 0, 10_000_000).decode()


def statuses(run: Run) -> list[str]:
    """Return the statuses that the run went through."""
    return list(run.events.order_by("id").values_list("to_status", flat=True))


def backup_agent(operated, key: str = f"backups/app/{NAME}.tar.gz", content: bytes = b"data"):
    """Return an agent that puts the object that a backup should make."""
    return Agent(operated.aws, lambda _command: operated.put(key, content))


# -- backups ---------------------------------------------------------------------------------


def test_a_backup_is_done_when_its_object_is_there(operated, worker):
    operated.put("backups/app/240101-235000-oml-backup.tar.gz")
    with backup_agent(operated):
        run = do(worker, operated.queue("backup"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert statuses(run) == ["pending", "plan_queued", "configuring", "applied"]
    made = Backup.objects.get(run=run)
    assert (made.name, made.file, made.size) == (NAME, f"{NAME}.tar.gz", 4)
    assert "/opt/omlsaas/bin/backup" in log_of(run)
    assert f"backups/app/{NAME}.tar.gz" in log_of(run)


def test_the_word_of_the_machine_proves_nothing(operated, worker):
    # The command succeeds (the simulation's always do), but no object comes.
    operated.put("backups/app/240101-235000-oml-backup.tar.gz")
    run = do(worker, operated.queue("backup"))
    assert (run.status, run.error["code"], run.error_kind) == (S.ERRORED, "NoBackupSeen", "step")
    assert commands_sent(operated)
    assert not Backup.objects.exists()


def test_an_empty_object_is_no_backup(operated, worker):
    with backup_agent(operated, content=b""):
        run = do(worker, operated.queue("backup"))
    assert run.error["code"] == "NoBackupSeen"


def test_an_object_that_is_written_again_under_its_name_counts(operated, worker):
    operated.put(f"backups/app/{NAME}.tar.gz", b"old")
    with backup_agent(operated, content=b"newer"):
        run = do(worker, operated.queue("backup"))
    assert run.status == S.APPLIED, run.error_text
    assert Backup.objects.get().size == 5


def test_the_list_is_what_the_bucket_has(operated, worker):
    operated.put(f"backups/app/{NAME}.tar.gz", b"12345")
    operated.put("backups/app/250102-235000-oml-backup", b"123")
    operated.put("backups/app/empty.tar.gz", b"")
    operated.put("recordings/a.wav", b"sound")
    stale = Backup.objects.create(
        stack=operated.stack(), component="app", name="gone", key="backups/app/gone.tar.gz",
        size=1, taken_at=timezone.now(), seen_at=timezone.now(),
    )  # fmt: skip
    run = do(worker, operated.queue("list_backups"))
    assert run.status == S.APPLIED, run.error_text
    assert set(Backup.objects.values_list("name", "size")) == {
        (NAME, 5), ("250102-235000-oml-backup", 3),
    }  # fmt: skip
    assert not Backup.objects.filter(pk=stale.pk).exists()


# -- whose machine ---------------------------------------------------------------------------


def test_a_command_goes_to_the_machines_of_its_stack_alone(operated, worker):
    with backup_agent(operated):
        run = do(worker, operated.queue("backup"))
    # The simulation adds every machine to the targets of a command: the log says what we asked.
    assert f"Sent to {operated.machines['acme']}" in log_of(run)
    assert operated.machines["globex"] not in log_of(run)
    assert len(commands_sent(operated)) == 1


def test_a_machine_of_another_tenant_is_refused_by_id(operated, worker):
    run = operated.queue("backup")
    steps = run.steps_wanted
    steps[0]["params"] = {"instance": operated.machines["globex"], "commands": ["true"]}
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    run = do(worker, run)
    assert run.error["code"] == "InstanceNotOurs"
    assert not commands_sent(operated)


def test_a_machine_of_another_account_is_refused(operated, worker):
    account = operated.stack().region.account
    account.account_number = "999999999999"
    account.save()
    assert do(worker, operated.queue("backup")).error["code"] == "InstanceNotOurs"
    assert not commands_sent(operated)


def test_no_machine_is_said(operated, worker):
    operated.aws.client("ec2").terminate_instances(InstanceIds=[operated.machines["acme"]])
    run = do(worker, operated.queue("backup"))
    assert run.error["code"] == "NoInstance"
    assert "app" in run.error_text


def test_a_bucket_that_is_no_output_of_the_stack_is_refused(operated, worker):
    run = operated.queue("list_backups")
    steps = run.steps_wanted
    steps[0]["params"]["bucket"] = "data-globex"
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    assert do(worker, run).error["code"] == "BucketNotOurs"


# -- parameters of a run ---------------------------------------------------------------------


def seen(operated, name: str = NAME, hours: float = 1) -> Backup:
    """Make a backup that was seen."""
    return Backup.objects.create(
        stack=operated.stack(), component="app", name=name, key=f"backups/app/{name}.tar.gz",
        size=10, taken_at=timezone.now() - timedelta(hours=hours), seen_at=timezone.now(),
    )  # fmt: skip


@pytest.mark.parametrize("written", [NAME, f"{NAME}.tar.gz", f"backups/app/{NAME}.tar.gz"])
def test_a_backup_is_chosen_with_or_without_its_ending(operated, worker, written):
    seen(operated)
    run = do(worker, operated.queue("restore", params={"backup": written}))
    assert run.status == S.APPLIED, run.error_text
    assert run.params == {"backup": f"{NAME}.tar.gz"}
    assert f"/opt/omlsaas/bin/restore {NAME}.tar.gz" in log_of(run)
    entry = AuditEntry.objects.get(action="run.queue")
    assert entry.after["params"] == run.params


@pytest.mark.parametrize(
    ("params", "name"),
    [({}, "backup"), ({"backup": "other"}, "backup"), ({"backup": NAME, "x": "1"}, "x")],
)
def test_wrong_parameters_are_refused_by_name(operated, params, name):
    seen(operated)
    with pytest.raises(ParamsRefused) as refused:
        operated.queue("restore", params=params)
    assert list(refused.value.problems) == [name]
    assert not Run.objects.exists()


def test_a_look_up_in_a_command_is_quoted(operated, worker):
    seen(operated)
    run = operated.queue("restore", params={"backup": NAME, "note": "x; rm -rf / #"})
    steps = run.steps_wanted
    steps[0]["params"]["commands"] = ["echo {{ params.note }}"]
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps)
    do(worker, run)
    assert commands_sent(operated)[0]["Parameters"]["commands"] == ["echo 'x; rm -rf / #'"]


# -- groups ----------------------------------------------------------------------------------


def test_every_machine_of_a_group_is_replaced(operated, worker):
    old = make_group(operated)
    run = do(worker, operated.queue("replace"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    now = members(operated)
    assert len(now) == 2
    assert not set(now) & set(old)
    assert "there is no “dialer_group”" in log_of(run)


def test_a_group_with_another_tenants_machines_is_not_touched(operated, worker):
    old = make_group(operated, owner="globex")
    run = do(worker, operated.queue("replace"))
    assert run.error["code"] == "InstanceNotOurs"
    assert members(operated) == old


def targets(operated, *groups: str) -> str:
    """Make a target group of a balancer that the machines of these groups join; return its ARN."""
    vpc = operated.aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = operated.aws.client("elbv2").create_target_group(
        Name="app-acme", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance"
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    for group in groups:
        operated.aws.client("autoscaling").attach_load_balancer_target_groups(
            AutoScalingGroupName=group, TargetGroupARNs=[arn]
        )
    return arn


def replace_behind(operated, worker, arn: str) -> Run:
    """Replace the machines of the group and wait for the balancer's word."""
    run = operated.queue("replace")
    steps = run.steps_wanted
    steps[0]["params"] |= {"wait_target_group": arn, "timeout_s": 3}
    Run.objects.filter(pk=run.pk).update(steps_wanted=steps[:1])
    return do(worker, run)


def test_a_replacement_waits_until_the_balancer_finds_each_machine_healthy(operated, worker):
    old = make_group(operated)
    arn = targets(operated, "app-acme")
    run = replace_behind(operated, worker, arn)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    told = operated.aws.client("elbv2").describe_target_health(TargetGroupArn=arn)
    behind = {one["Target"]["Id"] for one in told["TargetHealthDescriptions"]}
    assert behind >= set(members(operated))
    assert not set(members(operated)) & set(old)


def test_machines_that_the_balancer_does_not_find_healthy_end_the_replacement(operated, worker):
    old = make_group(operated)
    run = replace_behind(operated, worker, targets(operated))
    assert (run.status, run.error["code"]) == (S.ERRORED, "NotReplaced")
    assert "0 of 2 machines pass the balancer's check" in run.error_text
    assert len(set(members(operated)) & set(old)) == 1, "the second one was not touched"


def test_a_group_that_is_not_there_is_said(operated, worker):
    assert do(worker, operated.queue("replace")).error["code"] == "GroupMissing"


# -- buckets ---------------------------------------------------------------------------------


def fill(operated, count: int = 3) -> None:
    """Put objects, each in two versions, and one delete marker."""
    for number in range(count):
        for content in (b"first", b"second!"):
            operated.put(f"recordings/{number}", content)
    operated.aws.client("s3").delete_object(Bucket="data-acme", Key="recordings/0")


def left(operated) -> int:
    found = operated.aws.client("s3").list_object_versions(Bucket="data-acme")
    return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


def test_emptying_shows_what_goes_and_waits_for_a_yes(operated, worker):
    fill(operated)
    run = do(worker, operated.queue("empty"))
    assert (run.status, run.asks_name) == (S.PLANNED, True)
    found = run.findings[0]["params"]
    assert (found["objects"], found["versions"], found["markers"], found["bytes"]) == (2, 6, 1, 36)
    assert left(operated) == 7
    confirm_run(operated.actor, run, plan_digest=run.plan.digest, typed_name="acme")
    run = do(worker, run)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert left(operated) == 0
    assert "7 versions deleted" in log_of(run)
    expected = ["pending", "plan_queued", "planning", "planned", "apply_queued", "configuring"]
    assert statuses(run) == [*expected, "applied"]


def test_emptying_never_goes_on_by_itself(operated, worker):
    fill(operated)
    run = operated.queue("empty")
    Run.objects.filter(pk=run.pk).update(is_auto_apply=True)
    run = do(worker, run)
    assert run.status == S.PLANNED
    assert "data-acme" in run.events.get(to_status=S.PLANNED).detail_text
    assert left(operated) == 7


def test_an_empty_bucket_needs_no_yes(operated, worker):
    run = do(worker, operated.queue("empty"))
    assert run.status == S.APPLIED, run.error_text


def test_a_locked_bucket_is_not_emptied(operated, worker):
    s3 = operated.aws.client("s3")
    s3.delete_bucket(Bucket="data-acme")
    s3.create_bucket(
        Bucket="data-acme", ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "us-east-2"},
    )  # fmt: skip
    operated.put("evidence")
    run = do(worker, operated.queue("empty"))
    assert (run.status, run.error["code"], run.error_kind) == (S.ERRORED, "BucketLocked", "refused")
    assert left(operated) == 1


def test_a_legal_hold_on_a_run_keeps_the_bucket(operated, worker):
    fill(operated)
    held = do(worker, operated.queue("list_backups"))
    Run.objects.filter(pk=held.pk).update(has_legal_hold=True)
    run = do(worker, operated.queue("empty"))
    assert run.error["code"] == "BucketLocked"
    assert left(operated) == 7


# -- secrets ---------------------------------------------------------------------------------


def test_a_new_password_is_handed_over_and_taken_away(operated, worker):
    handed: list[dict] = []

    def take(_command):
        name = "/omlsaas/acme/handover/admin"
        found = operated.aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
        handed.append(found["Parameter"])
        operated.put("taken/admin")

    with Agent(operated.aws, take):
        run = do(worker, operated.queue("reset_password"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert operated.parameters() == []
    secret = Secret.objects.get(stack=operated.stack(), kind="handed")
    assert secret.name == f"run-{run.number}.admin_password"
    value = secrets.reveal(secret, operated.stack())
    assert [(one["Type"], one["Value"]) for one in handed] == [("SecureString", value)]
    assert len(value) == 20
    assert value not in log_of(run)
    assert all(value not in str(one) for one in commands_sent(operated))


def test_a_password_that_nobody_took_over_is_forgotten(operated, worker):
    operated.aws.client("ec2").terminate_instances(InstanceIds=[operated.machines["acme"]])
    run = do(worker, operated.queue("reset_password"))
    assert run.error["code"] == "NoInstance"
    assert operated.parameters() == []
    assert not Secret.objects.filter(kind="handed").exists()


# -- cancel, worker's end --------------------------------------------------------------------


def waiting(run: Run) -> bool:
    """Tell whether the run waits for an object, its order lent."""
    return run.steps.filter(kind="s3.await_object", ended_at__isnull=True).exists()


def test_a_cancel_in_a_call_takes_the_order_away(operated, worker, wait_until):
    run = operated.queue("wait")
    thread = threading.Thread(target=worker.work, args=(run.public_id,))
    thread.start()
    wait_until(lambda: waiting(run), what="the waiting step")
    assert operated.parameters() == ["/omlsaas/acme/boot/app"]
    cancel_run(operated.actor, run)
    thread.join(20)
    run.refresh_from_db()
    assert run.status == S.CANCELED
    assert operated.parameters() == []


def test_another_worker_goes_on_with_a_call(operated, worker, wait_until):
    run = operated.queue("wait")
    thread = threading.Thread(target=worker.work, args=(run.public_id,))
    thread.start()
    wait_until(lambda: waiting(run), what="the waiting step")
    worker.stop.set()
    thread.join(10)
    run.refresh_from_db()
    assert run.status == S.CONFIGURING
    second = Worker()
    second._adopt(run.steps.get(ended_at__isnull=True))
    operated.put(f"backups/app/{NAME}.tar.gz")
    wait_until(lambda: Run.objects.get(pk=run.pk).is_ended, what="the end")
    second.shut_down()
    run.refresh_from_db()
    assert run.status == S.APPLIED, run.error_text
    assert operated.parameters() == []


def test_a_command_is_not_sent_twice_when_a_worker_died(operated, worker):
    run = operated.queue("backup")
    ssm = operated.aws.client("ssm")
    # The worker before this one sent it, and died before it could write that down.
    ssm.send_command(
        InstanceIds=[operated.machines["acme"]], DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["true"]}, Comment=f"{run.public_id} step 2",
    )  # fmt: skip
    work = execution.claim(run.public_id, worker.identity.id)
    pieces = pieces_of(run.steps_wanted)
    execution.do_piece(work, pieces, pieces["configure"][0])
    with backup_agent(operated):
        RunStep.objects.filter(pk=work.step.pk).update(epoch=2)
        work.step.refresh_from_db()
        execution.drive(work)
    assert len(commands_sent(operated)) == 1
    assert Run.objects.get(pk=run.pk).status == S.APPLIED


@pytest.mark.parametrize(("text", "code"), [(f"backup={NAME}", 0), ("backup=no", 2), ("backup", 2)])
def test_the_command_takes_parameters(operated, text, code, capsys):
    seen(operated)
    with pytest.raises(SystemExit) as ended:
        call_command("run_action", "acme", "restore", "--param", text)
    assert ended.value.code == code
    assert Run.objects.count() == (code == 0)
