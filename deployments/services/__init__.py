"""The only writers of runs. Doors (views, API, commands, tasks) call these and nothing deeper."""

from deployments.services.admission import admit_waiting, lock_place
from deployments.services.approvals import approve_run, change_policy, reject_run
from deployments.services.decisions import (
    cancel_run,
    confirm_run,
    discard_run,
    force_cancel_run,
    hold_run,
)
from deployments.services.ephemeral import grant, keep_on, revoke, set_end
from deployments.services.fleet import declare_host_gone, set_draining, set_maintenance
from deployments.services.handed import show_handed, show_output
from deployments.services.lifecycle import advance, end_run
from deployments.services.queueing import obstacle, queue_run, retry_run
from deployments.services.stacks import archive, mark_suspect, review_stack
from deployments.services.states import rollback_state
from deployments.services.unlocking import unlock_state

__all__ = [
    "admit_waiting",
    "advance",
    "approve_run",
    "archive",
    "cancel_run",
    "change_policy",
    "confirm_run",
    "declare_host_gone",
    "discard_run",
    "end_run",
    "force_cancel_run",
    "grant",
    "hold_run",
    "keep_on",
    "lock_place",
    "mark_suspect",
    "obstacle",
    "queue_run",
    "reject_run",
    "retry_run",
    "review_stack",
    "revoke",
    "rollback_state",
    "set_draining",
    "set_end",
    "set_maintenance",
    "show_handed",
    "show_output",
    "unlock_state",
]
