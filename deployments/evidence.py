"""Folders that runs left on this host: late evidence is kept, everything else is removed."""

import logging
from dataclasses import asdict
from pathlib import Path

from django.conf import settings

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
    known = {run.public_id: run for run in Run.objects.filter(public_id__in=names)}
    removed = 0
    for name in names:
        run = known.get(name)
        if run is not None and run.status in OPEN and run.status != RunStatus.PLANNED:
            continue
        if run is not None and run.status == RunStatus.LOST and not _attach(run, root / name):
            continue
        try:
            workdir.remove(root / name)
            removed += 1
        except OSError as problem:
            log.warning("the folder of %s stays: %s", name, problem)
    return removed


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
