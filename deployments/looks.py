"""How a status looks: tone, icon and word, always all three (the tones stand in tokens.css)."""

from functools import cache
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from deployments.models import Run
from deployments.runstatus import RunStatus
from tenants.models.stacks import Condition


class Look(NamedTuple):
    """One status for the eye."""

    tone: str
    icon: str
    label: object
    is_turning: bool = False


S, C = RunStatus, Condition
RUN_LOOKS: dict[str, Look] = {
    S.PENDING: Look("idle", "hourglass", S.PENDING.label),
    S.PLAN_QUEUED: Look("idle", "clock", S.PLAN_QUEUED.label),
    S.PLANNING: Look("run", "loader-2", S.PLANNING.label, True),
    S.PLANNED: Look("wait", "hand-stop", S.PLANNED.label),
    S.APPLY_QUEUED: Look("run", "clock", S.APPLY_QUEUED.label),
    S.APPLYING: Look("run", "loader-2", S.APPLYING.label, True),
    S.CONFIGURING: Look("run", "loader-2", S.CONFIGURING.label, True),
    S.VERIFYING: Look("run", "loader-2", S.VERIFYING.label, True),
    S.APPLIED: Look("ok", "circle-check", S.APPLIED.label),
    S.PLANNED_AND_FINISHED: Look("ok", "checks", S.PLANNED_AND_FINISHED.label),
    S.DISCARDED: Look("idle", "circle-minus", S.DISCARDED.label),
    S.CANCELED: Look("idle", "ban", S.CANCELED.label),
    S.ERRORED: Look("bad", "circle-x", S.ERRORED.label),
    S.LOST: Look("lost", "help-octagon", S.LOST.label),
}
NO_CHANGES = Look("ok", "checks", _("No changes"))
CHANGES_FOUND = Look("drift", "git-compare", _("Changes found"))
CANCELING = Look("wait", "loader-2", _("Canceling"), True)
CONDITION_LOOKS: dict[str, Look] = {
    C.LOST: Look("lost", "help-octagon", C.LOST.label),
    C.ERRORED: Look("bad", "circle-x", C.ERRORED.label),
    C.TO_CONFIRM: Look("wait", "hand-stop", C.TO_CONFIRM.label),
    C.DRIFT: Look("drift", "git-compare", C.DRIFT.label),
    C.RUNNING: Look("run", "loader-2", C.RUNNING.label, True),
    C.NOT_INSTALLED: Look("idle", "circle-dashed", C.NOT_INSTALLED.label),
    C.IN_SERVICE: Look("ok", "circle-check", C.IN_SERVICE.label),
}
SUSPECT = Look("lost", "alert-octagon", _("State suspect"))
ARCHIVED = Look("idle", "archive", _("Archived"))
# Nothing needs somebody in these.
QUIET = (C.IN_SERVICE, C.NOT_INSTALLED, C.RUNNING)
ATTENTION = tuple(c for c in C if c not in QUIET)


def run_look(run: Run) -> Look:
    """Return how a run looks: its status, made more exact where the run knows more."""
    if run.cancel_requested_at is not None and run.ended_at is None:
        return CANCELING
    if run.status == S.PLANNED_AND_FINISHED and run.has_changes is not None:
        return CHANGES_FOUND if run.has_changes else NO_CHANGES
    return RUN_LOOKS[run.status]


def tag(look: Look, css: str = "is-plain") -> SafeString:
    """Return a look as markup."""
    return _tag(look, css, get_language() or "")


@cache
def _tag(look: Look, css: str, language: str) -> SafeString:
    # Labels are ours and need no escaping. Kept per language: a list shows hundreds.
    turn = " o-spin" if look.is_turning else ""
    return mark_safe(  # noqa: S308 made of constants
        f'<span class="o-tag {css}" data-tone="{look.tone}">'
        f'<i class="ti ti-{look.icon}{turn}" aria-hidden="true"></i>{look.label}</span>'
    )
