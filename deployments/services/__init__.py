"""The only writers of runs. Doors (views, API, commands, tasks) call these and nothing deeper."""

from deployments.services.admission import admit_waiting, lock_place
from deployments.services.decisions import (
    cancel_run,
    confirm_run,
    discard_run,
    force_cancel_run,
    hold_run,
)
from deployments.services.fleet import declare_host_gone, set_draining, set_maintenance
from deployments.services.handed import show_handed
from deployments.services.lifecycle import advance, end_run
from deployments.services.queueing import obstacle, queue_run, retry_run
from deployments.services.stacks import archive, mark_suspect, review_stack
from deployments.services.states import rollback_state
from deployments.services.unlocking import unlock_state

__all__ = [
    "admit_waiting",
    "advance",
    "archive",
    "cancel_run",
    "confirm_run",
    "declare_host_gone",
    "discard_run",
    "end_run",
    "force_cancel_run",
    "hold_run",
    "lock_place",
    "mark_suspect",
    "obstacle",
    "queue_run",
    "retry_run",
    "review_stack",
    "rollback_state",
    "set_draining",
    "set_maintenance",
    "show_handed",
    "unlock_state",
]
