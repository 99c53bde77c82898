"""A password that everybody knows is refused at every door, with the reason and before a run."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from deployments.models import Run
from tenants import actors, secrets, services
from tenants.errors import InputsRefused
from tests.factories import make_user

KNOWN = "Password-2026"
REASON = "Everybody knows it"
TEST = actors.system("test")


@pytest.fixture
def acme(lab):
    return lab.stack("acme")


def test_the_services_refuse_it(acme):
    before = secrets.versions(acme)
    for set_it in (
        lambda: services.save_inputs(TEST, acme, {}, {"admin_password": KNOWN}),
        lambda: services.set_secret(TEST, acme, "admin_password", KNOWN),
    ):
        with pytest.raises(InputsRefused) as refused:
            set_it()
        assert REASON in refused.value.problems["admin_password"]
        assert KNOWN not in str(refused.value)
    assert secrets.versions(acme) == before


def test_the_form_refuses_it_at_its_field(acme, client):
    client.force_login(make_user("dana", role="admin"))
    address = reverse("stack_inputs", args=[acme.public_id])
    html = client.post(address, {"in-admin_password": KNOWN}).content.decode()
    assert REASON in html
    assert KNOWN not in html


def test_the_command_refuses_it(acme, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KNOWN}\n"))
    with pytest.raises((CommandError, SystemExit)) as refused:
        call_command("run_action", "acme", "install", "--set", "admin_password=@-")
    assert not Run.objects.exists()
    assert KNOWN not in str(refused.value)
