"""versions.refuse: what is known to go wrong with some versions is refused at once."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import VersionRefused
from deployments.work import Work


def _refuse(work: Work, params: Mapping[str, Any]) -> None:
    """Look at what stands, and at what is wanted where nothing was applied."""
    stack, run = work.stack, work.run
    inputs = {**run.inputs, **stack.applied_inputs}
    runs = {_("release"): stack.applied_release or run.release_name}
    runs |= {component: inputs.get(name, "") for component, name in work.kind.versions.items()}
    for what, version in runs.items():
        if any(is_version(wanted, str(version)) for wanted in params["versions"]):
            raise VersionRefused(
                action=run.action_label, stack=stack, found=f"{what} {version}", why=params["why"]
            )
    work.say(_("No version that runs is known to stand in the way."))


def is_version(wanted: str, text: str) -> bool:
    """Tell whether a release or tag is of this version: 2.2.1 in “oml-2.2.1-rc”, not in 2.2.10."""
    return bool(re.search(rf"(?<![0-9.]){re.escape(wanted)}(?!\.?[0-9])", text))


register(
    StepKind(
        name="versions.refuse",
        phase="plan",
        pieces=(
            Piece(
                "versions.refuse",
                gettext_lazy("Look whether a version stands in the way"),
                call=_refuse,
                error_kind="refused",
            ),
        ),
        params={"versions": list, "why": str},
        cancel="nothing to stop",
        resume="done again",
    )
)
