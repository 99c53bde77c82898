"""state.unlock: force the lock of a state open that nobody holds any more."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from deployments.steps import Launch, Piece, StepKind, engine, register, terraform_init
from deployments.work import Work


def _launch(work: Work, params: Mapping[str, Any]) -> Launch:
    argv = engine.commands().force_unlock(params["lock_id"])
    return engine.launch(work, argv, settings.PLAN_TIMEOUT_S)


register(
    StepKind(
        name="state.unlock",
        phase="plan",
        pieces=(
            terraform_init.FOR_PLAN,
            Piece("state.unlock", _("Force the lock open"), launch=_launch, judge=engine.judge),
        ),
        params={"lock_id": str},
        risk="changes",
        cancel="one interrupt",
        resume="taken up where its supervisor is",
    )
)
