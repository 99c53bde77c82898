"""Values reach a playbook as what they are: by the real ansible-playbook, without any host."""

import json
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from deployments.runner import ansible

VALUES = {
    "empty": "",
    "braces": "{{ nobody }} {% if x %}",
    "looks_like_a_number": "1.10",
    "looks_like_truth": "yes",
    "looks_like_a_date": "2020-01-01",
    "odd": "a\nb \"c\" 'd' \\ud83d # : - \x7f \x85 \u2028 \U0001f600 \t ñ",
    "nothing": None,
    "list": ["", "{{ x }}", 1, {"off": "off"}],
    "number": 3,
    "truth": False,
}


def received(folder: Path, values: dict[str, object]) -> dict[str, object]:
    """Return what a playbook sees of the values."""
    place = ansible.Place(folder).make()
    ansible.write_values(place.variables, values)
    ansible.write_values(place.secrets, {})
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    place.write_inventory({"all": {"hosts": {"here": here}}})
    names = ", ".join(f"'{name}': {name}" for name in values)
    task = {
        "ansible.builtin.copy": {
            "content": "{{ {" + names + "} | to_json }}", "dest": str(folder / "seen"),
            "mode": "0600",
        }
    }  # fmt: skip
    play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    (folder / "play.yml").write_text(json.dumps(play))
    argv = ansible.command(settings.ANSIBLE_BIN, folder / "play.yml", place)
    done = subprocess.run(argv, cwd=folder, env=ansible.environment(place), capture_output=True)
    assert done.returncode == 0, done.stdout.decode()[-2000:]
    return json.loads((folder / "seen").read_text())


def test_values_are_neither_templates_nor_guessed_at(tmp_path):
    assert received(tmp_path, VALUES) == VALUES


def test_their_files_are_private(tmp_path):
    place = ansible.Place(tmp_path / "play").make()
    ansible.write_values(place.secrets, {"a": "b"})
    assert place.secrets.stat().st_mode & 0o777 == 0o600
    assert place.path.stat().st_mode & 0o777 == 0o700
