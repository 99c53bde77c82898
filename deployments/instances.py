"""Pushing to the instances repository: in a worker, after the run, again until it works.

A push that fails never touches a run. One pusher at a time over all hosts; what waits for one
repository goes in the order of the runs.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from deployments.cloud.errors import InstancesNotPushed
from deployments.models import InstancesRecord
from deployments.onlyone import only_one
from deployments.runner.git import Clone, Commit, GitFailed
from tenants.places import problem_of_remote

log = logging.getLogger(__name__)
AT_ONCE = 50
FIRST_WAIT_S, LONGEST_WAIT_S = 60, 6 * 3600


def push_due() -> int:
    """Push what is due; return how many records are in their repository now."""
    due = waiting().filter(next_try_at__lte=timezone.now())
    if not due.exists():
        return 0
    with only_one("instances") as is_first:
        if not is_first:
            return 0
        remotes = due.order_by().values_list("remote", flat=True).distinct()
        return sum(_push(remote) for remote in list(remotes))


def waiting():
    """Return the records that are not in their repository yet, oldest first."""
    return InstancesRecord.objects.filter(pushed_at__isnull=True).order_by("id")


def _push(remote: str) -> int:
    """Push all that waits for one repository, the not yet due ones before it too: in order."""
    records = list(waiting().filter(remote=remote).select_related("run", "stack")[:AT_ONCE])
    try:
        commits = _commit_and_push(remote, records)
    except (GitFailed, OSError) as problem:
        _note_failure(remote, records, str(problem))
        return 0
    now = timezone.now()
    for record, commit in zip(records, commits, strict=True):
        InstancesRecord.objects.filter(pk=record.pk).update(
            pushed_at=now, commit=commit, error=None, next_try_at=None, tries=F("tries") + 1
        )
    return len(records)


def _commit_and_push(remote: str, records: Sequence[InstancesRecord]) -> list[str]:
    if problem := problem_of_remote(remote):
        raise GitFailed(problem)
    clone = clone_of(remote)
    clone.fetch()
    commits = [
        clone.commit(
            Commit(
                record.folder,
                record.files,
                record.message,
                record.author_name,
                record.author_email,
                record.created_at.isoformat(timespec="seconds"),
            )
        )
        for record in records
    ]
    clone.push()
    return commits


def clone_of(remote: str) -> Clone:
    """Return this host's clone of a repository, with the ways to sign in."""
    root = settings.VAR_ROOT / "instances"
    return Clone(
        path=root / hashlib.sha256(remote.encode()).hexdigest()[:16],
        remote=remote,
        branch=settings.INSTANCES_BRANCH,
        ssh_key=settings.INSTANCES_SSH_KEY_FILE,
        token=settings.INSTANCES_TOKEN_FILE,
        known_hosts=root / "known_hosts",
    )


def _note_failure(remote: str, records: Sequence[InstancesRecord], why: str) -> None:
    """Keep why, and when to try again: each time twice as late, up to six hours."""
    log.warning("the instances repository %s takes nothing: %s", remote, why)
    error = InstancesNotPushed(remote=remote, why=why[:400].rstrip(".")).to_json()
    for record in records:
        wait = min(FIRST_WAIT_S * 2 ** min(record.tries, 12), LONGEST_WAIT_S)
        InstancesRecord.objects.filter(pk=record.pk).update(
            tries=F("tries") + 1,
            error=error,
            next_try_at=timezone.now() + timedelta(seconds=wait),
        )
