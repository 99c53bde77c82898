"""providers.fetch: the providers of a blueprint, fetched once into the folder of this host.

The portal puts this step before others where a blueprint needs providers; blueprints do not name
it. With a folder that is given (PROVIDER_MIRROR), or when all is there, nothing is started.
"""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from deployments.runner import fetch, terraform
from deployments.runner.process import Exit
from deployments.runner.workdir import LOCK_FILE
from deployments.services.preparing import FETCH
from deployments.steps import Launch, Piece, StepKind, engine, register
from deployments.work import Work

WORDS = 4_000


def set_id(work: Work) -> str:
    """Return what names the set of providers: its lock file, else the whole blueprint."""
    path = work.kind.root / LOCK_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else _digest(work)


def _digest(work: Work) -> str:
    return work.run.blueprint_digest


def _launch(work: Work, params: Mapping[str, Any]) -> Launch | None:
    mirror = engine.mirror(work.kind)
    if settings.PROVIDER_MIRROR or not mirror or fetch.is_there(Path(mirror), set_id(work)):
        return None
    engine.copy_module(work)
    Path(mirror).mkdir(mode=0o755, parents=True, exist_ok=True)
    binary = terraform.find(settings.TERRAFORM_BIN)
    argv = [sys.executable, "-I", fetch.__file__, mirror, set_id(work), binary]
    # From the registry: the run's own configuration would name the folder that is being filled.
    work.folder.write_cli_config()
    env = terraform.environment(work.folder.path, {})
    timeout = engine.limit(work, "plan_s", settings.PLAN_TIMEOUT_S)
    silence = engine.limit(work, "silence_s", settings.SILENCE_TIMEOUT_S)
    return Launch(argv, engine.module(work), env, timeout, silence)


def _judge(work: Work, outcome: Exit) -> None:
    """Terraform tells no diagnostics here: the end of its own words is what there is."""
    if outcome.exit_code == 0 or outcome.signal or outcome.because:
        engine.judge(work, outcome)
        return
    raw = (work.step_dir(work.step) / "raw.log").read_bytes()[-WORDS:]
    words = " ".join(work.redactor.apply(raw).decode(errors="replace").split())
    raise engine.failed("terraform providers mirror", outcome.exit_code, words[-300:], words)


register(
    StepKind(
        name=FETCH,
        phase="plan",
        pieces=(Piece(FETCH, _("Fetch providers"), launch=_launch, judge=_judge),),
        cancel="one interrupt; nothing was changed",
        resume="taken up where its supervisor is",
    )
)
