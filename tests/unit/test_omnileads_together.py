"""No host goes on alone when another one fails: what the playbooks of backups stand on."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from deployments.runner import ansible

PLAYBOOKS = Path(__file__).parents[2] / "hcl_template/omnileads-hosts/ansible"
PLAY = """
- name: Two hosts
  hosts: all
  gather_facts: false
  any_errors_fatal: {is_fatal}
  tasks:
    - name: Together
      block:
        - name: In a role
          ansible.builtin.include_role:
            name: part
        - name: Go on
          ansible.builtin.file: &touched
            path: "{{{{ place }}}}/{{{{ inventory_hostname }}}}-went-on"
            state: touch
      always:
        - name: Clean up
          ansible.builtin.file:
            <<: *touched
            path: "{{{{ place }}}}/{{{{ inventory_hostname }}}}-cleaned-up"
"""
PART = """
- name: With a way out
  block:
    - name: Fail on one of them
      {how}
      when: inventory_hostname == failing
    - name: Go on in there
      ansible.builtin.file:
        path: "{{{{ place }}}}/{{{{ inventory_hostname }}}}-went-on"
        state: touch
  rescue:
    - name: End badly
      ansible.builtin.fail:
        msg: there is none
"""
FAILS = "ansible.builtin.fail: {msg: this one}"


def play(folder: Path, failing: str, is_fatal: bool = True) -> tuple[int, set[str]]:
    """Run it on two hosts, which are this machine; return Ansible's exit code, and the files."""
    place = ansible.Place(folder / "play").make()
    (folder / "out").mkdir()
    (folder / "play.yml").write_text(PLAY.format(is_fatal=is_fatal))
    (folder / "roles/part/tasks").mkdir(parents=True)
    (folder / "roles/part/tasks/main.yml").write_text(PART.format(how=FAILS))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    place.write_inventory({"all": {"hosts": {"one": here, "two": here}}})
    ansible.write_values(place.variables, {"place": str(folder / "out"), "failing": failing})
    ansible.write_values(place.secrets, {})
    done = subprocess.run(
        ansible.command(settings.ANSIBLE_BIN, folder / "play.yml", place), cwd=place.path,
        env=ansible.environment(place), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, {path.name for path in (folder / "out").iterdir()}


@pytest.mark.parametrize("failing", ["one", "two"])
def test_the_other_host_stops_there_and_both_clean_up(tmp_path, failing):
    code, files = play(tmp_path, failing)
    assert code == 2
    assert files == {"one-cleaned-up", "two-cleaned-up"}


def test_otherwise_the_other_one_would_go_on(tmp_path):
    _code, files = play(tmp_path, "one", is_fatal=False)
    assert "two-went-on" in files


@pytest.mark.parametrize("name", ["backup.yml", "restore.yml"])
def test_the_playbooks_say_so(name):
    (only,) = yaml.safe_load((PLAYBOOKS / name).read_text())
    assert only["any_errors_fatal"] is True and only["hosts"] == "all:!observability"
