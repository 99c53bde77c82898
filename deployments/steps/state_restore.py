"""state.restore: give Terraform an earlier state back. It changes beliefs, not infrastructure."""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from deployments.errors import StateChangedMeanwhile
from deployments.models import StateVersion
from deployments.models.plans import StateMoment
from deployments.runner.workdir import write_private
from deployments.steps import (
    Launch,
    Piece,
    StepKind,
    engine,
    register,
    states,
    terraform_init,
)
from deployments.work import Work


def _launch(work: Work, params: Mapping[str, Any]) -> Launch:
    version = StateVersion.objects.select_related("stack").get(
        public_id=params["version"], stack=work.stack
    )
    current = states.read_or_none(work)
    serial = current.serial if current else 0
    # An older one than was seen: its place has lost what is given back now.
    if current is not None and serial > params["seen_serial"]:
        raise StateChangedMeanwhile(now=serial, then=params["seen_serial"])
    content = json.loads(states.content(version))
    content["serial"] = max(serial, version.serial, work.stack.state_serial or 0) + 1
    path = work.folder.path / "restore.tfstate"
    write_private(path, json.dumps(content, indent=2).encode())
    # An unreadable state has no lineage that Terraform could compare.
    argv = engine.commands().state_push(path, force=current is None)
    return engine.launch(work, argv, settings.PLAN_TIMEOUT_S)


def _keep(work: Work, params: Mapping[str, Any]) -> None:
    (work.folder.path / "restore.tfstate").unlink(missing_ok=True)
    state = states.read_or_none(work)
    if state is None:
        # Nothing was pushed. What the stack had is still known, or a plan would build it again.
        return
    with transaction.atomic():
        work.fence()
        states.keep(work, state, StateMoment.ROLLBACK)
        states.note_on_stack(work.stack, state)


register(
    StepKind(
        name="state.restore",
        phase="plan",
        pieces=(
            terraform_init.FOR_PLAN,
            Piece(
                "state.push",
                _("Give the state back"),
                launch=_launch,
                judge=engine.judge,
                changes=True,
            ),
            Piece("state.keep", _("Keep the state"), call=_keep, always=True),
        ),
        params={"version": str, "seen_serial": int},
        risk="changes",
        cancel="one interrupt",
        resume="taken up where its supervisor is",
    )
)
