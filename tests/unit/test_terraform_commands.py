"""Terraform's command lines and its environment."""

import os
from pathlib import Path

import pytest

from deployments.runner import terraform
from deployments.runner.terraform import CommandLines

LINES = CommandLines("/bin/terraform")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (LINES.init(False), "init -json -input=false"),
        (LINES.init(True), "init -json -input=false -lockfile=readonly"),
        (
            LINES.plan(),
            "plan -json -input=false -lock-timeout=60s -out=plan.bin -detailed-exitcode",
        ),
        (
            LINES.plan(destroy=True, replace=("x.a", "x.b"), lock_timeout_s=5),
            "plan -json -input=false -lock-timeout=5s -out=plan.bin -detailed-exitcode -destroy"
            " -replace=x.a -replace=x.b",
        ),
        (
            LINES.plan(refresh_only=True),
            "plan -json -input=false -lock-timeout=60s -out=plan.bin -detailed-exitcode"
            " -refresh-only",
        ),
        (LINES.apply(), "apply -json -input=false -lock-timeout=60s plan.bin"),
        (LINES.show_plan(), "show -json plan.bin"),
        (LINES.state_pull(), "state pull"),
        (LINES.state_push("s.json"), "state push s.json"),
        (LINES.state_push("s.json", force=True), "state push -force s.json"),
        (LINES.force_unlock("id"), "force-unlock -force id"),
    ],
)
def test_command_line(argv, text):
    assert argv == ["/bin/terraform", *text.split()]


def test_environment_is_an_allow_list(tmp_path):
    inherit = {
        "PATH": "/bin", "DATABASE_URL": "postgres://secret", "SECRET_KEY": "secret",
        "TF_VAR_old": "x", "TF_LOG": "trace", "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTPS_PROXY": "http://proxy", "HOME": "/root", "TF_CLI_CONFIG_FILE": "/elsewhere",
    }  # fmt: skip
    env = terraform.environment(tmp_path, {"password": "p4ss"}, {"AWS_REGION": "x"}, inherit)
    assert env == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HTTPS_PROXY": "http://proxy",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path / "tmp"),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(tmp_path / "cli.tfrc"),
        "TF_VAR_password": "p4ss",
        "AWS_REGION": "x",
    }


def test_a_deep_folder_gets_a_short_one_for_the_sockets_of_providers(tmp_path):
    deep = tmp_path / ("d" * 80)
    folder = terraform.environment(deep, {}, inherit={})["PLUGIN_UNIX_SOCKET_DIR"]
    assert len(folder) + len("/plugin0123456789") < 104
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert "PLUGIN_UNIX_SOCKET_DIR" not in terraform.environment(Path("/srv/x"), {}, inherit={})


def fake(tmp_path, text):
    program = tmp_path / "terraform"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return str(program)


def test_terraform_that_is_missing_is_told_with_the_way_to_get_it(tmp_path):
    with pytest.raises(terraform.TerraformMissing) as refusal:
        terraform.require(str(tmp_path / "none"))
    assert terraform.HOW_TO_GET in str(refusal.value)
    assert refusal.value.code == "terraform_missing"


@pytest.mark.parametrize("found", ["1.10.9", "1.11.0-rc1", "0.12.31"])
def test_terraform_that_is_too_old_is_told(tmp_path, found):
    binary = fake(tmp_path, f"""echo '{{"terraform_version": "{found}"}}'""")
    if found == "1.11.0-rc1":
        assert terraform.require(binary) == found
        return
    with pytest.raises(terraform.TerraformTooOld) as refusal:
        terraform.require(binary)
    assert refusal.value.params["found"] == found
    assert refusal.value.params["needed"] == "1.11.0"


@pytest.mark.parametrize("text", ["exit 1", "echo hello", "echo '{}'", "echo '[]'"])
def test_terraform_that_does_not_answer_is_told(tmp_path, text):
    with pytest.raises(terraform.TerraformBroken):
        terraform.require(fake(tmp_path, text))


def test_version_is_asked_once_for_each_file(tmp_path):
    asked = tmp_path / "asked"
    binary = fake(tmp_path, f"""echo x >> {asked}; echo '{{"terraform_version": "1.12.0"}}'""")
    assert terraform.version(binary) == terraform.version(binary) == "1.12.0"
    assert asked.read_text() == "x\n"
    fake(tmp_path, """echo '{"terraform_version": "1.13.0"}' # upgraded""")
    assert terraform.version(binary) == "1.13.0"
