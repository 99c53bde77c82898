"""Short questions to terraform: what it gets, and what happens when it does not answer."""

import os
import shutil
import time
from pathlib import Path

import pytest

from omlsaas.lib import terraform_cli
from omlsaas.lib.terraform_cli import TerraformCliFailed

BINS = Path(__file__).parent.parent / "bins"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Killed, but not yet reaped by whoever adopted it.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_name_is_found_on_the_path_and_a_path_where_it_is(monkeypatch):
    monkeypatch.setenv("PATH", str(BINS))

    assert terraform_cli.find_terraform("terraform-babbles") == str(BINS / "terraform-babbles")
    assert terraform_cli.find_terraform(str(BINS / "terraform-hangs")) is not None
    assert terraform_cli.find_terraform("terraform") is None
    assert terraform_cli.find_terraform("/nowhere/terraform") is None


def test_only_the_allowed_environment_reaches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "planted-secret-key")
    monkeypatch.setenv("TF_VAR_password", "planted-password")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere/planted.rc")

    told = terraform_cli.ask(str(BINS / "terraform-tells-all"), [], cwd=tmp_path).stdout

    assert "planted" not in told
    assert f"HOME={tmp_path}" in told


def test_stdin_is_closed(tmp_path):
    answer = terraform_cli.ask(str(BINS / "terraform-tells-all"), [], cwd=tmp_path, timeout_s=20)

    assert answer.code == 0


def test_one_that_hangs_is_killed_with_its_children(tmp_path):
    extra = {"CHILD_PID_FILE": str(tmp_path / "pid")}

    with pytest.raises(TerraformCliFailed, match="did not answer"):
        terraform_cli.ask(str(BINS / "terraform-hangs"), [], cwd=tmp_path, extra=extra, timeout_s=2)

    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child)


def test_one_that_cannot_be_started_is_told(tmp_path):
    (tmp_path / "terraform").write_text("not a program")

    with pytest.raises(TerraformCliFailed, match="terraform: "):
        terraform_cli.ask(str(tmp_path / "terraform"), [], cwd=tmp_path)


def test_a_version_that_is_not_told_is_a_failure():
    with pytest.raises(TerraformCliFailed, match="flag provided but not defined"):
        terraform_cli.version(str(BINS / "terraform-babbles"))


def test_the_version_is_asked_again_when_the_program_changes(tmp_path):
    path = tmp_path / "terraform"
    for number in ("1.11.4", "1.12.0"):
        path.write_text(f'#!/bin/sh\n# {number}\necho \'{{"terraform_version": "{number}"}}\'\n')
        path.chmod(0o755)
        os.utime(path, ns=(0, int(number.replace(".", "")) * 10**9))

        assert terraform_cli.version(str(path)) == number


def test_a_program_that_is_gone_has_no_version(tmp_path):
    shutil.copy(BINS / "terraform-babbles", tmp_path / "terraform")
    (tmp_path / "terraform").unlink()

    with pytest.raises(TerraformCliFailed):
        terraform_cli.version(str(tmp_path / "terraform"))
