"""providers.fetch: the providers of a blueprint, fetched once into the folder of this host.

The portal puts this step before others where a blueprint needs providers (before an apply too: it
may be done on another host); blueprints do not name it. With a folder that is given
(PROVIDER_MIRROR), or when all is there, nothing is started.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from deployments.runner import fetch, terraform
from deployments.runner.process import Exit
from deployments.runner.workdir import LOCK_FILE
from deployments.services.preparing import FETCH, FETCH_FOR_APPLY
from deployments.steps import Launch, Piece, StepKind, engine, register
from deployments.work import Work
from tenants import blueprints

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
    Path(mirror).mkdir(mode=0o755, parents=True, exist_ok=True)
    # In a folder of its own: what is left there must not look like an initialised module.
    folder = work.folder.make().path / "providers"
    blueprints.copy_files(blueprints.load(work.run.blueprint), folder)
    binary = terraform.find(settings.TERRAFORM_BIN)
    argv = [sys.executable, "-I", fetch.__file__, mirror, set_id(work), binary]
    # From the registry: the run's own configuration names the folder that is being filled.
    registry = {"TF_CLI_CONFIG_FILE": os.devnull}
    env = terraform.environment(work.folder.path, {}, registry)
    timeout = engine.limit(work, "plan_s", settings.PLAN_TIMEOUT_S)
    silence = engine.limit(work, "silence_s", settings.SILENCE_TIMEOUT_S)
    return Launch(argv, folder / work.kind.root_name, env, timeout, silence)


def _judge(work: Work, outcome: Exit) -> None:
    """Terraform tells no diagnostics here: the end of its own words is what there is."""
    if outcome.exit_code == 0 or outcome.signal or outcome.because:
        engine.judge(work, outcome)
        return
    raw = (work.step_dir(work.step) / "raw.log").read_bytes()[-WORDS:]
    words = " ".join(work.redactor.apply(raw).decode(errors="replace").split())
    raise engine.failed("terraform providers mirror", outcome.exit_code, words[-300:], words)


for _name, _phase in ((FETCH, "plan"), (FETCH_FOR_APPLY, "apply")):
    register(
        StepKind(
            name=_name,
            phase=_phase,
            pieces=(Piece(_name, _("Fetch providers"), launch=_launch, judge=_judge),),
            cancel="one interrupt; nothing was changed",
            resume="taken up where its supervisor is",
        )
    )
