"""The plan tests of our HCL (`terraform test`), module by module, with the real provider."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import TERRAFORM

HCL = Path(__file__).resolve().parent.parent.parent / "hcl_template"
TESTED = sorted({file.parent.parent for file in HCL.rglob("tests/*.tftest.hcl")})
LOCKED = sorted(file.parent for file in HCL.rglob("omnileads/*/.terraform.lock.hcl"))

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.skipif(shutil.which(TERRAFORM) is None, reason="terraform is not installed"),
]


def name(folder):
    """Name a module by its folder."""
    return folder.relative_to(HCL).as_posix()


@pytest.fixture
def hcl(tmp_path):
    """A copy of all HCL, so that nothing is left beside the files."""
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*")
    shutil.copytree(HCL, tmp_path / "hcl", ignore=ignored)
    return tmp_path / "hcl"


def terraform(folder, *arguments):
    """Return exit code and text of terraform; a mirror is the only place that it asks."""
    mirror = os.environ.get("PROVIDER_MIRROR", "")
    method = f'filesystem_mirror {{\n    path = "{mirror}"\n  }}' if mirror else "direct {}"
    configuration = folder / "terraform.rc"
    configuration.write_text(f"provider_installation {{\n  {method}\n}}\n")
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    done = subprocess.run(
        [TERRAFORM, *arguments, "-no-color"],
        cwd=folder,
        env=kept | {"TF_CLI_CONFIG_FILE": str(configuration), "CHECKPOINT_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def prepare(folder):
    """Initialise a module; without its provider the test is skipped and says so."""
    locked = ["-lockfile=readonly"] if (folder / ".terraform.lock.hcl").exists() else []
    code, said = terraform(folder, "init", "-input=false", *locked)
    if code and not os.environ.get("PROVIDER_MIRROR") and "registry.terraform.io" in said:
        pytest.skip("there is no provider: neither a mirror nor the registry")
    assert code == 0, said


@pytest.mark.parametrize("folder", TESTED, ids=name)
def test_plans_are_as_they_should_be_and_wrong_values_are_refused(hcl, folder):
    prepare(hcl / name(folder))

    code, said = terraform(hcl / name(folder), "test")

    assert code == 0, said
    assert "Success!" in said and " 0 passed" not in said


@pytest.mark.parametrize("folder", LOCKED, ids=name)
def test_a_lock_file_serves_all_platforms(hcl, folder):
    hashes = (folder / ".terraform.lock.hcl").read_text().count('"zh:')

    assert hashes > 1
    prepare(hcl / name(folder))


def test_modules_and_root_modules_are_found():
    """Without this an empty list of folders would be a passed test."""
    assert {"modules/network", "omnileads/shared"} <= set(map(name, TESTED))
    assert "omnileads/shared" in set(map(name, LOCKED))


def test_a_failing_plan_test_fails_here(hcl):
    folder = hcl / "modules" / "naming"
    prepare(folder)
    file = folder / "tests" / "naming.tftest.hcl"
    file.write_text(file.read_text().replace('"prod-customer1"', '"another-name"'))

    code, said = terraform(folder, "test")

    assert code == 1
    assert "The prefix is <environment>-<stack>." in said
