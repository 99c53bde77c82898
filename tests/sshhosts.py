"""Hosts for tests: real sshd processes of this machine, each on a port and with keys of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SSHD = os.environ.get("SSHD") or shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
CONFIG = """
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
MaxStartups 100
Subsystem sftp internal-sftp
"""


def why_not() -> str:
    """Return why there can be no sshd here; empty when there can."""
    if SSHD is None:
        return "there is no sshd here: install openssh-server to run this test"
    if os.geteuid() != 0:
        return "a test's sshd lets people in only as root: run the tests as root for this one"
    return ""


def make_key(path: Path) -> str:
    """Make an SSH key pair; return the private half."""
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True
    )
    return path.read_text()


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Sshd:
    """One sshd; `key` is the private key that it lets in."""

    folder: Path
    port: int = 0
    key: str = ""
    process: subprocess.Popen | None = field(default=None, repr=False)

    def start(self) -> "Sshd":
        """Start it, with new keys unless there are some."""
        self.folder.mkdir(parents=True, exist_ok=True)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = self.port or free_port()
        if not (self.folder / "host_key").exists():
            make_key(self.folder / "host_key")
        if not self.key:
            self.key = make_key(self.folder / "client")
            shutil.copy(self.folder / "client.pub", self.folder / "authorized_keys")
        config = self.folder / "config"
        config.write_text(CONFIG.format(port=self.port, folder=self.folder))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()
        return self

    def _wait(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop it and the sessions that it has."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def change_host_key(self) -> None:
        """Be another machine at the same address."""
        self.stop()
        make_key(self.folder / "host_key")
        self.start()


@contextlib.contextmanager
def two_hosts(folder: Path) -> Iterator[dict[str, Sshd]]:
    """Start the hosts app-one and voice-one."""
    made = {name: Sshd(folder / name) for name in ("app-one", "voice-one")}
    try:
        for host in made.values():
            host.start()
        yield made
    finally:
        for host in made.values():
            host.stop()


def fingerprint_of(machine: Sshd) -> str:
    """Return what ssh-keygen shows of a machine's own key."""
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(machine.folder / "host_key.pub")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return shown.stdout.split()[1]
