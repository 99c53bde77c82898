"""`terraform init` as the first piece of whatever needs a working folder."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from deployments.steps import Launch, Piece, engine, imports
from deployments.steps.bundles import unpack
from deployments.work import Work


def _launch_for_plan(work: Work, params: Mapping[str, Any]) -> Launch:
    engine.render(work)
    if params.get("imports"):
        imports.write(work)
    return _init(work)


def _launch_for_apply(work: Work, params: Mapping[str, Any]) -> Launch | None:
    """Nothing to start where this worker has planned in the folder just now.

    A folder that somebody else left may be half removed.
    """
    if work.notes.get("folder_stands"):
        return None
    unpack(work)
    return _init(work)


def _init(work: Work) -> Launch:
    argv = engine.commands().init(engine.has_lock_file(work))
    return engine.launch(work, argv, engine.limit(work, "plan_s", settings.PLAN_TIMEOUT_S))


FOR_PLAN = Piece("terraform.init", _("Prepare"), launch=_launch_for_plan, judge=engine.judge)
FOR_APPLY = Piece("terraform.init", _("Prepare"), launch=_launch_for_apply, judge=engine.judge)
