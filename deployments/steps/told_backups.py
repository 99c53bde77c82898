"""What a playbook told of backups (set_stats, `backups`) becomes rows of the stack."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from deployments.services.backups import Seen, see_backups
from deployments.work import Work

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A host's clock and ours.
SKEW = timedelta(minutes=5)


def keep(work: Work, params: Mapping[str, Any], kind: str, *, whole: bool = False) -> None:
    """Write down the backups that the last playbook of this kind told, of the step's `component`.

    One that was told counts, whatever failed after it. With `whole` it told all that there are:
    rows of others go. Call inside the fenced transaction.
    """
    component = params.get("component")
    if not component:
        return
    steps = work.run.steps.filter(kind=kind, number__lt=work.step.number)
    step = steps.order_by("-number").first()
    told = step.progress.get("backups", ()) if step is not None else ()
    found = [one for one in map(_seen, told) if one is not None]
    if found or whole:
        run = None if whole else work.run
        see_backups(work.stack, component, "", found, run=run, whole=whole)


def _seen(told: Mapping[str, Any]) -> Seen | None:
    """Return it as the bucket would list it; None for one without a moment that can be.

    That is one of ISO 8601, of this century, and not ahead: that would count as fresh for long.
    """
    try:
        moment = datetime.fromisoformat(told["taken_at"])
    except ValueError:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= at <= timezone.now() + SKEW:
        return None
    return Seen(told["key"], told["size"], at)
