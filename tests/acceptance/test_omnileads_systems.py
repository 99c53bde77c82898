"""Which systems the contact centre accepts: `--check` on facts of such hosts, which are no hosts.

The facts are written by hand after what the distributions say of themselves; rpm and podman are
doubles. That Rocky and Alma Linux work is not proved by this.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from deployments.runner import ansible
from tests.conftest import BINS

FOLDER = Path(__file__).parents[2] / "hcl_template/omnileads-hosts"
VERSIONS = ("django", "websockets", "nginx", "kamailio", "asterisk", "rtpengine")
SECRETS = ("postgres_password", "ami_password", "admin_password", "minio_password",
           "bucket_access_key", "bucket_secret_key", "grafana_password")  # fmt: skip


def facts(distribution: str, version: str, python: str) -> dict[str, object]:
    """Return what Ansible gathers of such a host, as far as a playbook asks for it."""
    family = "Debian" if distribution == "Debian" else "RedHat"
    return {
        "ansible_distribution": distribution,
        "ansible_distribution_version": version,
        "ansible_distribution_major_version": version.partition(".")[0],
        "ansible_os_family": family,
        "ansible_pkg_mgr": "apt" if family == "Debian" else "dnf",
        "ansible_python_version": python,
        "ansible_python": {"executable": "/usr/bin/python3", "version": {}},
    }


def defaults() -> dict[str, object]:
    """Return the plain inputs' defaults, which Terraform's files hold."""
    from tenants import blueprints

    kind = blueprints.load("omnileads-hosts").kinds["tenant"]
    return {v.name: v.default for v in kind.variables.values() if v.has_default}


def checked(
    place: Path, told: dict[str, object], lacks: str = "", playbook: Path | None = None
) -> tuple[int, str]:
    """Do a playbook (install) with --check on facts alone; return exit code and what it said."""
    modules = place / "modules"
    modules.mkdir()
    bins = place / "bins"
    bins.mkdir()
    (bins / "podman").symlink_to(BINS / "podman")
    (bins / "rpm").write_text(
        f'#!/bin/sh\nfor last in "$@"; do :; done\ntest "$last" != "{lacks}"\n'
    )
    (bins / "rpm").chmod(0o755)
    (place / "ansible.cfg").touch()
    # Stands for Ansible's own gathering.
    module = modules / "told_facts"
    answer = json.dumps({"changed": False, "ansible_facts": told})
    module.write_text(f"#!/bin/sh\n# WANT_JSON\ncat <<'END'\n{answer}\nEND\n")
    host = {"ansible_connection": "local", "omni_ip_lan": "10.0.0.1", "omni_ip_wan": "192.0.2.1",
            "ansible_python_interpreter": sys.executable}  # fmt: skip
    groups = {name: {"hosts": {"host": {}}} for name in ("app", "voice", "observability")}
    inventory = {"all": {"hosts": {"host": host}, "children": groups}}
    (place / "inventory.json").write_text(json.dumps(inventory))
    values = defaults() | {"tenant_id": "acme", "timezone": "UTC"}
    values |= {f"{name}_version": "230215.01" for name in VERSIONS}
    values |= dict.fromkeys(SECRETS, "word-of-acme-12")
    (place / "values.json").write_text(json.dumps(values))
    done = subprocess.run(
        [settings.ANSIBLE_BIN, "--check", "-i", place / "inventory.json", "-e",
         f"@{place}/values.json", playbook or FOLDER / "ansible/install.yml"],
        capture_output=True, text=True, cwd=place,
        env={
            "PATH": f"{bins}:{os.environ['PATH']}", "HOME": str(place), "LANG": "C.UTF-8",
            "PODMAN_DOUBLE": str(place / "podman"), "ANSIBLE_LIBRARY": str(modules),
            "ANSIBLE_FACTS_MODULES": "told_facts", "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        },
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_whole_playbook_is_tried_on_facts_of_rocky(tmp_path):
    code, said = checked(tmp_path, facts("Rocky", "8.10", "3.9.20"), lacks="podman")
    assert code == 0, said[-3000:]
    assert "failed=0" in said
    # What is lacking would be installed by dnf, what is there would not.
    assert "Ensure the packages are there, by dnf" in said
    assert "Ensure grafana" in said and "Ensure nginx" in said


@pytest.mark.parametrize(
    ("distribution", "version", "python"),
    [("Rocky", "9.5", "3.9.21"), ("AlmaLinux", "8.10", "3.8.17"), ("AlmaLinux", "9.4", "3.12.8")],
)
def test_what_every_host_needs_is_tried_on_facts_of(tmp_path, distribution, version, python):
    playbook = tmp_path / "needs.yml"
    role = str(FOLDER / "ansible/roles/prerequisites")
    playbook.write_text(json.dumps([{"hosts": "all", "roles": [{"role": role}]}]))
    told = facts(distribution, version, python)
    code, said = checked(tmp_path, told, "openssl", playbook)
    assert code == 0 and "Ensure the folders" in said, said[-3000:]


@pytest.mark.parametrize(
    ("distribution", "version", "python", "words"),
    [
        ("Rocky", "8.10", "3.6.8", "Python 3.6.8 (/usr/bin/python3) is not supported"),
        ("Debian", "13.1", "3.14.0", "Python 3.14.0"),
        ("Debian", "10.13", "3.8.2", "Debian 10.13 is not supported"),
        ("Ubuntu", "24.04", "3.12.3", "Ubuntu 24.04 is not supported"),
        ("Rocky", "10.0", "3.12.1", "Rocky 10.0 is not supported"),
    ],
)
def test_others_are_refused_with_what_was_found(tmp_path, distribution, version, python, words):
    code, said = checked(tmp_path, facts(distribution, version, python))
    assert code == 2 and words in " ".join(said.split()), said[-3000:]
    assert "Ensure the folders" not in said


@pytest.mark.parametrize("version", ["11.11", "12.5", "13.1"])
def test_debian_is_accepted(version):
    wanted = yaml.safe_load((FOLDER / "ansible/roles/prerequisites/defaults/main.yml").read_text())
    assert version.partition(".")[0] in wanted["prerequisites_systems"]["Debian"]


def test_the_pythons_are_those_of_the_pinned_ansible():
    """https://docs.ansible.com/ansible-core/2.19/reference_appendices/release_and_maintenance.html"""
    wanted = yaml.safe_load((FOLDER / "ansible/roles/prerequisites/defaults/main.yml").read_text())
    assert ansible.version(settings.ANSIBLE_BIN).startswith("2.19.")
    from ansible.module_utils import basic

    lowest = ".".join(str(part) for part in basic._PY_MIN)
    assert wanted["prerequisites_python"][0] == lowest
