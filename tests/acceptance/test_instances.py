"""The instances repository: a real bare repository on disk takes what applied runs leave."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.urls import reverse
from django.utils import timezone

from deployments import instances
from deployments.doctor import examine
from deployments.models import InstancesRecord, Run
from deployments.runstatus import RunStatus
from deployments.services import queue_run
from tenants import actors, services
from tenants.models import Region, Stack
from tests import sshhosts
from tests.factories import make_user
from tests.hosted import Hosted, do, log_of, make_hosted
from tests.lab import SECRET, save_plain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus
REJECTS = "#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n"


def git(folder: Path, *args: str) -> str:
    """Return what git prints in a folder."""
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder), "LC_ALL": "C"}
    done = subprocess.run(["git", *args], cwd=folder, env=env, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture
def remote(tmp_path, lab) -> Path:
    """Return an empty bare repository that takes the lab's instances."""
    path = tmp_path / "instances.git"
    path.mkdir()
    git(path, "init", "--bare", "--quiet", "--initial-branch=main")
    Region.objects.filter(slug="lab").update(instances_remote=str(path))
    return path


@pytest.fixture
def alice():
    """Return an operator with an address."""
    user = make_user("alice", role="operator", first_name="Alice", last_name="Ops")
    return actors.from_user(user, origin="portal")


def run_it(worker, actor, action: str, **more: object) -> Run:
    """Queue an action as a person and do it to its end."""
    stack = Stack.objects.get(name="acme")
    run = queue_run(actor, stack, action, typed_name="acme", auto_apply=True, **more)
    worker.work(run.public_id)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.APPLIED, run.error_text
    return run


def test_each_applied_run_is_a_commit_by_its_operator(worker, lab, remote, alice):
    run_it(worker, alice, "install", reason="first of all")
    assert instances.push_due() == 1
    run_it(worker, lab.actor, "change", inputs={"replicas": 1})
    assert instances.push_due() == 1

    log = git(remote, "log", "--reverse", "--format=%an <%ae>|%cn|%s", "main").splitlines()
    assert log == [
        "Alice Ops <alice@example.com>|omlsaas|acme: Install (run 1)",
        "system:test <system-test@omlsaas.invalid>|omlsaas|acme: Change (run 2)",
    ]
    assert "first of all" in git(remote, "log", "-1", "--format=%b", "main~1")
    inputs = json.loads(git(remote, "show", "main:lab/acme/inputs.json"))
    assert (inputs["replicas"], inputs["admin_password"]) == (1, "secret:admin_password#1")
    told = yaml.safe_load(git(remote, "show", "main:lab/acme/meta.yml"))
    assert (told["run"], told["blueprint"], told["requested_by"]) == (2, "lab", "system:test")
    everything = git(remote, "log", "-p", "main")
    assert SECRET not in everything
    record = InstancesRecord.objects.get(run__number=2)
    assert record.commit == git(remote, "rev-parse", "main").strip()


# -- tenants on hosts ----------------------------------------------------------------------------


def issue(folder: Path) -> tuple[str, str]:
    """Return a new certificate and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
         "-subj", "/CN=acme.example.test", "-keyout", folder / "k.pem", "-out", folder / "c.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "c.pem").read_text(), (folder / "k.pem").read_text()


@pytest.fixture
def hosted(throw_away, worker, tmp_path) -> Iterator[Hosted]:
    """Return a tenant on two known hosts, whose runs go to an empty repository."""
    if problem := sshhosts.why_not():
        pytest.skip(problem)
    with sshhosts.two_hosts(tmp_path / "hosts") as machines:
        made = make_hosted(tmp_path / "written", machines)
        do(worker, made.queue("contact"))
        made.pin_all()
        path = tmp_path / "instances.git"
        path.mkdir()
        git(path, "init", "--bare", "--quiet", "--initial-branch=main")
        Region.objects.filter(slug="site").update(instances_remote=str(path))
        yield made


def apply(worker, hosted: Hosted, action: str) -> Run:
    """Do an action to its end, and push what it left."""
    run = do(worker, hosted.queue(action))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    instances.push_due()
    return run


def test_certificates_in_use_go_along_and_never_a_key(worker, hosted, tmp_path):
    remote = tmp_path / "instances.git"
    apply(worker, hosted, "install")
    assert "site/acme/inventory.yml" in git(remote, "ls-tree", "-r", "--name-only", "main")
    before = git(remote, "show", "main:site/acme/inputs.json")
    # Inputs that nobody applied yet have no place there.
    services.save_inputs(hosted.actor, hosted.stack(), {"greeting": "not yet"})
    certificate, key = issue(tmp_path)
    hosted.file("cert.pem").write_text(certificate + key)
    apply(worker, hosted, "certificate")
    place = "main:site/acme/certificate-app-one.pem"
    assert git(remote, "show", place) == certificate
    assert git(remote, "show", "main:site/acme/inputs.json") == before
    assert git(remote, "log", "-1", "--format=%s", "main").startswith("acme: Tell the certificate")
    # -- another one takes its place; what tells none keeps it
    other, other_key = issue(tmp_path)
    hosted.file("cert.pem").write_text(other_key + other)
    apply(worker, hosted, "certificate")
    apply(worker, hosted, "change")
    assert git(remote, "show", place) == other
    assert "not yet" in git(remote, "show", "main:site/acme/inputs.json")
    assert "PRIVATE KEY" not in git(remote, "log", "-p", "main")
    # -- a run that tells nothing and leaves nothing is no commit
    count = InstancesRecord.objects.count()
    run = do(worker, hosted.queue("say", params={"words": "hello"}))
    assert (run.status, InstancesRecord.objects.count()) == (S.APPLIED, count)
    apply(worker, hosted, "uninstall")
    assert git(remote, "ls-tree", "-r", "--name-only", "main") == ""


def test_a_remote_that_refuses_fails_no_run_is_shown_and_tried_again(
    worker, lab, remote, alice, client
):
    hook = remote / "hooks" / "pre-receive"
    hook.write_text(REJECTS)
    hook.chmod(0o755)
    run_it(worker, alice, "install")
    assert instances.push_due() == 0

    record = InstancesRecord.objects.get()
    assert (record.tries, record.pushed_at) == (1, None)
    assert "this branch is protected" in record.error_text
    wait = record.next_try_at - timezone.now()
    assert timedelta(seconds=50) < wait <= timedelta(seconds=60)
    client.force_login(make_user("dana", role="admin"))
    page = client.get(reverse("tenant", args=[lab.acme.public_id])).content.decode()
    assert "not in the instances repository yet" in page
    assert "this branch is protected" in page
    finding = next(finding for _, finding in examine(["instances"]))
    assert (finding.status, "acme #1" in finding.text) == ("warning", True)

    assert instances.push_due() == 0, "it is not due yet"
    assert InstancesRecord.objects.get().tries == 1
    InstancesRecord.objects.update(next_try_at=timezone.now())
    assert instances.push_due() == 0
    wait = InstancesRecord.objects.get().next_try_at - timezone.now()
    assert timedelta(seconds=110) < wait <= timedelta(seconds=120), "twice as late each time"

    hook.unlink()
    run_it(worker, alice, "change", inputs={"replicas": 2})
    assert instances.push_due() == 2, "what waited goes first, in the order of the runs"
    subjects = git(remote, "log", "--reverse", "--format=%s", "main").splitlines()
    assert subjects == ["acme: Install (run 1)", "acme: Change (run 2)"]
    page = client.get(reverse("tenant", args=[lab.acme.public_id])).content.decode()
    assert "not in the instances repository yet" not in page


def test_somebody_elses_commit_is_kept(worker, lab, remote, alice, tmp_path):
    run_it(worker, alice, "install")
    instances.push_due()
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(remote), str(other))
    (other / "README").write_text("hand-written\n")
    git(other, "add", ".")
    git(other, "-c", "user.name=Eve", "-c", "user.email=eve@example.com", "commit", "-qm", "Notes")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    run_it(worker, alice, "change", inputs={"replicas": 1})
    assert instances.push_due() == 1
    assert git(remote, "show", "main:README") == "hand-written\n"
    assert len(git(remote, "log", "--format=%s", "main").splitlines()) == 3


def test_a_destroyed_stack_leaves_no_folder(worker, lab, remote, alice):
    run_it(worker, alice, "install")
    Stack.objects.filter(name="acme").update(is_auto_destroy=True)
    save_plain(lab.stack(), {})
    stack = lab.stack()
    run = queue_run(alice, stack, "destroy", typed_name="acme")
    worker.work(run.public_id)
    from deployments.services import confirm_run

    run = Run.objects.with_stack().get(pk=run.pk)
    confirm_run(alice, run, has_read=True, typed_name="acme")
    worker.work(run.public_id)
    assert Run.objects.get(pk=run.pk).status == S.APPLIED
    assert instances.push_due() == 2
    assert "lab/acme" not in git(remote, "ls-tree", "-r", "--name-only", "main")


def test_without_a_repository_nothing_is_recorded(worker, lab, alice):
    run_it(worker, alice, "install")
    assert not InstancesRecord.objects.exists()


def test_a_token_is_handed_over_by_a_file_and_stands_in_no_command(tmp_path):
    from deployments.runner.git import Clone

    token = tmp_path / "token"
    token.write_text("t0ken-of-the-remote\n")
    clone = Clone(tmp_path / "clone", "https://git.example.com/x.git", token=str(token))
    env = clone._environment(tmp_path)
    assert "t0ken" not in str(env)
    asked = subprocess.run(
        ["git", "credential", "fill"],
        input=b"protocol=https\nhost=git.example.com\n\n",
        env=env,
        capture_output=True,
        check=True,
    )
    assert b"password=t0ken-of-the-remote" in asked.stdout
