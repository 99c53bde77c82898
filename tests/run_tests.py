"""Run the tests with all that they need: `make test` calls this inside .venv.

Without arguments there are two processes, where memory allows: tests that mostly wait for a
simulated cloud or for booted hosts (marked `aside`) run beside the rest, with servers of their own.

Servers are the embedded ones in a private temporary folder, or those that DATABASE_URL and
REDIS_URL name. Chromium comes from the distribution where it may be installed; without one,
browser tests are skipped and say so.
"""

import base64
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from omlsaas.lib.embedded import Servers  # noqa: E402 the project has to be on the path first

# A test's data may vanish with the machine: no need to wait for the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ASIDE = ["tests", "-m", "aside", "-p", "no:cacheprovider"]
# Two providers at work, and what they speak to: tests aside have at most that at a time.
ASIDE_BYTES = 4 << 30
# Where Terraform itself looks for providers, and where machines without internet keep them.
MIRRORS = ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")


class FolderSummary:
    """Prints how each folder of tests went: passed, failed, skipped, seconds."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter] = defaultdict(Counter)
        self.seconds: Counter = Counter()

    def pytest_runtest_logreport(self, report) -> None:
        """Count one phase of one test."""
        folder = "/".join(report.nodeid.split("::")[0].split("/")[:-1])
        self.seconds[folder] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[folder][report.outcome] += 1

    def pytest_terminal_summary(self, terminalreporter) -> None:
        """Print the table."""
        terminalreporter.section("per folder")
        for folder in sorted(self.outcomes):
            count = self.outcomes[folder]
            terminalreporter.write_line(
                f"{folder:<24} {count['passed']:5} passed {count['failed']:4} failed "
                f"{count['skipped']:4} skipped {self.seconds[folder]:8.1f} s"
            )


def find_browser() -> str:
    """Return a Chromium to drive, installed if that is allowed; empty when there is none."""
    script = PROJECT / "scripts" / "chromium.sh"
    return subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def find_sshd() -> str:
    """Return an sshd for hosts of tests, installed if that is allowed; empty when there is none."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which("systemd-nspawn"):  # hosts that are booted, where namespaces are allowed
        install("systemd-container")
    if not shutil.which("sshd", path=path) and install("openssh-server"):
        # It is for the tests alone: nothing listens after the next start of this machine.
        subprocess.run(["systemctl", "disable", "ssh"], capture_output=True, check=False)
    return shutil.which("sshd", path=path) or ""


def install(package: str) -> bool:
    """Install a package of the distribution where that is allowed; tell whether it was tried."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing {package} for the tests", flush=True)
    # At run level 1 no package starts its service.
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update", "-q"], ["install", "-qy", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", *arguments], env=env, capture_output=True, text=True)
        if done.returncode:
            print(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-500:]}")
    return True


def find_mirror() -> str:
    """Return a folder with Terraform providers on this machine; empty when there is none."""
    if os.environ.get("PROVIDER_MIRROR"):
        return os.environ["PROVIDER_MIRROR"]
    candidates = [Path(place) for place in MIRRORS]
    candidates += [found.parent for found in Path("/opt").glob("*/registry.terraform.io")]
    places = (place for place in candidates if (place / "registry.terraform.io").is_dir())
    return str(next(places, ""))


def terraform_configuration(folder: Path, mirror: str) -> Path:
    """Write a CLI configuration of our own: the one in the environment may not exist."""
    method = f'  filesystem_mirror {{ path = "{mirror}" }}\n' if mirror else ""
    path = folder / "terraform.rc"
    path.write_text(
        f"disable_checkpoint = true\nprovider_installation {{\n{method}  direct {{}}\n}}\n"
    )
    return path


def environment(folder: Path, servers: Servers) -> dict[str, str]:
    """Return what the tests find in their environment."""
    mirror = find_mirror()
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    # WhiteNoise warns of a folder that is not there, and a warning is an error here.
    (folder / "var" / "static").mkdir(parents=True, exist_ok=True)
    return {
        "VAR_ROOT": str(folder / "var"),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": f"k1:{key}",
        "AUDIT_KEYS": f"a1:{key}",
        "STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        "CHROMIUM": find_browser(),
        "SSHD": find_sshd(),
        "PROVIDER_MIRROR": mirror,
        "TF_CLI_CONFIG_FILE": str(terraform_configuration(folder, mirror)),
        **servers.urls,
    }


class Aside:
    """Tests in a process of their own; what they print comes in one piece, at the end."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.path = folder / "aside.log"
        with self.path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / "tests" / "run_tests.py"), *ASIDE],
                cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                # Ctrl-C is handed on once: a second one would break its tidying up.
                env=env, start_new_session=True,
            )  # fmt: skip

    def finish(self) -> int:
        """Wait for them, print what they said and return their exit code."""
        print("Waiting for the tests aside", flush=True)
        code = self.process.wait()
        print(self.path.read_text(errors="replace"), flush=True)
        return code

    def stop(self) -> None:
        """End them if they are still at work."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()


def has_room_aside(given: Mapping[str, str]) -> bool:
    """Tell whether tests may run aside: with servers of their own, and with memory for it."""
    shared = any(given.get(name) for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"))
    return not shared and psutil.virtual_memory().available >= ASIDE_BYTES


def run(arguments: list[str], folder: Path, given: dict[str, str]) -> int:
    """Run pytest in this process; with no arguments a second one beside it, as `given` begins."""
    if arguments or not has_room_aside(given):
        chosen = arguments or ["tests"]
        return int(pytest.main(chosen, plugins=[FolderSummary()]))
    aside = Aside(folder, given | {"CHROMIUM": os.environ["CHROMIUM"]})
    try:
        chosen = ["tests", "-m", "not aside"]
        code = int(pytest.main(chosen, plugins=[FolderSummary()]))
        return aside.finish() or code
    finally:
        aside.stop()


def main() -> int:
    """Set up, run pytest with the given arguments, tear down; returns the exit code."""
    begun = time.monotonic()
    given = dict(os.environ)
    # resolve: macOS hands out a link, and sockets and state paths are compared.
    with tempfile.TemporaryDirectory(prefix="omlsaas-test-") as name:
        folder = Path(name).resolve()
        servers = Servers(
            folder / "var",
            postgres=not given.get("DATABASE_URL"),
            valkey=not (given.get("REDIS_URL") or given.get("CELERY_BROKER_URL")),
            settings=FAST,
        )
        try:
            servers.start()
            os.environ.update(environment(folder, servers))
            os.chdir(PROJECT)
            if not os.environ["CHROMIUM"]:
                print("There is no Chromium here: browser tests are skipped.", flush=True)
            code = run(sys.argv[1:], folder, given)
        finally:
            servers.stop()
            servers.remove_sockets()
    print(f"{time.monotonic() - begun:.0f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
