"""The command-line client against a served portal."""

import getpass
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.models import Run
from omlsaas.cli import config
from omlsaas.cli.__main__ import LISTS, main
from omlsaas.cli.errors import Trouble
from tenants.models import Host
from tests import factories
from tests.asgiserver import serving
from tests.lab import make_lab

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("OMLSAAS_URL", "OMLSAAS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config" / "omlsaas" / "client.json"


@pytest.fixture
def address(places, transactional_db: None, settings) -> Iterator[str]:
    settings.API_RATE_ADDRESS = settings.API_RATE_TOKEN = 10**6
    with serving() as server:
        yield f"http://{server.address}"


def test_a_day_with_the_client(address: str, home: Path, monkeypatch, capfd):
    lab = make_lab()
    user = factories.make_user("oscar", role="operator")
    _, text = factories.make_token(user)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: text)
    assert main(["login", address]) == 0
    assert stat.S_IMODE(os.stat(home).st_mode) == 0o600
    assert text not in "".join(capfd.readouterr())
    for what in LISTS:
        assert main(["list", what]) == 0
    capfd.readouterr()
    Host.objects.create(stack=lab.stack(), name="app-one", role="app", address="192.0.2.7")
    assert (main(["list", "hosts", "--stack", "acme"]), main(["list", "backups"])) == (0, 2)
    told = capfd.readouterr()
    assert "192.0.2.7" in told.out and "--stack" in told.err
    assert main(["list", "tenants", "--json", "--limit", "1"]) == 0
    assert [row["name"] for row in json.loads(capfd.readouterr().out)] == ["acme"]
    assert main(["list", "tenants", "--filter", "lable=x"]) == 2
    assert "lable" in capfd.readouterr().err
    words = ["run", "plan", "acme", "--reason", "a look", "--detach", "--key", "k1"]
    assert (main(words), main(words)) == (0, 0)
    run = Run.objects.get()
    assert capfd.readouterr().out.split() == [run.public_id] * 2
    assert run.reason == "a look"
    assert main(["run", "dance", "acme"]) == 2
    assert main(["run", "plan", "nobody"]) == 2
    assert "no action" in capfd.readouterr().err
    assert main(["confirm", run.public_id, "--reason", "x"]) == 2
    for status, code in (("applied", 0), ("planned_and_finished", 0), ("errored", 1), ("lost", 1),
                         ("canceled", 3), ("discarded", 3)):  # fmt: skip
        other = factories.make_run(lab.globex, status)
        assert main(["watch", other.public_id]) == code, status
    assert "lost" in capfd.readouterr().err
    # From another process, as its wrapper starts it.
    done = subprocess.run(
        [sys.executable, "-m", "omlsaas.cli", "watch", other.public_id],
        cwd=home.parent, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr


def test_a_kept_token_goes_to_its_own_portal_alone(home: Path, monkeypatch):
    config.save(config.Access("https://portal.example.com", "oml_x.y"))
    monkeypatch.setenv("OMLSAAS_URL", "https://elsewhere.example.com")
    with pytest.raises(Trouble):
        config.load()
    monkeypatch.setenv("OMLSAAS_URL", "https://portal.example.com/")
    assert config.load().token == "oml_x.y"


def test_without_a_login_it_says_how(home: Path, capfd):
    assert main(["list", "runs"]) == 2
    assert "omlsaas login" in capfd.readouterr().err


def test_the_client_imports_nothing_else_of_ours():
    code = "import omlsaas.cli.__main__, sys; print([m for m in sys.modules if m.startswith(" \
           "('django', 'tenants', 'deployments', 'api', 'omlsaas.lib'))])"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
