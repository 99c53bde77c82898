"""Keeping what was seen in a stack's bucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from deployments.models import Backup, Run
from deployments.models.backups import backup_name
from tenants.models import Stack


@dataclass(frozen=True)
class Seen:
    """One object as the bucket lists it."""

    key: str
    size: int
    at: datetime
    etag: str = ""


def guarding_backups(stack: Stack, run: Run | None = None) -> QuerySet[Backup]:
    """Return the backups that may stand for what the stack holds now, the newest first.

    What a restore put aside is what somebody wanted gone, and what is older than the end of the
    last restore is not what came back: neither makes another backup needless. Both count all the
    same for the `run` that is itself such a restore.
    """
    restores = Run.objects.filter(stack=stack, action_kind="restore")
    if run is not None:
        restores = restores.exclude(pk=run.pk)
    begun = restores.filter(steps__phase__in=("apply", "configure"))
    last = begun.aggregate(last=Max("ended_at"))["last"]
    found = without_put_aside(stack, run)
    return found.filter(taken_at__gt=last) if last else found


def without_put_aside(stack: Stack, run: Run | None = None) -> QuerySet[Backup]:
    """Return a stack's backups, the newest first, without those that other restores made."""
    own = Q(run=run) if run is not None else Q()
    kept = Q(run__isnull=True) | ~Q(run__action_kind="restore")
    return Backup.objects.filter(kept | own if own else kept, stack=stack)


def see_backups(
    stack: Stack,
    component: str,
    prefix: str,
    found: Iterable[Seen],
    *,
    run: Run | None = None,
    whole: bool = True,
) -> None:
    """Write down which backups there are.

    With `whole`, `found` is all that there is under the prefix: rows of others go.
    """
    now = timezone.now()
    rows = [
        Backup(
            stack=stack, component=component, name=backup_name(one.key), key=one.key,
            size=one.size, taken_at=one.at, seen_at=now, run=run,
        )
        for one in found
    ]  # fmt: skip
    updated = ["component", "name", "size", "taken_at", "seen_at", *(["run"] if run else [])]
    with transaction.atomic():
        Backup.objects.bulk_create(
            rows, batch_size=500, update_conflicts=True,
            unique_fields=["stack", "key"], update_fields=updated,
        )  # fmt: skip
        if whole:
            gone = Backup.objects.filter(stack=stack, component=component, seen_at__lt=now)
            gone.filter(key__startswith=prefix).delete()
