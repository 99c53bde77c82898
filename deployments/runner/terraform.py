"""Terraform's command lines, its environment and its version.

Command lines are composed with python-terraform's `generate_cmd_string`, and by nothing else of
that library. The working directory chooses the root module, not -chdir. Values never stand on a
command line: they are in terraform.tfvars.json, or in the environment when they are secret.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from python_terraform import IsFlagged, Terraform

from . import process

MINIMUM = (1, 11, 0)
HOW_TO_GET = "https://developer.hashicorp.com/terraform/install"
PLAN_FILE = "plan.bin"
LOCK_TIMEOUT_S = 60
VERSION_TIMEOUT_S = 20
# A socket's path has at most 104 bytes (Linux: 108); a provider adds `/plugin` and ten digits.
SOCKET_PATH_ROOM = 84

# What an engine may know of the worker's own environment: where programs, the time zone, the
# way to the network and the trusted certificates are. Everything else stays with the worker.
PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "TZ",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE",
)  # fmt: skip


class TerraformUnusable(Exception):
    """There is no terraform that we can work with: a code, parameters, and a sentence."""

    code = "terraform_unusable"
    sentence = "Terraform cannot be used."

    def __init__(self, **params: str) -> None:
        self.params = {"needed": words(MINIMUM), "url": HOW_TO_GET, **params}
        super().__init__(self.sentence.format(**self.params))


class TerraformMissing(TerraformUnusable):
    """No such program."""

    code = "terraform_missing"
    sentence = (
        "Terraform was not found ({binary}). Install version {needed} or newer from {url}, "
        "or name its place in TERRAFORM_BIN."
    )


class TerraformTooOld(TerraformUnusable):
    """A version that lacks what we use (init -json, write-only values)."""

    code = "terraform_too_old"
    sentence = (
        "Terraform {found} is too old ({binary}): {needed} or newer is needed. "
        "Install one from {url}, or name its place in TERRAFORM_BIN."
    )


class TerraformBroken(TerraformUnusable):
    """It is there and does not answer."""

    code = "terraform_broken"
    sentence = (
        "Terraform does not answer to “version” ({binary}): {problem}. Install it from {url}."
    )


def words(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


# -- command lines -------------------------------------------------------------------------


@dataclass(frozen=True)
class CommandLines:
    """The command lines of one terraform binary; they run with the root module as folder."""

    binary: str = "terraform"

    def _argv(self, command: str, *args: str, **options: object) -> list[str]:
        # No workspace, variables or files: the object only knows where the binary is.
        return Terraform(terraform_bin_path=self.binary).generate_cmd_string(
            command, *args, **options
        )

    def init(self, has_lock_file: bool) -> list[str]:
        """A lock file that stands is obeyed, never changed."""
        lockfile = "readonly" if has_lock_file else None
        return self._argv("init", json=IsFlagged, input=False, lockfile=lockfile)

    def plan(
        self,
        destroy: bool = False,
        refresh_only: bool = False,
        replace: tuple[str, ...] = (),
        lock_timeout_s: int = LOCK_TIMEOUT_S,
    ) -> list[str]:
        """Exit code 0: nothing to do, 2: changes, 1: error. The plan stands in PLAN_FILE."""
        return self._argv(
            "plan",
            json=IsFlagged,
            input=False,
            lock_timeout=f"{lock_timeout_s}s",
            out=PLAN_FILE,
            detailed_exitcode=IsFlagged,
            destroy=IsFlagged if destroy else None,
            refresh_only=IsFlagged if refresh_only else None,
            replace=list(replace),
        )

    def apply(self, lock_timeout_s: int = LOCK_TIMEOUT_S) -> list[str]:
        """Apply exactly the plan of PLAN_FILE."""
        wait = f"{lock_timeout_s}s"
        return self._argv("apply", PLAN_FILE, json=IsFlagged, input=False, lock_timeout=wait)

    def show_plan(self) -> list[str]:
        return self._argv("show", PLAN_FILE, json=IsFlagged)

    def state_pull(self) -> list[str]:
        return self._argv("state pull")

    def state_push(self, path: Path, force: bool = False) -> list[str]:
        """Write a state; `force` skips Terraform's check of lineage and serial."""
        return self._argv("state push", str(path), force=IsFlagged if force else None)

    def force_unlock(self, lock_id: str) -> list[str]:
        return self._argv("force-unlock", lock_id, force=IsFlagged)

    def version(self) -> list[str]:
        return self._argv("version", json=IsFlagged)


# -- environment ---------------------------------------------------------------------------


def environment(
    workdir: Path,
    secrets: Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    inherit: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of an engine: an allow-list, then its own credentials.

    `inherit` is what may be looked up in (the worker's environment unless told otherwise), by
    the names of PASSED_ON only. A secret input `x` becomes TF_VAR_x; `extra` wins over all.
    """
    source = os.environ if inherit is None else inherit
    workdir = Path(workdir)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **{name: source[name] for name in PASSED_ON if name in source},
        "HOME": str(workdir),
        "TMPDIR": str(workdir / "tmp"),
        **_socket_folder(workdir / "tmp"),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(workdir / "cli.tfrc"),
        **{f"TF_VAR_{name}": value for name, value in secrets.items()},
        **(extra or {}),
    }


def proxy_passwords(inherit: Mapping[str, str] | None = None) -> set[str]:
    """Return the passwords in the proxy addresses that an engine gets: no log shall show them."""
    source = os.environ if inherit is None else inherit
    found: set[str] = set()
    for name in PASSED_ON:
        if name.lower().endswith("_proxy") and "@" in source.get(name, ""):
            password = source[name].rpartition("@")[0].rpartition("/")[2].partition(":")[2]
            found |= {password, unquote(password)}
    return found - {""}


def _socket_folder(temporary: Path) -> dict[str, str]:
    """Return where providers put their sockets, when TMPDIR is too long for the name of one.

    https://pkg.go.dev/github.com/hashicorp/go-plugin#EnvUnixSocketDir
    """
    if len(os.fsencode(temporary)) <= SOCKET_PATH_ROOM:
        return {}
    folder = Path(tempfile.gettempdir()) / f"omlsaas-{os.geteuid()}-plugins"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077 or folder.is_symlink():
        return {}
    return {"PLUGIN_UNIX_SOCKET_DIR": str(folder)}


# -- version -------------------------------------------------------------------------------

_versions: dict[tuple[str, int, int], str] = {}


def find(binary: str = "terraform") -> str:
    """Return the absolute path of the program; TerraformMissing when there is none."""
    path = shutil.which(binary)
    if path is None:
        raise TerraformMissing(binary=binary)
    return os.path.abspath(path)


def version(binary: str = "terraform") -> str:
    """Return the version, asked once for each file; raises TerraformUnusable's children."""
    path = find(binary)
    stat = os.stat(path)
    key = (path, stat.st_mtime_ns, stat.st_size)
    if key not in _versions:
        _versions[key] = _ask_version(path)
    return _versions[key]


def require(binary: str = "terraform") -> str:
    """Return the version when it is new enough; otherwise raise with the way to get one."""
    found = version(binary)
    numbers = tuple(int(part) for part in found.partition("-")[0].split("."))
    if numbers < MINIMUM:
        raise TerraformTooOld(binary=find(binary), found=found)
    return found


def _ask_version(path: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "cli.tfrc").write_text("disable_checkpoint = true\n")
        (home / "tmp").mkdir()
        env, out = environment(home, {}), home / "version.json"
        argv = CommandLines(path).version()
        try:
            answer = process.capture(argv, home, env, "", VERSION_TIMEOUT_S, out)
            if answer.timed_out:
                raise TerraformBroken(binary=path, problem=f"silent for {VERSION_TIMEOUT_S} s")
            return json.loads(out.read_bytes())["terraform_version"]
        except OSError as problem:
            raise TerraformBroken(binary=path, problem=str(problem.strerror)) from problem
        except (ValueError, KeyError, TypeError) as problem:
            said = answer.stderr.strip()[:200] or f"exit code {answer.code}"
            raise TerraformBroken(binary=path, problem=said) from problem
