"""Hosts for playbooks: sshd processes of this machine, and a program that tells its start."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.client import Client
from bench.lab import Lab
from bench.portal import PROJECT, BenchFailed, Portal, free_port, wait_for

BLUEPRINT, PYTHON = "playbooks", "/usr/bin/python3"
CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
"""
# Keeps what the portal gives to the program, when it is told to; or asks for more words, and keeps
# the file that they go to, which the portal removes with the run's folder.
WRAPPER = """\
#!/bin/sh
if [ "$1" != --version ] && [ -e {folder}/is_kept ]; then
    rm {folder}/is_kept
    cp -a . {folder}/kept
    env -0 >{folder}/environment
    printf '%s\\0' "$@" >{folder}/arguments
fi
if [ -e {folder}/is_verbose ] && [ "$1" != --version ]; then
    ln -fL /proc/self/fd/1 {folder}/raw.log
    set -- -v "$@"
fi
exec {real} "$@"
"""


def find_sshd() -> str:
    """Return the path of sshd; raises BenchFailed where none can let us in."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise BenchFailed("there is no sshd here: install openssh-server for this measurement")
    if os.geteuid() != 0:
        raise BenchFailed("an sshd of the bench lets people in only as root")
    return found


def find_ansible() -> str:
    """Return the path of the ansible-playbook that the portal has; raises BenchFailed."""
    found = Path(sys.executable).with_name("ansible-playbook")
    if not found.exists():
        raise BenchFailed("there is no ansible-playbook beside this Python")
    return str(found)


def make_key(path: Path) -> None:
    """Make an SSH key pair without a passphrase."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(path)]
    subprocess.run(words, check=True)


class Sshd:
    """One sshd with keys of its own; `key` is the private half that it lets in."""

    def __init__(self, folder: Path) -> None:
        program = find_sshd()
        folder.mkdir(parents=True)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        make_key(folder / "host_key")
        make_key(folder / "client")
        shutil.copy(folder / "client.pub", folder / "authorized_keys")
        self.key = (folder / "client").read_text()
        self.port = free_port()
        config = folder / "config"
        config.write_text(CONFIG.format(port=self.port, folder=folder))
        with open(folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            wait_for(self._answers, 10, "an sshd")
        except BaseException:
            self.close()
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(10)


@dataclass(frozen=True)
class Started:
    """How the portal started ansible-playbook once: its folder, arguments, environment."""

    folder: Path
    arguments: list[str]
    environment: dict[str, str]

    def again(self, place: Path, playbook: Path, log: Path) -> float:
        """Return the seconds of the same by hand, in a fresh folder, with Ansible's own output.

        Raises BenchFailed unless it succeeds.
        """
        shutil.copytree(self.folder, place, symlinks=True)
        old, new = self.environment["HOME"], str(place)
        # The inventory names the keys by their paths.
        inventory = place / "inventory.json"
        inventory.write_text(inventory.read_text().replace(f"{old}/", f"{new}/"))
        env = {name: value.replace(old, new) for name, value in self.environment.items()}
        for name in ("ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK"):
            del env[name]
        words = [find_ansible(), *self.arguments[:-1], str(playbook)]
        begun = time.monotonic()
        with open(log, "wb") as out:
            done = subprocess.run(
                words, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        seconds = time.monotonic() - begun
        if done.returncode:
            text = log.read_text(errors="replace")[-500:]
            raise BenchFailed(f"ansible-playbook by hand: {done.returncode}: {text}")
        return seconds


class HostsLab(Lab):
    """A portal with a blueprint of playbooks, and sshd processes as hosts."""

    def __init__(self, folder: Path) -> None:
        # One that could not be measured may have been here.
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.wrapper = folder / "program"
        self.wrapper.mkdir(parents=True)
        program = self.wrapper / "ansible-playbook"
        words = {"folder": shlex.quote(str(self.wrapper)), "real": shlex.quote(find_ansible())}
        program.write_text(WRAPPER.format(**words))
        program.chmod(0o755)
        blueprints = folder / "blueprints"
        shutil.copytree(PROJECT / "hcl_template" / "lab", blueprints / "lab")
        shutil.copytree(PROJECT / "hcl_template" / "modules", blueprints / "modules")
        shutil.copytree(PROJECT / "bench" / "blueprints" / BLUEPRINT, blueprints / BLUEPRINT)
        self.playbooks = blueprints / BLUEPRINT / "ansible"
        self.machines: list[Sshd] = []
        try:
            for number in range(2):
                self.machines.append(Sshd(folder / f"sshd{number}"))
            super().__init__(
                folder / "portal", ANSIBLE_BIN=str(program), BLUEPRINT_ROOT=str(blueprints)
            )
        except BaseException:
            self._stop_machines()
            raise

    def _prepare(self, settings: dict[str, str]) -> None:
        """Make nothing: tenants on hosts need no shared environment."""

    def close(self) -> None:
        """Stop the portal, then the hosts."""
        super().close()
        self._stop_machines()

    def _stop_machines(self) -> None:
        for machine in self.machines:
            machine.close()

    def keep_start(self) -> None:
        """Let the next playbook's start be kept, see `kept`."""
        (self.wrapper / "is_kept").touch()

    def kept(self) -> Started:
        """Return how the playbook was started that `keep_start` was for."""
        read = (self.wrapper / "environment").read_text().split("\0")
        env = dict(row.split("=", 1) for row in read if "=" in row)
        words = (self.wrapper / "arguments").read_text().split("\0")
        return Started(self.wrapper / "kept", words[:-1], env)

    def be_verbose(self) -> None:
        """Let playbooks run with -v from here on; `raw_log` is the last one's."""
        (self.wrapper / "is_verbose").touch()

    @property
    def raw_log(self) -> Path:
        """Return where the last playbook's events stand as the callback wrote them."""
        return self.wrapper / "raw.log"

    def make_hosts(self, name: str, count: int) -> str:
        """Make a tenant on that many hosts, with known keys; returns the stack's id.

        The first two have an sshd each, whose keys are confirmed as by a person; the others stand
        for the second one again.
        """
        stack = self._make_tenant(name)
        for number, machine in enumerate(self.machines):
            self._add(stack, number, machine)
        status = self.client.wait_end(self.client.start(stack, "contact"), 60)
        if status != "planned_and_finished":
            raise BenchFailed(f"the first contact of {name} is {status}")
        _confirm(self.client, stack)
        if count > len(self.machines):
            _multiply(self.portal, name, count - len(self.machines))
        return stack

    def _make_tenant(self, name: str) -> str:
        form = self.client.form("/tenants/new/", "name")
        region = next(value for value, text in form["options"]["region"] if text.startswith("lab"))
        fields = {"name": name, "title": name, "blueprint": BLUEPRINT, "region": region}
        answer = self.client.post("/tenants/new/", form["fields"] | fields)
        if answer.status_code != 302:
            raise BenchFailed(f"tenant {name}: {answer.status_code}: {answer.text[:300]}")
        self.stacks[name] = self.client.stack_ids()[name]
        return self.stacks[name]

    def _add(self, stack: str, number: int, machine: Sshd) -> None:
        self.client.send(
            f"/stacks/{stack}/hosts/new/", "ssh_key", name=f"node-{number}", role="node",
            address="127.0.0.1", port=str(machine.port), user="root", python=PYTHON,
            ssh_key=machine.key,
        )  # fmt: skip


def _confirm(client: Client, stack: str) -> None:
    """Confirm the keys that the hosts of a stack showed."""
    path = f"/stacks/{stack}/hosts/"
    page = client.get(path).text
    found = re.findall(
        r'action="(/hosts/[^"]+/pin/)".*?name="fingerprint" value="([^"]+)"', page, re.S
    )
    for action, fingerprint in found:
        if client.post(action, {"fingerprint": fingerprint}).status_code != 302:
            raise BenchFailed(f"{action} confirms nothing")
    if len(found) != 2:
        raise BenchFailed(f"{path} asks for {len(found)} keys, 2 are wanted")


# Two hundred first contacts are no part of any figure.
MULTIPLY = """
from tenants.models import Host
last = Host.objects.get(stack__name="{name}", name="node-1")
Host.objects.bulk_create(
    Host(stack=last.stack, name=f"node-{{n + 2}}", role=last.role, address=last.address,
         port=last.port, user=last.user, python=last.python, host_key=last.host_key)
    for n in range({count})
)
"""


def _multiply(portal: Portal, name: str, count: int) -> None:
    words = MULTIPLY.format(name=name, count=count)
    done = portal.manage("shell", "--no-imports", "-c", words)
    if done.returncode:
        raise BenchFailed(f"hosts of {name}: {done.stderr[-1000:]}")
