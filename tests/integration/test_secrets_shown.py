"""Secrets where a text is cut, in addresses of proxies, in complaints about keys."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from deployments import logstore
from deployments.errors import EngineFailed
from deployments.models import Run
from deployments.steps import engine, ssm_command
from deployments.work import Work
from tenants import secrets
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


def test_the_password_of_a_proxy_that_an_engine_gets_is_not_shown(work, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://portal:pr%40xy-pass-77@proxy.example.net:3128")
    work.say("HTTPS_PROXY=http://portal:pr%40xy-pass-77@proxy.example.net:3128, pr@xy-pass-77")
    assert "xy-pass-77" not in log_of(work)
    assert "proxy.example.net:3128" in log_of(work)


@pytest.mark.parametrize(
    "text", ["c2VjcmV0LWtleS1tYXRlcmlhbC0xMjM0NTY3ODkwMTI=", "k1:%s", "k1:abcde"]
)
def test_a_wrong_encryption_key_is_not_quoted(settings, text):
    material = "c2VjcmV0LWtleS1tYXRlcmlhbC0xMjM0NTY3ODkwMTI"
    settings.ENCRYPTION_KEYS = text.replace("%s", material + "MTIzNA==")
    with pytest.raises(ImproperlyConfigured) as refused:
        secrets.keys()
    assert material not in str(refused.value)
    assert "ENCRYPTION_KEYS" in str(refused.value)
