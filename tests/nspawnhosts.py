"""Throw-away hosts: this machine's own system under an overlay, booted by systemd-nspawn.

Real systemd and real sshd; `podman` alone is a double that writes down what it was told and lets a
sleep stand for each container. Their network is this machine's, each sshd has a port of its own.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.sshhosts import CONFIG, SSHD, Sshd, free_port, make_key

DOUBLE = Path(__file__).parent / "bins" / "podman"
# Nothing on such a host may be silent for longer: what hangs is a failure, soon.
SILENCE_S = 90
COMMAND_S = 60
TARGET = """[Unit]
Description=What a host of a test needs
Requires=basic.target oml-sshd.service
After=basic.target
AllowIsolate=yes
"""
SERVICE = """[Unit]
Description=Way in for the test
[Service]
RuntimeDirectory=sshd
ExecStart={sshd} -D -e -f /etc/oml-sshd/config
"""
# The socket that the real package brings; nobody asks the double by it.
SOCKET = """[Unit]
Description=Podman API Socket
[Socket]
ListenStream=/run/podman/podman.sock
SocketMode=0660
"""
ANSWERS = """[Service]
ExecStart=/bin/sleep infinity
"""
CONTROL = """Package: podman
Version: 4.3.1-double
Architecture: all
Maintainer: nobody <nobody@example.test>
Description: double of podman for tests
"""


def why_not() -> str:
    """Return why no such host can be booted here; empty when one can."""
    if os.geteuid() != 0:
        return "hosts are booted in namespaces only as root"
    lacking = [name for name in ("systemd-nspawn", "dpkg-deb", "unshare") if not shutil.which(name)]
    if SSHD is None or lacking:
        return f"install systemd-container and openssh-server to boot hosts: no {lacking or 'sshd'}"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True
    )
    return f"namespaces are forbidden here: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass
class Booted(Sshd):
    """One booted host; `root` is its file system."""

    name: str = ""
    init: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def root(self) -> Path:
        """Return where its files are seen from outside."""
        return self.folder / "root"

    def start(self) -> "Booted":
        """Boot it with new keys and wait until it answers to SSH."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        options = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        _run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        self._write_ssh()
        self._install_double()
        with open(self.folder / "console", "ab") as console:
            self.init = subprocess.Popen(
                ["systemd-nspawn", f"--directory={self.root}", f"--machine={self.name}",
                 "--boot", "--register=no", "--keep-unit", "--link-journal=no",
                 "--resolv-conf=off", "systemd.unit=oml-test.target"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        try:
            self._wait()
        except AssertionError as error:
            raise AssertionError((self.folder / "console").read_text()[-3000:]) from error
        return self

    def _write_ssh(self) -> None:
        etc = self.root / "etc"
        folder = etc / "oml-sshd"
        folder.mkdir(exist_ok=True)
        make_key(folder / "host_key")
        self.key = make_key(self.folder / "client")
        shutil.copy(self.folder / "client.pub", folder / "authorized_keys")
        (folder / "config").write_text(CONFIG.format(port=self.port, folder="/etc/oml-sshd"))
        units = etc / "systemd" / "system"
        (units / "oml-test.target").write_text(TARGET)
        (units / "oml-sshd.service").write_text(SERVICE.format(sshd=SSHD))
        # What this machine keeps for its own people is no part of a fresh host.
        (self.root / "root" / ".bashrc").unlink(missing_ok=True)
        (self.root / "root" / ".profile").unlink(missing_ok=True)
        # A cluster of PostgreSQL that this machine has would start with the tenant's own unit.
        generators = self.root / "usr/lib/systemd/system-generators"
        (generators / "postgresql-generator").unlink(missing_ok=True)

    def _install_double(self) -> None:
        """Install the double as the package that a playbook asks for."""
        package = self.folder / "package"
        (package / "DEBIAN").mkdir(parents=True)
        (package / "usr/bin").mkdir(parents=True)
        units = package / "usr/lib/systemd/system"
        units.mkdir(parents=True)
        (units / "podman.socket").write_text(SOCKET)
        (units / "podman.service").write_text(ANSWERS)
        (package / "DEBIAN/control").write_text(CONTROL)
        shutil.copy(DOUBLE, package / "usr/bin/podman")
        (package / "usr/bin/podman").chmod(0o755)
        _run(
            "dpkg-deb", "--root-owner-group", "--build", str(package), str(self.root / "podman.deb")
        )
        _run("chroot", str(self.root), "dpkg", "--install", "/podman.deb")

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.run("true", check=False).returncode == 0:
                return
            time.sleep(0.3)
        raise AssertionError("it does not answer")

    def run(self, command: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run a command on it, by SSH as anybody would."""
        return subprocess.run(
            ["ssh", "-F", "/dev/null", "-i", str(self.folder / "client"), "-p", str(self.port),
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "root@127.0.0.1", command],
            capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL,
            timeout=COMMAND_S,
        )  # fmt: skip

    def is_active(self, unit: str) -> bool:
        """Tell whether a unit runs."""
        return self.run(f"systemctl is-active {unit}", check=False).returncode == 0

    def told(self) -> list[str]:
        """Return what the double of podman was told."""
        path = self.root / "var/log/podman-double.log"
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> None:
        """Take it down with all that runs in it, and unmount its files."""
        if self.init is not None:
            self.init.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.init.wait(15)
            if self.init.poll() is None:
                self.init.send_signal(signal.SIGKILL)
                self.init.wait(10)
            self.init = None
        subprocess.run(["umount", "--lazy", str(self.root)], capture_output=True, check=False)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)


@contextlib.contextmanager
def booted(folder: Path, names: tuple[str, ...]) -> Iterator[dict[str, Booted]]:
    """Boot hosts of these names."""
    made = {name: Booted(folder / name, name=name) for name in names}
    try:
        for host in made.values():
            host.start()
        yield made
    finally:
        for host in made.values():
            host.stop()
