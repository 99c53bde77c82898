"""restore_point.keep: what belongs together to go back, kept before a change."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.services.points import keep_point
from deployments.steps import Piece, StepKind, register
from deployments.work import Work


def _keep(work: Work, params: Mapping[str, Any]) -> None:
    with transaction.atomic():
        work.fence()
        point = keep_point(work.run)
    versions = ", ".join(f"{name} {version}" for name, version in sorted(point.versions.items()))
    backups = ", ".join(sorted(point.backups.values()))
    words = {"versions": versions or "–", "backups": backups or "–"}
    work.say(_("Restore point: versions %(versions)s; backups %(backups)s.") % words)


register(
    StepKind(
        name="restore_point.keep",
        phase="apply",
        also=("plan", "configure"),
        pieces=(Piece("restore_point.keep", gettext_lazy("Keep a restore point"), call=_keep),),
        cancel="nothing to stop",
        resume="done again",
    )
)
