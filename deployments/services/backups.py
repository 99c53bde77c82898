"""Keeping what was seen in a stack's bucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
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
