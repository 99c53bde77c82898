"""terraform.plan: what would be done, sealed so that exactly that is applied later."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from deployments.runner.process import Exit
from deployments.steps import (
    Launch,
    Piece,
    StepKind,
    bundles,
    engine,
    imports,
    register,
    states,
    terraform_init,
)
from deployments.work import Work


def _launch(work: Work, params: Mapping[str, Any]) -> Launch:
    states.require_known(work)
    argv = engine.commands().plan(
        destroy=bool(params.get("destroy")), refresh_only=bool(params.get("refresh_only"))
    )
    return engine.launch(work, argv, engine.limit(work, "plan_s", settings.PLAN_TIMEOUT_S))


def _judge(work: Work, outcome: Exit) -> None:
    # -detailed-exitcode: 0 nothing to do, 2 changes.
    engine.judge(work, outcome, good=(0, 2))


def _seal(work: Work, params: Mapping[str, Any]) -> None:
    bundles.seal(work)
    if params.get("imports"):
        imports.judge(work)


register(
    StepKind(
        name="terraform.plan",
        phase="plan",
        pieces=(
            terraform_init.FOR_PLAN,
            Piece("terraform.plan", _("Plan"), launch=_launch, judge=_judge),
            Piece("plan.seal", _("Keep the plan"), call=_seal),
        ),
        params={"destroy": bool, "refresh_only": bool, "imports": bool},
        cancel="one interrupt; nothing was changed",
        resume="taken up where its supervisor is",
    )
)
