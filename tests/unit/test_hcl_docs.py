"""The tables in the README.md of a module: made from its HCL, and named when they are stale."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
SCRIPT = PROJECT / "scripts" / "hcl_docs.py"
HCL = """
variable "size" {
  description = "Size | of the machine."
  type        = string
  default     = "small"
}

variable "password" {
  description = "Password."
  type        = string
  sensitive   = true
}

output "address" {
  description = "Where it is."
  value       = "here"
}
"""
README = "# Demo\n\n<!-- begin generated -->\n<!-- end generated -->\n\nThe end.\n"


@pytest.fixture
def module(tmp_path):
    """A module with a README.md that has no tables yet."""
    (tmp_path / "main.tf").write_text(HCL)
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def make(folder, *options):
    """Run the script over one folder; return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *options, folder], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_tables_tell_names_types_defaults_and_secrets(module):
    assert make(module) == (0, "")

    text = (module / "README.md").read_text()
    assert '| `size` | `string` | `"small"` | Size \\| of the machine. |' in text
    assert "| `password` | `string` | required (secret) | Password. |" in text
    assert "| `address` | Where it is. |" in text
    assert text.startswith("# Demo\n") and text.endswith("\nThe end.\n")


def test_stale_tables_are_named_and_left_alone(module):
    assert make(module) == (0, "")
    assert make(module, "--check") == (0, "")
    (module / "more.tf").write_text('variable "more" {\n  type = string\n}\n')
    before = (module / "README.md").read_text()

    code, said = make(module, "--check")

    assert code == 1
    assert "stale" in said and str(module) in said
    assert (module / "README.md").read_text() == before


def test_a_readme_without_a_place_for_the_tables_is_named(module):
    (module / "README.md").write_text("# Demo\n")

    code, said = make(module)

    assert code == 1
    assert "no place for the tables" in said


def test_hcl_that_does_not_parse_is_named_with_its_line(module):
    (module / "main.tf").write_text('variable "x" {\n')

    code, said = make(module)

    assert code == 1
    assert "main.tf:" in said


def test_a_tested_module_without_a_readme_is_found(module):
    (module / "README.md").unlink()
    (module / "tests").mkdir()
    spec = importlib.util.spec_from_file_location("hcl_docs", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    assert list(script.folders(module)) == [module]
    assert "has no README.md" in script.bring_up_to_date(module, True)
