"""Terraform makes hosts and Ansible configures them, in one run; real sshd stand for the hosts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import HostKeyUnknown, InstalledAlready, SupervisorGone
from deployments.models import Run
from deployments.runner.process import kill_marked
from deployments.runner.proctable import marked
from deployments.runstatus import RunStatus
from deployments.services import cancel_run, queue_run, retry_run, review_stack
from deployments.services.fleet import lose_run
from deployments.worker import Worker
from tenants import actors, hosts, services
from tenants.errors import HostMadeWithStack, HostsNotMade, InputsMoved
from tenants.models import AuditEntry, Host, Stack
from tests import sshhosts
from tests.acceptance.test_hosts import machines, working  # noqa: F401  (one is a fixture)
from tests.factories import make_region
from tests.hosted import do, log_of
from tests.sshhosts import Sshd

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus


@dataclass
class Both:
    """The tenant acme, whose hosts its own infrastructure makes."""

    place: Path
    machines: dict[str, Sshd]
    actor: actors.Actor

    def stack(self) -> Stack:
        return Stack.objects.select_related("region__account").get(name="acme")

    def told(self, name: str, **more: Any) -> dict[str, Any]:
        """Return what Terraform is told of a machine; its key is known before any contact."""
        machine = self.machines[name]
        key = (machine.folder / "host_key.pub").read_text()
        return {"role": name.partition("-")[0], "address": "127.0.0.1", "port": machine.port,
                "python": "/usr/bin/python3", "host_key": key, **more}  # fmt: skip

    def give(self, **values: Any) -> None:
        stack = self.stack()
        stack.desired_inputs = {**stack.desired_inputs, **values}
        stack.save(update_fields=["desired_inputs"])

    def queue(self, action: str, **more: Any) -> Run:
        return queue_run(self.actor, self.stack(), action, typed_name="acme", **more)

    def greeting(self, host: str = "app-one") -> Path:
        return self.place / host / "greeting"


@pytest.fixture
def both(throw_away, machines, answering, tmp_path) -> Both:  # noqa: F811
    """Return the tenant with nothing installed; its plans are confirmed by themselves."""
    actor = actors.system("test")
    place = tmp_path / "written"
    place.mkdir()
    region = make_region(slug="site", probe=answering)
    tenant = services.create_tenant(actor, name="acme", region=region, blueprint="both")
    # The machines stand for both hosts, so one key opens them.
    key = machines["app-one"].key
    opens = (machines["app-one"].folder / "authorized_keys").read_text()
    (machines["voice-one"].folder / "authorized_keys").write_text(opens)
    services.set_secret(actor, tenant.stack, "ssh_private_key", key)
    Stack.objects.filter(pk=tenant.stack.pk).update(is_auto_apply=True, is_auto_destroy=True)
    made = Both(place, machines, actor)
    told = {name: made.told(name) for name in machines}
    made.give(place=str(place), machines=told)
    return made


def progress_of_probe(run: Run) -> list[dict[str, str]]:
    """Return the stages of the readiness probe."""
    return run.steps.get(kind="probe.http").progress["stages"]


def statuses(run: Run) -> list[str]:
    return list(run.events.order_by("id").values_list("to_status", flat=True))


def test_one_run_makes_the_hosts_and_configures_them(both, worker):
    with pytest.raises(HostsNotMade):
        both.queue("check")
    run = do(worker, both.queue("install"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert statuses(run)[-4:] == ["applying", "configuring", "verifying", "applied"]
    # Without a name the application's host is asked; there is nothing to check a certificate by.
    stages = [(one["name"], one["answer"]) for one in progress_of_probe(run)]
    assert stages[0] == ("name 127.0.0.1", "127.0.0.1") and stages[2][1] == "not checked"
    assert stages[3] == ("GET / → 302", "302")
    stack = both.stack()
    assert (stack.condition, stack.hosts_state) == ("in_service", "configured")
    assert both.greeting().read_text() == "hello lan=127.0.0.1\n"
    for host in stack.hosts.living():
        assert host.is_made and host.fingerprint == sshhosts.fingerprint_of(
            both.machines[host.name]
        )
    # Whose doing it was stands in the trail, and by which run.
    entries = AuditEntry.objects.filter(run_id=run.public_id, action__startswith="machine.")
    found = sorted(entries.values_list("action", "target_name"))
    assert found == [(action, name) for action in ("machine.add", "machine.pin")
                     for name in ("app-one", "voice-one")]  # fmt: skip
    with pytest.raises(InstalledAlready):
        both.queue("install")
    # Nothing is changed by hand that the infrastructure makes.
    host = stack.hosts.living().first()
    for attempt in (
        lambda: hosts.add_host(both.actor, stack, name="more", role="app", address="127.0.0.1"),
        lambda: hosts.change_host(both.actor, host, user="somebody"),
        lambda: hosts.remove_host(both.actor, host, "no more"),
    ):
        with pytest.raises(HostMadeWithStack):
            attempt()


def test_without_a_change_of_infrastructure_the_playbook_is_done_all_the_same(both, worker):
    do(worker, both.queue("install"))
    both.greeting().write_text("changed by hand")
    # A plan-only run stays one.
    looked = do(worker, both.queue("plan"))
    assert looked.status == S.PLANNED_AND_FINISHED and not looked.has_changes
    assert both.greeting().read_text() == "changed by hand"
    both.give(greeting="hola", fqdn="acme.example.test", certs="custom")
    run = do(worker, both.queue("change"))
    assert run.status == S.APPLIED and not run.has_changes, (run.error_text, log_of(run))
    assert "configuring" in statuses(run)
    stages = [(one["name"], one["answer"]) for one in progress_of_probe(run)]
    assert stages[0] == ("name acme.example.test", "127.0.0.1")
    assert stages[2][1].startswith("valid until")
    assert both.greeting().read_text() == "hola lan=127.0.0.1\n"
    # Another machine and none for a name: the rows follow.
    told = {"app-one": both.told("app-one"), "voice-two": both.told("voice-one")}
    both.give(machines=told)
    run = do(worker, both.queue("change"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert [h.name for h in both.stack().hosts.living()] == ["app-one", "voice-two"]
    assert Host.objects.get(name="voice-one").is_archived
    destroyed = do(worker, both.queue("destroy"))
    assert destroyed.status == S.APPLIED, (destroyed.error_text, log_of(destroyed))
    stack = both.stack()
    assert not stack.hosts.living().exists() and stack.hosts_state == ""
    assert stack.condition == "not_installed"


def test_what_failed_while_configuring_is_done_again_without_terraform(both, worker):
    both.give(breaks="voice-one")
    run = do(worker, both.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "PlaybookFailed"), log_of(run)
    stack = both.stack()
    assert stack.is_installed and stack.awaits_configuring and stack.condition == "errored"
    # It is a half of an installation, which may be done from its beginning as well.
    assert stack.hosts_state == "made"
    both.give(breaks="")
    with pytest.raises(InputsMoved):
        retry_run(both.actor, run, only_failed=True)
    run = do(worker, both.queue("install"))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))

    right = both.machines["voice-one"].port
    both.give(machines={n: both.told(n) for n in both.machines}, greeting="again")
    both.machines["voice-one"].stop()
    run = do(worker, both.queue("change"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "HostMute"), log_of(run)
    assert both.stack().hosts_state == "behind" and both.stack().condition == "errored"
    both.machines["voice-one"].port = right
    both.machines["voice-one"].start()
    again = do(worker, retry_run(both.actor, run, only_failed=True))
    assert again.status == S.APPLIED, (again.error_text, log_of(again))
    assert not again.uses_engine and "planning" not in statuses(again)
    assert both.stack().condition == "in_service"
    assert both.greeting("voice-one").read_text() == "again lan=127.0.0.1\n"


def test_hosts_whose_keys_nobody_knows_get_nothing(both, worker):
    both.give(machines={name: both.told(name, host_key=None) for name in both.machines})
    run = do(worker, both.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "HostKeyUnknown"), log_of(run)
    assert "First contact" in run.error_text and not both.greeting().exists()
    with pytest.raises(HostKeyUnknown):
        retry_run(both.actor, run, only_failed=True)
    do(worker, both.queue("contact"))
    for host in both.stack().hosts.living():
        hosts.pin_key(both.actor, host, host.offered_fingerprint)
    again = do(worker, retry_run(both.actor, run, only_failed=True))
    assert again.status == S.APPLIED, (again.error_text, log_of(again))
    assert both.stack().hosts_state == "configured"
    # An apply that tells no key leaves the confirmed ones; another port is another machine.
    other = both.told("voice-one", host_key=None, port=1)
    both.give(machines={"app-one": both.told("app-one", host_key=None), "voice-one": other})
    do(worker, both.queue("change"))
    known = {host.name: host.is_pinned for host in both.stack().hosts.living()}
    assert known == {"app-one": True, "voice-one": False}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"role": "queen"}, "queen"),
        ({"address": "-oProxyCommand=x"}, "address"),
        ({"host_key": "ssh-ed25519 not!base64"}, "host key"),
        ({"host_key": "ssh-ed25519 AAAA\nevil ssh-ed25519 AAAA"}, "host key"),
    ],
)
def test_an_output_that_tells_no_hosts_is_refused(both, worker, more, words):
    both.give(machines={"app-one": both.told("app-one", **more)})
    run = do(worker, both.queue("install"))
    assert (run.status, run.error["code"], run.error_kind) == (S.ERRORED, "HostsUntold", "step")
    assert words in run.error_text and not Host.objects.exists()
    assert both.stack().condition == "errored"


def test_a_cancel_while_configuring_leaves_hosts_to_be_checked(both, worker, wait_until, settings):
    settings.LEASE_RENEW_S = 1
    both.give(breaks="wait")
    run = both.queue("install")
    with working(worker, run):
        wait_until(both.greeting().exists, 60)
        cancel_run(both.actor, Run.objects.with_stack().get(pk=run.pk))
    run.refresh_from_db()
    assert run.status == S.CANCELED, (run.error_text, log_of(run))
    assert marked(run.public_id) == []
    assert both.stack().suspect_reason["code"] == "HostsUnknown"
    # Terraform knows nothing of what a playbook left: its plan does not make a review possible.
    do(worker, both.queue("plan"))
    assert both.stack().suspect_checked_at is None
    Stack.objects.update(desired_inputs={**both.stack().desired_inputs, "breaks": ""})
    checked = do(worker, both.queue("check"))
    assert checked.status == S.PLANNED_AND_FINISHED, (checked.error_text, log_of(checked))
    review_stack(both.actor, both.stack(), comment="looked")
    assert both.stack().condition == "errored" and both.stack().awaits_configuring


def test_the_death_of_the_worker_while_configuring_harms_nothing(
    both, worker, wait_until, settings
):
    settings.LEASE_RENEW_S = 1
    both.give(breaks="wait")
    run = both.queue("install")
    with working(worker, run):
        wait_until(both.greeting().exists, 60)
        worker.stop.set()
    run.refresh_from_db()
    assert run.status == S.CONFIGURING
    cancel_run(both.actor, Run.objects.with_stack().get(pk=run.pk))
    other = Worker()
    try:
        other.adopt(run.steps.latest("number"))
    finally:
        other.shut_down()
    run.refresh_from_db()
    assert run.status == S.CANCELED, (run.error_text, log_of(run))
    assert log_of(run).count("Task: Ensure the folder") == 1
    assert marked(run.public_id) == []


def test_a_run_that_is_lost_while_configuring_needs_a_look_at_its_hosts(
    both, worker, wait_until, settings
):
    settings.LEASE_RENEW_S = 1
    both.give(breaks="wait")
    run = both.queue("install")
    with working(worker, run):
        wait_until(both.greeting().exists, 60)
        worker.stop.set()
    kill_marked(run.public_id)
    lose_run(both.actor, run, SupervisorGone(host="here"))
    assert (both.stack().condition, both.stack().state_suspect) == ("lost", True)
    other = Worker()
    try:
        both.give(breaks="")
        do(other, both.queue("plan"))
        assert both.stack().suspect_checked_at is None
        assert do(other, both.queue("check")).status == S.PLANNED_AND_FINISHED
        assert both.stack().suspect_checked_at is not None
    finally:
        other.shut_down()
