"""Settings as a process reads them from its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ("WORKDIR_ROOT", "STATE_ROOT", "BLUEPRINT_ROOT", "TERRAFORM_BIN")
SCRIPT = """
import json
from omlsaas import settings
print(json.dumps([str(getattr(settings, name)) for name in {!r}]))
"""


def read(var: Path, **environment: str) -> list[str]:
    """Return the settings of a process with this environment, started in another folder."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    given = {"VAR_ROOT": str(var), "PYTHONPATH": str(PROJECT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(NAMES)], env=kept | given, cwd=var,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_an_empty_value_means_the_default_and_not_the_current_folder(tmp_path):
    default = [f"{tmp_path}/workdirs", f"{tmp_path}/state", f"{PROJECT}/hcl_template", "terraform"]
    assert read(tmp_path) == default
    assert read(tmp_path, **dict.fromkeys(NAMES, "")) == default


def test_a_value_is_taken(tmp_path):
    given = dict(zip(NAMES, ("/w", "/s", "/b", "/opt/terraform"), strict=True))
    assert read(tmp_path, **given) == list(given.values())
