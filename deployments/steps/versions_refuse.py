"""versions.refuse: what is known to go wrong with some versions is refused at once."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.models import Run
from deployments.services.hosts import configures
from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import VersionRefused
from deployments.work import Work


def _refuse(work: Work, params: Mapping[str, Any]) -> None:
    """Look at what was applied, at what is wanted, and at what a run since may have begun."""
    for what, version in _versions(work):
        if any(is_version(refused, str(version)) for refused in params["versions"]):
            raise VersionRefused(
                action=work.run.action_label, stack=work.stack, found=f"{what} {version}",
                why=params["why"],
            )  # fmt: skip
    work.say(_("No version that runs is known to stand in the way."))


def _versions(work: Work) -> Iterator[tuple[str, str]]:
    """Yield what may be in service, by release or component.

    A run that failed half-way has changed hosts and noted nothing on the stack.
    """
    stack, since = work.stack, work.stack.applied_at
    begun = Run.objects.filter(stack=stack, steps__phase__in=("apply", "configure")).distinct()
    begun = begun.filter(started_at__gt=since) if since else begun
    runs = [work.run, *(run for run in begun if configures(run))]
    told = [(stack.applied_release, stack.applied_inputs)]
    told += [(run.release_name, run.inputs) for run in runs]
    for release, inputs in told:
        yield _("release"), release
        for component, name in work.kind.versions.items():
            yield component, inputs.get(name, "")


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
