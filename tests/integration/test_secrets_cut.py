"""Secrets at the place where a text is cut: the redactor must see them whole."""

import pytest

from deployments import logstore
from deployments.errors import EngineFailed
from deployments.models import Run
from deployments.steps import engine, ssm_command
from deployments.work import Work
from tests.conftest import BINS
from tests.factories import make_run, make_step
from tests.lab import SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(lab) -> Work:
    """Return a run of acme in a worker's hands."""
    run = make_run(lab.acme, "configuring", secret_versions={"admin_password": 1})
    step = make_step(run, phase="configure", kind="ssm.command")
    return Work(Run.objects.with_stack().get(pk=run.pk), step.worker_id, step=step)


def test_the_end_of_a_commands_words_does_not_begin_inside_a_secret(work, settings):
    settings.TERRAFORM_BIN = str(BINS / "terraform-complains")
    engine.command_lines.cache_clear()
    work.folder.make()
    engine.module(work).mkdir(parents=True)
    with pytest.raises(EngineFailed) as refused:
        engine.read(work, [settings.TERRAFORM_BIN, "show"], "out.json")
    assert "the end" in str(refused.value)
    assert SECRET[-8:] not in str(refused.value)


def log_of(work: Work) -> str:
    """Return the stored log."""
    return logstore.read(work.run.pk, 0, 1 << 20).decode()


def test_a_secret_that_two_looks_at_a_command_cut_in_two_is_found(work):
    text, shown = f"setting up\npassword is {SECRET}\nready", {}
    for length in (20, 30, len(text)):
        ssm_command._show(work, text[:length], shown, "out", length == len(text))
    log = log_of(work)
    assert log.startswith("setting up\npassword is •")
    assert log.endswith("ready\n")
    assert SECRET[:8] not in log
    assert SECRET[-8:] not in log


def test_a_machines_control_characters_do_not_reach_the_log(work):
    work.say("one\x1b[2Jtwo\x00\x07three\x1b[31mred\x1b[0m")
    assert log_of(work) == "one␛[2Jtwo␀␇three\x1b[31mred\x1b[0m\n"


def test_a_nul_in_what_a_page_shows_of_a_call_is_a_picture(work):
    work.say("at work", {"text": "a\x00b"})
    work.step.refresh_from_db()
    assert work.step.progress == {"text": "a␀b"}
