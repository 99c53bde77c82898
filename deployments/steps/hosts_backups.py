"""ansible.backup, ansible.backups: playbooks that make a backup, or tell which there are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.runner.plays import Plays
from deployments.steps import Launch, Piece, StepKind, playbooks, register, told_backups
from deployments.steps.ansible_playbook import PARAMS, PREPARE, prepare
from deployments.steps.backups import is_fresh_enough
from deployments.steps.hosterrors import NoBackupTold
from deployments.work import APPLIED, Work
from tenants.blueprints.stepkinds import LISTS_BACKUPS, MAKES_BACKUPS


def _prepare(work: Work, params: Mapping[str, Any]) -> None:
    """Let the playbook find the database and the bucket that are in use.

    Those that are wanted and not applied may be empty ones: no backup of them protects anything.
    """
    prepare(work, {**params, "inputs": APPLIED})


def _launch(work: Work, params: Mapping[str, Any]) -> Launch | None:
    if not work.render(params.get("wanted", True)):
        work.say(_("Left out: nobody wants a backup."))
        return None
    if is_fresh_enough(work, params):
        return None
    return playbooks.launch(work, params)


def _after(work: Work, params: Mapping[str, Any]) -> None:
    """Remove what was private; keep the backup that was made. Raises NoBackupTold without one."""
    playbooks.forget(work)
    with transaction.atomic():
        work.fence()
        told_backups.keep(work, params, MAKES_BACKUPS)
    steps = work.run.steps.filter(kind=MAKES_BACKUPS, number__lt=work.step.number)
    outcome = steps.order_by("-number").values_list("outcome", flat=True).first() or {}
    was_made = work.stack.backups.filter(run=work.run, component=params["component"]).exists()
    if outcome.get("started_at") and not work.notes.get("failed") and not was_made:
        raise NoBackupTold(playbook=params["playbook"])


def _launch_list(work: Work, params: Mapping[str, Any]) -> Launch:
    return playbooks.launch(work, params)


def _after_list(work: Work, params: Mapping[str, Any]) -> None:
    """Remove what was private; keep which backups there are, and forget all others."""
    playbooks.forget(work)
    if work.notes.get("failed"):
        return
    with transaction.atomic():
        work.fence()
        told_backups.keep(work, params, LISTS_BACKUPS, whole=True)


def _pieces(kind: str, title: Any, launch: Any, after: Any) -> tuple[Piece, ...]:
    return (
        replace(PREPARE, call=_prepare),
        Piece(
            kind, title, launch=launch, judge=playbooks.judge, error_kind="step", told_as=Plays
        ),
        Piece(
            "hosts.kept", gettext_lazy("Keep the outcome"), call=after, always=True,
            error_kind="step",
        ),
    )  # fmt: skip


register(
    StepKind(
        name=MAKES_BACKUPS,
        phase="configure",
        also=("plan", "verify"),
        pieces=_pieces(MAKES_BACKUPS, gettext_lazy("Back up"), _launch, _after),
        params={**PARAMS, "component": str, "skip_if_fresh_h": int, "wanted": str},
        cancel="one interrupt; nothing that runs is changed, the next one clears what is left",
        resume="taken up where its supervisor is",
    )
)
register(
    StepKind(
        name=LISTS_BACKUPS,
        # Alone it is a look, which is allowed while nobody knows how far the hosts are.
        phase="plan",
        also=("configure", "verify"),
        pieces=_pieces(LISTS_BACKUPS, gettext_lazy("List the backups"), _launch_list, _after_list),
        params={**PARAMS, "component": str},
        cancel="one interrupt; nothing was changed",
        resume="taken up where its supervisor is",
    )
)
