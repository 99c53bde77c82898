"""Playbooks over real sshd: the way from a host that nobody knows to a tenant in service."""

import threading
from pathlib import Path

import pytest

from deployments.errors import HostKeyUnknown, HostsMissing
from deployments.models import Run
from deployments.runner.proctable import marked
from deployments.runstatus import RunStatus
from deployments.services import cancel_run, retry_run, review_stack
from deployments.worker import Worker
from tenants import hosts
from tenants.errors import HostKeyNotOffered, InputsRefused
from tenants.models import AuditEntry, Host, Stack
from tests import sshhosts
from tests.hosted import PASSWORD, Hosted, do, log_of, make_hosted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Return two machines that answer to SSH."""
    with sshhosts.two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


@pytest.fixture
def hosted(throw_away, machines, tmp_path) -> Hosted:
    """Return a tenant whose hosts nobody knows yet."""
    return make_hosted(tmp_path / "written", machines)


@pytest.fixture
def known(hosted, worker) -> Hosted:
    """Return a tenant whose hosts' keys are confirmed."""
    run = do(worker, hosted.queue("contact"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run))
    hosted.pin_all()
    return hosted


# -- first contact ----------------------------------------------------------------------------


def test_nothing_is_sent_to_a_host_that_nobody_knows(hosted, worker):
    with pytest.raises(HostKeyUnknown) as refused:
        hosted.queue("install")
    assert "app-one, voice-one" in str(refused.value)
    assert "First contact" in str(refused.value)
    assert not Run.objects.exists()


def test_a_first_contact_shows_the_keys_and_trusts_none(hosted, worker, machines):
    run = do(worker, hosted.queue("contact"))
    assert run.status == S.PLANNED_AND_FINISHED, log_of(run)
    host = hosted.host()
    assert host.offered_key and not host.is_pinned
    shown = sshhosts.fingerprint_of(machines["app-one"])
    assert host.offered_fingerprint == shown
    assert shown in log_of(run)
    assert [found["about"] for found in run.findings] == ["app-one", "voice-one"]


def test_a_key_is_confirmed_by_the_fingerprint_that_was_compared(hosted, worker):
    do(worker, hosted.queue("contact"))
    with pytest.raises(HostKeyNotOffered):
        hosts.pin_key(hosted.actor, hosted.host(), "SHA256:something-else")
    hosts.pin_key(hosted.actor, hosted.host(), hosted.host().offered_fingerprint)
    host = hosted.host()
    assert host.is_pinned and not host.offered_key
    entry = AuditEntry.objects.get(action="machine.pin")
    assert entry.after == {"host_key": host.fingerprint}


def test_a_host_that_does_not_answer_is_named(hosted, worker):
    Host.objects.filter(name="voice-one").update(port=1)
    run = do(worker, hosted.queue("contact"))
    assert (run.status, run.error["code"], run.error_kind) == (S.ERRORED, "HostMute", "step")
    assert "voice-one" in run.error_text and "app-one" not in run.error_text


def test_a_known_host_shows_nothing_new(known, worker):
    run = do(worker, known.queue("contact"))
    assert run.findings == []
    assert "shows its confirmed key" in log_of(run)


# -- install, change, check, uninstall --------------------------------------------------------


def test_install_does_the_playbook_and_a_second_run_changes_nothing(known, worker):
    run = do(worker, known.queue("install"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    statuses = list(run.events.order_by("id").values_list("to_status", flat=True))
    assert statuses == ["pending", "plan_queued", "configuring", "applied"]
    greeting = known.file("greeting").read_text()
    # Braces in a value are no template.
    assert greeting == "hello {{ nobody }} 1.0 acme lan=lan-app-one\n"
    assert known.file("password", "voice-one").read_text() == PASSWORD
    assert known.file("peer").read_text() == "lan-voice-one\n"
    stack = known.stack()
    assert stack.is_installed and stack.condition == "in_service"
    assert (stack.resource_count, stack.applied_inputs["stack_name"]) == (2, "acme")
    told = run.steps.get(kind="ansible.playbook").progress
    assert told["totals"] == {
        "ok": 0, "changed": 7, "failed": 0, "unreachable": 0, "skipped": 0, "ignored": 0,
    }  # fmt: skip
    assert {row["host"]: row["changed"] for row in told["hosts"]} == {"app-one": 4, "voice-one": 3}

    second = do(worker, known.queue("change"))
    assert second.status == S.APPLIED, log_of(second)
    told = second.steps.get(kind="ansible.playbook").progress
    assert (told["totals"]["changed"], told["totals"]["ok"]) == (0, 7)


def test_a_check_tells_what_differs_and_changes_nothing(known, worker):
    do(worker, known.queue("install"))
    run = do(worker, known.queue("check"))
    assert (run.status, run.drift_count) == (S.PLANNED_AND_FINISHED, 0), log_of(run)
    assert not known.stack().has_drift
    known.file("greeting").write_text("changed by hand\n")
    run = do(worker, known.queue("check"))
    assert run.status == S.PLANNED_AND_FINISHED, (run.error_text, log_of(run))
    assert run.drift_count == 1
    assert known.stack().condition == "drift"
    assert "-changed by hand" in log_of(run)
    assert known.file("greeting").read_text() == "changed by hand\n"
    do(worker, known.queue("change"))
    assert known.stack().condition == "in_service"


def test_uninstall_leaves_a_stack_that_is_not_installed(known, worker):
    do(worker, known.queue("install"))
    run = do(worker, known.queue("uninstall"))
    assert run.status == S.APPLIED, log_of(run)
    assert not known.file("greeting").exists()
    stack = known.stack()
    assert not stack.is_installed and stack.condition == "not_installed"
    assert stack.applied_inputs == {}


def test_a_required_input_is_asked_for(known):
    Stack.objects.filter(name="acme").update(desired_inputs={})
    with pytest.raises(InputsRefused):
        known.queue("install")


def test_a_group_without_a_host_is_named(known):
    hosts.remove_host(known.actor, known.host("voice-one"), "sold")
    with pytest.raises(HostsMissing) as refused:
        known.queue("install")
    assert "voice" in str(refused.value)


def test_parameters_reach_the_playbook_and_a_limit_its_hosts(known, worker):
    run = do(worker, known.queue("say", params={"words": "good {{ morning }}"}))
    assert run.status == S.APPLIED, log_of(run)
    assert "good {{ morning }}" in log_of(run)
    rows = run.steps.get(kind="ansible.playbook").progress["hosts"]
    assert [row["host"] for row in rows] == ["app-one"]


# -- secrets ----------------------------------------------------------------------------------


def test_secrets_are_neither_in_the_log_nor_left_on_the_worker(known, worker, places, machines):
    run = do(worker, known.queue("say", params={"words": "so"}))
    log = log_of(run)
    assert "it is ••••••••" in log
    for secret in (PASSWORD, machines["app-one"].key.splitlines()[1]):
        assert secret not in log
        assert secret not in str(run.steps.values_list("progress", flat=True))
    assert not (places / "workdirs" / run.public_id).exists()


def test_secrets_are_on_no_command_line_and_their_files_are_private(known, worker, wait_until):
    run = known.queue("wait")
    with working(worker, run):
        wait_until((known.place / "begun-app-one").exists, 60)
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in marked(run.public_id)]
        assert any(b"ansible-playbook" in line for line in lines)
        assert not any(PASSWORD.encode() in line for line in lines)
        place = Path(Run.objects.get(pk=run.pk).steps.latest("number").step_dir).parents[1] / "play"
        modes = {p.name: p.stat().st_mode & 0o777 for p in place.rglob("*") if p.is_file()}
        assert modes["secrets.yml"] == modes["inventory.json"] == 0o600
        assert place.stat().st_mode & 0o777 == 0o700
        cancel_run(known.actor, Run.objects.with_stack().get(pk=run.pk))
    assert marked(run.public_id) == []


# -- what goes wrong --------------------------------------------------------------------------


def test_an_unreachable_host_is_named(known, worker):
    Host.objects.filter(name="voice-one").update(port=1)
    run = do(worker, known.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "HostUnreachable"), log_of(run)
    assert run.error_kind == "step"
    assert "voice-one" in run.error_text
    # The other host was done.
    assert known.file("password").exists()
    assert known.stack().condition == "errored" and not known.stack().is_installed


def test_a_retry_may_leave_the_hosts_alone_that_are_done(known, worker, machines):
    right = known.host("voice-one").port
    Host.objects.filter(name="voice-one").update(port=1)
    run = do(worker, known.queue("install"))
    Host.objects.filter(name="voice-one").update(port=right)
    known.file("greeting").write_text("not touched again")
    again = do(worker, retry_run(known.actor, run, only_failed=True))
    assert again.status == S.APPLIED, (again.error_text, log_of(again))
    rows = again.steps.get(kind="ansible.playbook").progress["hosts"]
    assert [row["host"] for row in rows] == ["voice-one"]
    assert known.file("greeting").read_text() == "not touched again"
    assert known.file("password", "voice-one").read_text() == PASSWORD


def test_a_changed_host_key_stops_everything_to_that_host(known, worker, machines):
    machines["app-one"].change_host_key()
    run = do(worker, known.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "HostKeyChanged"), log_of(run)
    assert "First contact" in run.error_text
    assert not known.file("greeting").exists()
    contact = do(worker, known.queue("contact"))
    assert contact.findings[0]["code"] == "HostKeyOther" and contact.findings[0]["is_loud"]
    known.pin_all()
    assert do(worker, known.queue("install")).status == S.APPLIED


def test_a_wrong_ssh_key_is_told(known, worker, tmp_path):
    hosts.change_host(known.actor, known.host(), ssh_key=sshhosts.make_key(tmp_path / "other"))
    run = do(worker, known.queue("install"))
    assert run.error["code"] == "HostSignInRefused", log_of(run)


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("command", "PlaybookFailed", "Fail by a command"),
        ("disk", "HostDiskFull", "app-one"),
        ("loop", "PlaybookFailed", "Fail in a loop"),
        ("secret", "PlaybookFailed", "Fail with a secret"),
    ],
)
def test_a_failed_task_is_told_with_its_host(known, worker, how, code, words):
    run = do(worker, known.queue("fail", params={"how": how}))
    assert (run.status, run.error["code"]) == (S.ERRORED, code), log_of(run)
    assert "app-one" in run.error_text and words in run.error_text
    told = run.steps.get(kind="ansible.playbook").progress
    assert told["diagnostics"][0]["address"] == "app-one"
    assert PASSWORD not in str(told) + log_of(run) + run.error_text


def test_a_broken_playbook_is_told(known, worker):
    run = do(worker, known.queue("broken"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "PlaybookBroken"), log_of(run)
    assert "not-there.yml" in run.error_text


def test_a_host_without_ansible_says_so(known, worker, settings):
    settings.ANSIBLE_BIN = "/nowhere/ansible-playbook"
    run = do(worker, known.queue("install"))
    assert run.error["code"] == "AnsibleMissing"


# -- cancel, death ----------------------------------------------------------------------------


class working:
    """Let the worker do a run in a thread of its own meanwhile."""

    def __init__(self, worker, run: Run) -> None:
        self.thread = threading.Thread(target=worker.work, args=(run.public_id,), daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_error: object) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_a_cancel_in_the_middle_leaves_hosts_to_be_checked(known, worker, wait_until, settings):
    settings.LEASE_RENEW_S = 1
    do(worker, known.queue("install"))
    run = known.queue("wait")
    with working(worker, run):
        wait_until((known.place / "begun-app-one").exists, 60)
        cancel_run(known.actor, Run.objects.with_stack().get(pk=run.pk))
    run.refresh_from_db()
    assert run.status == S.CANCELED, (run.error_text, log_of(run))
    assert marked(run.public_id) == []
    stack = known.stack()
    assert stack.state_suspect and stack.suspect_reason["code"] == "HostsUnknown"
    assert stack.condition == "lost"
    do(worker, known.queue("check"))
    review_stack(known.actor, known.stack(), comment="looked")
    assert known.stack().condition == "in_service"


def test_a_limit_in_the_middle_leaves_hosts_to_be_checked_as_well(known, worker, settings):
    do(worker, known.queue("install"))
    settings.SILENCE_TIMEOUT_S = 4
    run = do(worker, known.queue("wait"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "WasSilent"), log_of(run)
    stack = known.stack()
    assert stack.state_suspect and stack.suspect_reason["code"] == "HostsUnknown"
    assert stack.suspect_reason["params"]["check"] == "Check"


def test_the_death_of_the_worker_in_the_middle_harms_nothing(known, worker, wait_until, settings):
    settings.LEASE_RENEW_S = 1
    run = known.queue("wait")
    with working(worker, run):
        wait_until((known.place / "begun-app-one").exists, 60)
        worker.stop.set()
    run.refresh_from_db()
    assert run.status == S.CONFIGURING
    assert any(b"ansible" in Path(f"/proc/{pid}/cmdline").read_bytes()
               for pid in marked(run.public_id))  # fmt: skip
    cancel_run(known.actor, Run.objects.with_stack().get(pk=run.pk))
    other = Worker()
    try:
        other.adopt(run.steps.latest("number"))
    finally:
        other.shut_down()
    run.refresh_from_db()
    assert run.status == S.CANCELED, (run.error_text, log_of(run))
    assert log_of(run).count("Task: Begin") == 1
    assert marked(run.public_id) == []
