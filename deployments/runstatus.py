"""The run state machine: statuses, edges, and the sets derived from them. A leaf.

The statuses are HCP Terraform's (https://developer.hashicorp.com/terraform/cloud-docs/api-docs/run)
with configuring, verifying and lost in addition.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RunStatus(models.TextChoices):
    """Where a run stands. A cancel request is a time on the run, not a status."""

    PENDING = "pending", _("Waiting")
    PLAN_QUEUED = "plan_queued", _("Plan queued")
    PLANNING = "planning", _("Planning")
    PLANNED = "planned", _("Waiting for confirmation")
    APPLY_QUEUED = "apply_queued", _("Apply queued")
    APPLYING = "applying", _("Applying")
    CONFIGURING = "configuring", _("Configuring")
    VERIFYING = "verifying", _("Verifying")
    APPLIED = "applied", _("Applied")
    PLANNED_AND_FINISHED = "planned_and_finished", _("Plan finished")
    DISCARDED = "discarded", _("Discarded")
    CANCELED = "canceled", _("Canceled")
    ERRORED = "errored", _("Errored")
    LOST = "lost", _("Lost: outcome unknown")


S = RunStatus
_AFTER_WORK = {S.ERRORED, S.CANCELED, S.LOST}
TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    S.PENDING: frozenset({S.PLAN_QUEUED, S.CANCELED, S.ERRORED}),
    # An action without a plan begins with its first phase.
    S.PLAN_QUEUED: frozenset({S.PLANNING, S.CONFIGURING, S.VERIFYING, S.CANCELED, S.ERRORED}),
    # What only prepared, and found nothing to decide, goes on by itself.
    S.PLANNING: frozenset(
        {S.PLANNED, S.PLANNED_AND_FINISHED, S.CONFIGURING, S.VERIFYING, *_AFTER_WORK}
    ),
    S.PLANNED: frozenset({S.APPLY_QUEUED, S.DISCARDED, S.CANCELED}),
    # Discarded when a fact of the plan no longer holds once a worker looks.
    S.APPLY_QUEUED: frozenset(
        {S.APPLYING, S.CONFIGURING, S.VERIFYING, S.DISCARDED, S.CANCELED, S.ERRORED}
    ),
    S.APPLYING: frozenset({S.CONFIGURING, S.VERIFYING, S.APPLIED, *_AFTER_WORK}),
    S.CONFIGURING: frozenset({S.VERIFYING, S.APPLIED, *_AFTER_WORK}),
    S.VERIFYING: frozenset({S.APPLIED, *_AFTER_WORK}),
    S.APPLIED: frozenset(),
    S.PLANNED_AND_FINISHED: frozenset(),
    S.DISCARDED: frozenset(),
    S.CANCELED: frozenset(),
    S.ERRORED: frozenset(),
    S.LOST: frozenset(),
}

# Derived, never listed by hand. Tuples in declaration order keep migrations stable.
TERMINAL = tuple(s for s in S if not TRANSITIONS[s])
OPEN = tuple(s for s in S if TRANSITIONS[s])
HOLDS_STACK = tuple(s for s in OPEN if s is not S.PENDING)
# A process of the run is at work, on some host.
AT_WORK = tuple(s for s in OPEN if S.LOST in TRANSITIONS[s])
# A worker should take it up: its doorbell may have been lost.
CLAIMABLE = (S.PLAN_QUEUED, S.APPLY_QUEUED)

PHASES = {
    S.PLANNING: "plan",
    S.APPLYING: "apply",
    S.CONFIGURING: "configure",
    S.VERIFYING: "verify",
}
PHASE_STATUS = {phase: status for status, phase in PHASES.items()}


class ErrorKind(models.TextChoices):
    """Why a run errored: the engine said no, the portal could not, or a rule refused."""

    ENGINE = "engine", _("The engine failed")
    SYSTEM = "system", _("The portal failed")
    REFUSED = "refused", _("Refused")
    STEP = "step", _("A step failed")
