"""ansible-playbook's command line, its environment, its private files and its version.

Values never stand on a command line: they are in 0600 files of the run's folder. The process
runs in that folder, and what ssh is told of it is relative, so that no path is too long for a
socket or has a blank in the wrong place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import process
from .terraform import PASSED_ON
from .workdir import write_private

CALLBACKS = Path(__file__).with_name("callbacks")
VERSION_TIMEOUT_S = 30
FORKS = 20
CONNECT_TIMEOUT_S = 20
# One connection for each host and run, whose sockets stand in the run's own folder. Only the key
# that was confirmed counts, whatever the worker's user has in ~/.ssh.
SSH_ARGS = " ".join((
    "-F /dev/null",
    "-o ControlMaster=auto -o ControlPersist=60s -o ControlPath=ssh/%C",
    "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=known_hosts",
    "-o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no",
    "-o PasswordAuthentication=no -o KbdInteractiveAuthentication=no",
    "-o ServerAliveInterval=15 -o ServerAliveCountMax=4",
))  # fmt: skip
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")
_VERSION = re.compile(r"\[core ([0-9.]+)")


class AnsibleUnusable(Exception):
    """There is no ansible-playbook that answers; `problem` says why."""

    def __init__(self, binary: str, problem: str) -> None:
        self.binary, self.problem = binary, problem
        super().__init__(f"{binary}: {problem}")


@dataclass(frozen=True)
class Place:
    """The private files of a run's playbooks; `path` is also the folder that they run in."""

    path: Path

    @property
    def inventory(self) -> Path:
        return self.path / "inventory.json"

    @property
    def variables(self) -> Path:
        return self.path / "variables.yml"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.yml"

    @property
    def known_hosts(self) -> Path:
        return self.path / "known_hosts"

    @property
    def configuration(self) -> Path:
        return self.path / "ansible.cfg"

    def key(self, name: str) -> Path:
        return self.path / "keys" / name

    def make(self) -> Place:
        """Make the folders, private to this user."""
        for folder in (self.path, self.path / "keys", self.path / "ssh", self.path / "tmp"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        # Empty, so that no other one is looked for.
        write_private(self.configuration, b"")
        return self

    def write_inventory(self, document: Mapping[str, object]) -> None:
        write_private(self.inventory, json.dumps(document, indent=1).encode())

    def write_known_hosts(self, keys: Mapping[str, str]) -> None:
        """Write the confirmed keys, each under the alias by which ssh is told to look for it."""
        lines = [f"{alias} {key}\n" for alias, key in keys.items()]
        write_private(self.known_hosts, "".join(lines).encode())


def write_values(path: Path, values: Mapping[str, object]) -> None:
    """Write variables that Ansible takes as they are: braces in them are no template.

    https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_advanced_syntax.html
    """
    # The tag stands before the whole, because before a single text it would undo the quotes: ""
    # became null, "1.10" a number.
    lines = [f"{json.dumps(name)}: {_yaml(value)}" for name, value in values.items()]
    write_private(path, ("!unsafe {\n" + ",\n".join(lines) + "\n}\n").encode())


def _yaml(value: object) -> str:
    """Return a value as JSON, which is YAML but for pairs of escapes: YAML has a longer one."""

    def joined(pair: re.Match[str]) -> str:
        high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
        return f"\\U{0x10000 + (high << 10) + low:08x}"

    return _PAIR.sub(joined, json.dumps(value))


def host_alias(public_id: str) -> str:
    """Return the ssh options by which a host is known by its id, whatever its address is."""
    return f"-o HostKeyAlias={public_id}"


def command(
    binary: str,
    playbook: Path,
    place: Place,
    limit: Iterable[str] = (),
    tags: Iterable[str] = (),
    check: bool = False,
) -> list[str]:
    """Return the command line; exit code 0: done, 2: a host failed, 4: unreachable, 99: stopped."""
    argv = [find(binary), "-i", place.inventory.name]
    argv += ["-e", f"@{place.variables.name}", "-e", f"@{place.secrets.name}"]
    argv += ["--check", "--diff"] if check else []
    argv += ["--limit", ",".join(limit)] if limit else []
    argv += ["--tags", ",".join(tags)] if tags else []
    return [*argv, str(playbook)]


def environment(
    place: Place, extra: Mapping[str, str] | None = None, inherit: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the whole environment: an allow-list, no configuration file of anybody."""
    source = os.environ if inherit is None else inherit
    return {
        "PATH": os.defpath,
        "TZ": "UTC",
        **{name: source[name] for name in PASSED_ON if name in source},
        # Ansible refuses any other encoding.
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(place.path),
        "TMPDIR": str(place.path / "tmp"),
        # Plug-ins stand in the portal's own folders: nothing is written there.
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(place.configuration),
        "ANSIBLE_HOME": str(place.path / "home"),
        "ANSIBLE_LOCAL_TEMP": str(place.path / "tmp"),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_STDOUT_CALLBACK": "json_lines",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_HOST_KEY_CHECKING": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_TIMEOUT": str(CONNECT_TIMEOUT_S),
        "ANSIBLE_SSH_ARGS": SSH_ARGS,
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        # A module logs its arguments over there; that is no place for them.
        "ANSIBLE_NO_TARGET_SYSLOG": "1",
        **(extra or {}),
    }


# -- version -------------------------------------------------------------------------------

_versions: dict[tuple[str, int, int], str] = {}


def find(binary: str) -> str:
    """Return the absolute path of the program. Raises AnsibleUnusable."""
    path = shutil.which(binary)
    if path is None:
        raise AnsibleUnusable(binary, "there is no such program")
    return os.path.abspath(path)


def version(binary: str) -> str:
    """Return the version of ansible-core, asked once for each file. Raises AnsibleUnusable."""
    path = find(binary)
    stat = os.stat(path)
    key = (path, stat.st_mtime_ns, stat.st_size)
    if key not in _versions:
        _versions[key] = _ask_version(path)
    return _versions[key]


def _ask_version(path: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        place, out = Place(Path(folder)).make(), Path(folder) / "version"
        answer = process.capture(
            [path, "--version"], place.path, environment(place), "", VERSION_TIMEOUT_S, out
        )
        found = _VERSION.search(out.read_text(errors="replace"))
        if found is None:
            raise AnsibleUnusable(path, answer.stderr.strip()[-200:] or "it does not answer")
        return found[1]


# -- keys of hosts -------------------------------------------------------------------------

# The best first: one key is kept of each host.
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-512", "ssh-rsa")


def scan_command(address: str, port: int) -> list[str]:
    """Return the command that asks a host for its own keys."""
    return ["ssh-keyscan", "-T", str(CONNECT_TIMEOUT_S), "-p", str(port), "--", address]


def best_key(scanned: str) -> str:
    """Return the key to keep of what ssh-keyscan printed, as `type base64`; empty for none."""
    found = {}
    for line in scanned.splitlines():
        words = line.split()
        if len(words) >= 3 and not line.startswith("#"):
            found.setdefault(words[1], " ".join(words[1:3]))
    return next((found[kind] for kind in KEY_TYPES if kind in found), "")
