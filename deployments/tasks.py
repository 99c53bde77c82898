"""Celery's side of the doorbell. A message says "look"; the database says what.

Early acknowledgement, no retries: a message that is delivered twice finds nothing to claim, one
that is lost is made up for by the worker's reconciler.
"""

import logging
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from deployments import housekeeping, instances, sealing
from deployments.models import Run
from deployments.runner import process
from deployments.services.admission import admit_waiting
from deployments.worker import Worker

log = logging.getLogger(__name__)
_worker: Worker | None = None


@worker_ready.connect
def _start(**kwargs: Any) -> None:
    global _worker
    _worker = Worker()
    _worker.start()
    log.info("worker %s is ready", _worker.identity.id)


@worker_shutting_down.connect
def _stop(**kwargs: Any) -> None:
    if _worker is not None:
        _worker.shut_down()


@shared_task(name="deployments.work", ignore_result=True)
def work(public_id: str) -> None:
    """Take up a queued run, if it is still to be had."""
    if _worker is not None:
        _worker.work(public_id)


@shared_task(name="deployments.cancel", ignore_result=True)
def cancel(public_id: str) -> None:
    """Pass a cancel request to the process that is at work on this host."""
    run = Run.objects.filter(public_id=public_id, cancel_requested_at__isnull=False).first()
    step = run.steps.filter(ended_at__isnull=True).first() if run is not None else None
    if step is not None and Path(step.step_dir, "alive.lock").exists():
        mode = "kill" if run.cancel_mode == "kill" else "graceful"
        process.request_cancel(Path(step.step_dir), mode, run.cancel_by)


@shared_task(name="deployments.admit", ignore_result=True)
def admit(region_id: int) -> None:
    """Look again at the runs that wait in a region."""
    admit_waiting(region_id)


@shared_task(name="deployments.reap", ignore_result=True)
def reap() -> None:
    """Do what is global: silent hosts, plans that expired."""
    housekeeping.reap()


@shared_task(name="deployments.instances", ignore_result=True)
def push_instances() -> None:
    """Push what waits for the instances repository and is due."""
    instances.push_due()


@shared_task(name="deployments.seal", ignore_result=True)
def seal() -> None:
    """Seal and forward what was written to the audit trail."""
    sealing.seal_and_forward()


@shared_task(name="deployments.prune", ignore_result=True)
def prune() -> None:
    """Apply the retention settings."""
    housekeeping.prune()
    sealing.archive_due()
