"""inputs.require: what the provider would refuse half-way is refused before anything is done."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import InputInTheWay
from deployments.work import Work


def _require(work: Work, params: Mapping[str, Any]) -> None:
    """Compare with what stands, not with what is wanted: only an apply changes the provider."""
    applied, variables = work.stack.applied_inputs, work.kind.variables
    for name, wanted in params["values"].items():
        found = applied.get(name, variables[name].default)
        if found != wanted:
            label = work.kind.labels.get(name, name)
            raise InputInTheWay(
                stack=work.stack, label=label, name=name, found=_word(found), wanted=_word(wanted)
            )
    work.say(_("Nothing that was applied stands in the way."))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    return str(value)


register(
    StepKind(
        name="inputs.require",
        phase="plan",
        pieces=(
            Piece(
                "inputs.require",
                gettext_lazy("Look whether an input stands in the way"),
                call=_require,
                error_kind="refused",
            ),
        ),
        params={"values": dict},
        cancel="nothing to stop",
        resume="done again",
    )
)
