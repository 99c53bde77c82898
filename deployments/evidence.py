"""Folders that runs left on this host: late evidence is kept, everything else is removed."""

import logging
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.db import transaction

from deployments.models import Run
from deployments.runner import process, workdir
from deployments.runstatus import OPEN, RunStatus
from omlsaas.lib.ids import is_public_id

log = logging.getLogger(__name__)


def sweep_folders() -> int:
    """Remove the folders of runs that are not at work; return how many.

    A lost run's exit file, when there is one after all, is attached to the run first.
    """
    root = Path(settings.WORKDIR_ROOT)
    names = (
        [p.name for p in root.iterdir() if is_public_id(p.name, "run_")] if root.is_dir() else []
    )
    busy = Run.objects.filter(public_id__in=names, status__in=OPEN).exclude(
        status=RunStatus.PLANNED
    )
    return sum(map(remove_folder, set(names) - set(busy.values_list("public_id", flat=True))))


def remove_folder(run_id: str) -> bool:
    """Remove the folder of a run that is not at work; tell whether it is gone now.

    The run's row is locked meanwhile: a worker that takes its apply up unpacks at the same place,
    and must not meet a removal that looked at the run a moment before.
    """
    folder = Path(settings.WORKDIR_ROOT) / run_id
    with transaction.atomic():
        rows = Run.objects.filter(public_id=run_id)
        run = rows.select_for_update(no_key=True, skip_locked=True).first()
        if run is None and rows.exists():
            return False
        if run is not None and run.status in OPEN and run.status != RunStatus.PLANNED:
            return False
        if run is not None and run.status == RunStatus.LOST and not _attach(run, folder):
            return False
        try:
            workdir.remove(folder)
        except OSError as problem:
            log.warning("the folder of %s stays for the next sweep: %s", run_id, problem)
            return False
    return True


def _attach(run: Run, folder: Path) -> bool:
    """Attach what the host can tell of a lost run; False while something of it still lives."""
    last = run.steps.order_by("-number").first()
    if last is None or process.marked_pids(run.public_id):
        return last is None
    found = process.read_exit(Path(last.step_dir))
    if found is not None and run.late_evidence is None:
        run.late_evidence = {"step": str(last), **asdict(found)}
        run.save(update_fields=["late_evidence"])
        log.info("%s: late evidence from its host: exit code %s", run, found.exit_code)
    return True
