"""state.copy: keep the state as it stands now, as a version to roll back to."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from deployments.models.plans import StateMoment
from deployments.steps import Piece, StepKind, register, states
from deployments.work import Work


def _copy(work: Work, params: Mapping[str, Any]) -> None:
    state = states.read_or_none(work)
    if state is not None:
        with transaction.atomic():
            work.fence()
            states.keep(work, state, StateMoment.BEFORE_APPLY)


register(
    StepKind(
        name="state.copy",
        phase="apply",
        pieces=(Piece("state.copy", _("Keep the state"), call=_copy),),
        cancel="nothing to stop",
        resume="done again",
    )
)
