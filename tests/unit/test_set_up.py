"""What `make` sets up from: scripts, lock files, and pages that need nothing else."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("sh", "dirname", "basename", "cmp", "cp", "awk", "cat")
PIN = re.compile(r"^([\w.-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(name):
    """Return package and version of each line of a compiled requirements file."""
    return dict(PIN.findall((PROJECT / name).read_text()))


def test_tests_run_with_the_packages_that_the_portal_runs_with():
    portal, development = pins("requirements.txt"), pins("requirements-dev.txt")

    assert {name: development.get(name) for name in portal} == portal


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-npm.txt",
        "requirements-tools.txt",
    ],
)
def test_every_requirement_has_hashes(name):
    text = (PROJECT / name).read_text()
    blocks = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]

    assert blocks
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_every_front_end_package_has_a_hash_and_no_foreign_host():
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert [name for name, package in packages.items() if "integrity" not in package] == []
    for package in packages.values():
        address = package.get("resolved", "https://registry.npmjs.org/")
        assert address.startswith("https://registry.npmjs.org/")


def test_front_end_packages_are_pinned_exactly():
    wanted = json.loads((PROJECT / "package.json").read_text())["dependencies"]

    assert [version for version in wanted.values() if not re.fullmatch(r"[\d.]+", version)] == []


def test_no_page_loads_anything_from_another_host():
    loading = re.compile(
        r"""(?:<(?:script|img|iframe|link|source|video|audio|use)\b[^>]*?(?:src|href)="""
        r"""|url\(|@import\s+|import\s+(?:[^;]*?from\s+)?)\s*["']?\s*((?:https?:)?//[^"'\s)]+)"""
    )
    ours = [
        path
        for folder in ("templates", "static")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".html", ".css", ".js") and "vendor" not in path.parts
    ]

    assert {path.name: loading.findall(path.read_text()) for path in ours} == {
        path.name: [] for path in ours
    }


@pytest.fixture
def bare_machine(tmp_path):
    """A copy of the scripts, and a PATH with the plainest tools and what a test adds."""
    shutil.copytree(PROJECT / "scripts", tmp_path / "project" / "scripts")
    shutil.copy(PROJECT / "requirements.txt", tmp_path / "project")
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    return tmp_path


def add_program(machine, name, body):
    """Put a program on the machine's PATH."""
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def set_up(machine):
    """Run the set-up of the virtual environment there."""
    return subprocess.run(
        [machine / "project" / "scripts" / "venv.sh"],
        env={
            "PATH": str(machine / "bin"),
            "HOME": str(machine),
            "LANG": os.environ.get("LANG", ""),
        },
        capture_output=True,
        text=True,
    )


OLD_PYTHON = 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac'
# New enough, but Debian's package without python3-venv.
NO_ENSUREPIP = 'case "$2" in *ensurepip*) exit 1 ;; *"%d.%d"*) echo 3.12 ;; *) exit 0 ;; esac'


def test_an_old_python_is_told_the_one_command_that_helps(bare_machine):
    add_program(bare_machine, "python3", OLD_PYTHON)
    add_program(bare_machine, "apt-get", "exit 0")

    done = set_up(bare_machine)

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; found: Python 3.9.2." in done.stderr
    assert "sudo apt-get install -y python3.11 python3.11-venv" in done.stderr


def test_a_missing_ensurepip_is_told_the_one_command_that_helps(bare_machine):
    add_program(bare_machine, "python3", NO_ENSUREPIP)
    add_program(bare_machine, "apt-get", "exit 0")

    done = set_up(bare_machine)

    assert done.returncode == 1
    assert "sudo apt-get install -y python3.12 python3.12-venv" in done.stderr


def test_a_mac_without_python_is_told_of_homebrew(bare_machine):
    add_program(bare_machine, "brew", "exit 0")

    done = set_up(bare_machine)

    assert done.returncode == 1
    assert "found: none." in done.stderr
    assert "brew install python@3.12" in done.stderr
