"""kill -9 of the worker in the middle of a playbook: a real process, real sshd."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from deployments.models import Run
from deployments.runner import process
from deployments.runner.proctable import marked
from deployments.runstatus import RunStatus
from deployments.services import review_stack
from deployments.worker import Worker
from tests import sshhosts
from tests.hosted import PASSWORD, Hosted, do, log_of, make_hosted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus
PROJECT = Path(__file__).parents[2]
WORKER = """
import sys
import django
django.setup()
from deployments.worker import Worker
Worker().work(sys.argv[1])
"""


@pytest.fixture
def known(throw_away, worker, tmp_path) -> Hosted:
    """Return a tenant on two hosts that are known."""
    with sshhosts.two_hosts(tmp_path / "machines") as machines:
        made = make_hosted(tmp_path / "written", machines)
        do(worker, made.queue("contact"))
        made.pin_all()
        yield made


@pytest.fixture
def run(known, settings, places, wait_until) -> Run:
    """Return a run whose playbook is at work on both hosts, and whose worker was killed."""
    run = known.queue("wait")
    server = os.environ["DATABASE_URL"]
    ours = connection.settings_dict["NAME"]
    url = server.rpartition("/")[0] + f"/{ours}" + server[len(server.partition("?")[0]) :]
    env = os.environ | {
        "DATABASE_URL": url, "LISTEN_DATABASE_URL": url, "VAR_ROOT": str(places),
        "BLUEPRINT_ROOT": str(settings.BLUEPRINT_ROOT), "MIN_FREE_BYTES": "1048576",
        "LEASE_RENEW_S": "1",
    }  # fmt: skip
    said = places / "worker-said"
    with open(said, "wb") as out:
        killed = subprocess.Popen(
            [sys.executable, "-c", WORKER, run.public_id],
            cwd=PROJECT, env=env, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        begun = [known.file(f"begun-{name}", "") for name in known.machines]
        wait_until(
            lambda: killed.poll() is not None or all(file.exists() for file in begun), 60,
            "the playbook is at work",
        )  # fmt: skip
        assert killed.poll() is None, said.read_text()
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    run.refresh_from_db()
    assert run.status == S.CONFIGURING
    assert engines(run), "the playbook goes on without its worker"
    return run


def engines(run: Run) -> list[int]:
    """Return the processes of ansible-playbook that a run has."""
    return [pid for pid in marked(run.public_id)
            if b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes()]  # fmt: skip


def ended(run: Run, wait_until) -> Run:
    """Let another worker find the run by itself; return it when it has ended."""
    other = Worker()
    try:
        other.start()
        wait_until(lambda: Run.objects.get(pk=run.pk).is_ended, 60, "the next worker ends it")
    finally:
        other.shut_down()
        other.thread.join(20)
    return Run.objects.with_stack().get(pk=run.pk)


def assert_nothing_is_left(run: Run, places: Path) -> None:
    """No process of the run lives, and none of its private files is on the worker."""
    assert marked(run.public_id) == []
    folder = places / "workdirs" / run.public_id
    assert not (folder / "play").exists()
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in left if PASSWORD.encode() in path.read_bytes()] == []


def test_the_next_worker_ends_what_the_playbook_goes_on_with(known, run, places, wait_until):
    known.file("go-on", "").touch()
    run = ended(run, wait_until)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    said = log_of(run)
    assert (said.count("Task: Begin"), said.count("Task: Wait for long")) == (1, 1)
    assert_nothing_is_left(run, places)
    assert not known.stack().state_suspect


def test_a_playbook_that_died_with_its_worker_leaves_hosts_to_be_checked(
    known, worker, run, places, wait_until
):
    supervisor = process.read_child(Path(run.steps.latest("number").step_dir))["shim_pid"]
    for pid in (supervisor, *marked(run.public_id)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run = ended(run, wait_until)
    assert run.status == S.LOST, (run.error_text, log_of(run))
    assert_nothing_is_left(run, places)
    stack = known.stack()
    assert stack.state_suspect and not stack.is_installed
    assert stack.condition == "lost"
    # -- the way back: look, say that it fits, and do it again
    do(worker, known.queue("check"))
    review_stack(known.actor, known.stack(), comment="looked")
    assert known.stack().condition != "lost"
    again = do(worker, known.queue("install"))
    assert again.status == S.APPLIED, (again.error_text, log_of(again))
    assert known.stack().condition == "in_service"
