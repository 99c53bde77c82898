"""Short questions to the terraform program, answered while somebody waits.

Runs of stacks do not come here: they are minded by a supervisor. Standard library only.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 20.0
# All that terraform needs of our environment; nothing of ours may reach it.
ENVIRONMENT = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


class TerraformCliFailed(Exception):
    """Terraform could not be asked: it does not start, hangs, or answers nonsense."""


@dataclass(frozen=True)
class Answer:
    """What a finished terraform said."""

    code: int
    stdout: str
    stderr: str


def find_terraform(binary: str) -> str | None:
    """Return the absolute path of the program (a name on PATH, or a path); None without one."""
    found = shutil.which(binary)
    return os.path.abspath(found) if found else None


def version(path: str) -> str:
    """Return the version of this program, such as `1.11.4`; asked again when the file changes.

    Raises TerraformCliFailed.
    """
    try:
        status = Path(path).resolve().stat()
    except OSError as error:
        raise TerraformCliFailed(f"{path}: {error.strerror}") from None
    return _version(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _version(path: str, _mtime_ns: int, _size: int) -> str:
    answer = ask(path, ["version", "-json"], cwd=Path("/"))
    try:
        return str(json.loads(answer.stdout)["terraform_version"])
    except (ValueError, KeyError, TypeError):
        first = (answer.stdout or answer.stderr).strip().split("\n")[0][:200]
        raise TerraformCliFailed(f"{path} does not tell its version: {first}") from None


def ask(
    path: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    extra: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Return what terraform answers; argv must hold no secret. Raises TerraformCliFailed."""
    try:
        child = subprocess.Popen(
            [path, *arguments],
            cwd=cwd,
            env=_environment(cwd, extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise TerraformCliFailed(f"{path}: {error.strerror}") from None
    try:
        stdout, stderr = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        raise TerraformCliFailed(f"{path} did not answer within {timeout_s:g} s") from None
    except BaseException:
        _kill(child)
        raise
    return Answer(child.returncode, stdout, stderr)


def _environment(cwd: Path, extra: Mapping[str, str]) -> dict[str, str]:
    env = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return env | {
        "HOME": str(cwd),
        "LANG": "C.UTF-8",
        # Without this it would read a CLI configuration of whoever started the portal.
        "TF_CLI_CONFIG_FILE": os.devnull,
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        **extra,
    }


def _kill(child: "subprocess.Popen[str]") -> None:
    """Kill the child with its own children; with the pipes closed nothing can hold us."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    child.wait()
