"""What every Terraform piece needs: the folder, the environment, the words for a failure."""

import signal
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import identity
from deployments.cloud import buckets, engines
from deployments.cloud.diagnoses import diagnose, lock_in
from deployments.cloud.errors import StateLocked
from deployments.errors import (
    DeploymentError,
    EngineAdvised,
    EngineFailed,
    EngineKilled,
    EngineNotStarted,
    OutOfSpace,
)
from deployments.runner import terraform, workdir
from deployments.runner.process import Exit, capture
from deployments.runner.terraform import CommandLines
from deployments.runner.workdir import LOCK_FILE, write_tfvars
from deployments.steps import Launch
from deployments.work import Work
from tenants import blueprints
from tenants.models import Stack
from tenants.models.accounts import Provider, StateBackend

CAPTURE_TIMEOUT_S = 120
DETAIL_CHARS = 300
HOLDS_LOCK = ("terraform.plan", "terraform.apply", "state.push", "state.unlock")
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
    write_provider(work)
    write_backend(work)
    work.folder.write_cli_config(mirror(work.kind))


def mirror(kind: blueprints.Kind) -> str:
    """Return the folder with providers: the one that is given, else the portal's own.

    Empty for a blueprint that needs none and no folder given: nothing is fetched then.
    """
    if settings.PROVIDER_MIRROR or not kind.providers:
        return settings.PROVIDER_MIRROR
    return str(settings.VAR_ROOT / "providers")


def write_provider(work: Work) -> None:
    """Point the cloud's provider to the region of the stack, as the account or its role."""
    region, kind = work.stack.region, work.kind
    if engines.PROVIDER in kind.providers and region.account.provider == Provider.AWS:
        found = engines.provider(region, work.run.public_id)
        has_block = engines.PROVIDER in kind.configured_providers
        workdir.write_provider(module(work), engines.PROVIDER, found, has_block)


def write_backend(work: Work) -> None:
    """Tell Terraform where this stack's state is; the place is made where it is not there yet."""
    stack = work.stack
    if stack.backend == StateBackend.LOCAL:
        workdir.write_local_backend(module(work), settings.STATE_ROOT, stack.public_id)
        return
    is_s3 = stack.backend == StateBackend.S3
    bucket = buckets.require_state_bucket(stack.region) if is_s3 else ""
    workdir.write_backend(module(work), engines.backend(stack, bucket, work.run.public_id))


def environment(work: Work) -> dict[str, str]:
    """Return the engine's whole environment, secrets included. Raises NoCredentials."""
    cloud = engines.environment(work.stack.region)
    return terraform.environment(work.folder.path, work.secret_values, cloud)


def limit(work: Work, name: str, default: int) -> int:
    """Return a time-out in seconds: the action's own, else the setting."""
    action = work.kind.actions_of(work.stack.is_adopted).get(work.run.action)
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

    Raises EngineFailed with the end of its words, and with advice where some is known.
    """
    path = work.folder.path / name
    answer = capture(
        argv, module(work), environment(work), work.run.public_id, CAPTURE_TIMEOUT_S, path
    )
    try:
        if answer.code != 0:
            # Whole first: of a secret that was cut in two the redactor knows neither half.
            words = work.redactor.apply(answer.stderr.encode()).decode(errors="replace")[-500:]
            raise failed(" ".join(argv[1:3]), answer.code, words.strip(), words)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def judge(work: Work, outcome: Exit, good: tuple[int, ...] = (0,)) -> None:
    """Raise the refusal for an exit that is a failure."""
    if outcome.exit_code in good:
        _forget_lock(work)
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
    words = _words(work.step.progress)
    _refuse_locked(work, words)
    raise failed(engine, outcome.exit_code, summary, words)


def failed(engine: str, code: int | None, summary: str, words: str) -> EngineFailed:
    """Return the refusal for an engine's end, with the next step where its words tell one."""
    found = diagnose(words)
    if found is None:
        return EngineFailed(engine=engine, code=code, summary=summary)
    return EngineAdvised(engine=engine, code=code, summary=summary.rstrip("."), advice=found[1])


def _words(progress: Mapping[str, Any]) -> str:
    """Return all that the engine's errors say."""
    errors = [d for d in progress.get("diagnostics", []) if d.get("severity") == "error"]
    return "\n".join(f"{d.get('summary', '')} {d.get('detail', '')}" for d in errors)


def _refuse_locked(work: Work, words: str) -> None:
    """Keep on the stack who holds its lock, and raise the refusal that names them."""
    lock = lock_in(words)
    if lock is None:
        return
    kept = {**lock, "run_id": work.run.public_id, "seen_at": timezone.now().isoformat()}
    Stack.objects.filter(pk=work.stack.pk).update(state_lock=kept)
    raise StateLocked(
        stack=work.stack,
        who=lock.get("who", "?"),
        created=lock.get("created", "?").partition(".")[0],
        operation=lock.get("operation", "?").removeprefix("OperationType").lower(),
        lock_id=lock["id"],
    )


def _forget_lock(work: Work) -> None:
    """An engine that plans or applies had the lock itself: nobody else holds it any more."""
    if work.stack.state_lock and work.step.kind in HOLDS_LOCK:
        Stack.objects.filter(pk=work.stack.pk).update(state_lock=None)
        work.stack.state_lock = None


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
