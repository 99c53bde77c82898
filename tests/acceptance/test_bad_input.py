"""What a run meets from outside: each ends in a sentence with the way out, and loses nothing."""

import shutil
from pathlib import Path

import pytest

from deployments import logstore
from deployments.errors import IllegalTransition
from deployments.models import Run
from deployments.runstatus import RunStatus
from deployments.services import confirm_run, queue_run
from tenants import actors, blueprints, services
from tenants.blueprints import BlueprintFlawed
from tests.conftest import BINS
from tests.factories import make_region

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
BLUEPRINTS = Path(__file__).resolve().parent.parent / "blueprints"
S = RunStatus


def do(worker, run: Run) -> Run:
    """Let the worker take the run up and return how it stands."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def test_a_provider_that_is_not_to_be_had_is_named(worker, places, settings, tmp_path):
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    settings.PROVIDER_MIRROR = str(tmp_path / "empty-mirror")
    (tmp_path / "empty-mirror").mkdir()
    actor = actors.system("test")
    region = make_region(slug="lab")
    tenant = services.create_tenant(actor, name="lost", region=region, blueprint="unreachable")
    run = do(worker, queue_run(actor, tenant.stack, "install"))
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "example/nowhere" in run.error_text


def test_hcl_that_does_not_parse_refuses_with_file_and_line(lab, settings, tmp_path):
    shutil.copytree(settings.BLUEPRINT_ROOT, tmp_path / "root")
    settings.BLUEPRINT_ROOT = tmp_path / "root"
    broken = tmp_path / "root" / "lab" / "tenant" / "variables.tf"
    broken.write_text(broken.read_text() + '\nvariable "half {\n')
    with pytest.raises(BlueprintFlawed, match=r"lab/tenant/variables\.tf:\d+"):
        lab.queue()
    assert not Run.objects.exists()
    with pytest.raises(BlueprintFlawed):
        blueprints.load("lab")


def test_lines_of_10_mb_binary_and_bad_utf8_are_stored_readably(lab, worker, settings):
    settings.TERRAFORM_BIN = str(BINS / "terraform-roars")
    run = do(worker, lab.queue())
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "exit code 3" in run.error_text
    text = logstore.read(run.pk, 0, 50_000_000)
    assert text.decode(), "the store holds valid UTF-8"
    assert b"line cut, 10485760 bytes" in text
    assert b"\x00" not in text
    assert text.endswith(b"the last line\n")


def test_two_browsers_confirm_and_one_of_them_did_it(lab, worker):
    run = do(worker, lab.queue())
    confirm_run(lab.actor, run)
    with pytest.raises(IllegalTransition) as refused:
        confirm_run(actors.system("another"), run)
    assert "Look at it again" in str(refused.value)
    assert run.events.filter(to_status=S.APPLY_QUEUED).count() == 1
