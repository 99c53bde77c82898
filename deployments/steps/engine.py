"""What every Terraform piece needs: the folder, the environment, the words for a failure."""

import signal
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments import identity
from deployments.errors import (
    DeploymentError,
    EngineFailed,
    EngineKilled,
    EngineNotStarted,
    OutOfSpace,
)
from deployments.runner import terraform
from deployments.runner.process import Exit, capture
from deployments.runner.terraform import CommandLines
from deployments.runner.workdir import LOCK_FILE, write_local_backend, write_tfvars
from deployments.steps import Launch
from deployments.work import Work
from tenants import blueprints

CAPTURE_TIMEOUT_S = 120
DETAIL_CHARS = 300
NO_SPACE = ("no space left on device", "disk quota exceeded", "not enough space")


@lru_cache(maxsize=4)
def command_lines(binary: str) -> CommandLines:
    """Return the command lines of the terraform at this path."""
    return CommandLines(terraform.find(binary))


def commands() -> CommandLines:
    """Return the command lines of this host's terraform."""
    return command_lines(settings.TERRAFORM_BIN)


def module(work: Work) -> Path:
    """Return the root module in the run's folder."""
    return work.folder.tf / work.kind.root_name


def render(work: Work) -> None:
    """Fill the run's folder from the blueprint and the run's inputs."""
    work.folder.make()
    blueprints.copy_files(blueprints.load(work.run.blueprint), work.folder.tf)
    write_tfvars(module(work), work.run.inputs)
    write_backend(work)
    work.folder.write_cli_config(settings.PROVIDER_MIRROR)


def write_backend(work: Work) -> None:
    """Tell Terraform where this stack's state is."""
    if work.stack.backend == "local":
        write_local_backend(module(work), settings.STATE_ROOT, work.stack.public_id)


def environment(work: Work) -> dict[str, str]:
    """Return the engine's whole environment, secrets included."""
    return terraform.environment(work.folder.path, work.secret_values)


def limit(work: Work, name: str, default: int) -> int:
    """Return a time-out in seconds: the action's own, else the setting."""
    action = work.kind.actions.get(work.run.action)
    return int(action.timeouts.get(name, default)) if action else default


def launch(work: Work, argv: list[str], timeout_s: int) -> Launch:
    """Return a Terraform process in the root module."""
    silence = limit(work, "silence_s", settings.SILENCE_TIMEOUT_S)
    return Launch(argv, module(work), environment(work), timeout_s, silence)


def has_lock_file(work: Work) -> bool:
    """Tell whether the root module names its providers' exact versions."""
    return (module(work) / LOCK_FILE).exists()


def read(work: Work, argv: list[str], name: str) -> bytes:
    """Return what a short, read-only Terraform command prints; through a 0600 file, no log.

    Raises EngineFailed with the end of its words.
    """
    path = work.folder.path / name
    answer = capture(
        argv, module(work), environment(work), work.run.public_id, CAPTURE_TIMEOUT_S, path
    )
    try:
        if answer.code != 0:
            words = work.redactor.apply(answer.stderr[-500:].encode()).decode(errors="replace")
            raise EngineFailed(engine=" ".join(argv[1:3]), code=answer.code, summary=words.strip())
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def judge(work: Work, outcome: Exit, good: tuple[int, ...] = (0,)) -> None:
    """Raise the refusal for an exit that is a failure."""
    if outcome.exit_code in good:
        return
    host = identity.host_name()
    engine = work.step.kind.replace(".", " ")
    if outcome.exit_code in (126, 127) and outcome.error:
        raise EngineNotStarted(engine=engine, host=host, why=outcome.error)
    summary = _summary(work.step.progress, outcome)
    if any(words in summary.lower() for words in NO_SPACE):
        raise OutOfSpace(host=host)
    if outcome.signal or (outcome.exit_code or 0) > 128:
        number = outcome.signal or outcome.exit_code - 128
        hint = _(": usually too little memory") if number == signal.SIGKILL else ""
        raise EngineKilled(engine=engine, signal=_name(number), host=host, hint=hint)
    raise EngineFailed(engine=engine, code=outcome.exit_code, summary=summary)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _summary(progress: Mapping[str, Any], outcome: Exit) -> str:
    """Return the first error's words; what it is about; how many more there are."""
    errors = [d for d in progress.get("diagnostics", []) if d.get("severity") == "error"]
    if not errors:
        return outcome.error or _("see the end of its log")
    first = errors[0]
    parts = [first.get("summary", ""), first.get("address") or first.get("place") or ""]
    detail = " ".join(first.get("detail", "").split())
    parts.append(detail if len(detail) <= DETAIL_CHARS else f"{detail[:DETAIL_CHARS]}…")
    text = ", ".join(part for part in parts if part)
    return (
        text
        if len(errors) == 1
        else _("%(first)s, and %(more)s more")
        % {
            "first": text,
            "more": len(errors) - 1,
        }
    )


def fail_for(problem: OSError) -> DeploymentError:
    """Return the refusal for a file-system error."""
    if problem.errno in (28, 122):  # ENOSPC, EDQUOT
        return OutOfSpace(host=identity.host_name())
    return EngineNotStarted(engine="terraform", host=identity.host_name(), why=str(problem))
