"""s3.list, s3.await_object, backup.require_fresh: what is in the bucket is what is true."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.models import Backup
from deployments.services.backups import Seen, guarding_backups, see_backups
from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import BackupTooOld, NoBackupSeen
from deployments.steps.provider import asking, client, own_bucket
from deployments.work import Work
from omlsaas.lib.amounts import amount

# The command that makes a backup ends after the upload, and S3 shows an object at once.
AWAIT_S = 300
POLL_S = 2.0
FRESH_H = 26
# The provider's clock and ours: an object may seem to be so much older than it is.
SKEW = timedelta(minutes=5)


def listed(s3: Any, bucket: str, prefix: str) -> Iterator[Seen]:
    """Yield the objects under a prefix that hold something."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", ()):
            if item["Size"] > 0 and not item["Key"].endswith("/"):
                yield Seen(item["Key"], item["Size"], item["LastModified"], item["ETag"])


def newest_backup(work: Work, component: str) -> Backup | None:
    """Return the newest backup of a component that stands for what the stack holds now."""
    return guarding_backups(work.stack, work.run).filter(component=component).first()


def is_fresh_enough(work: Work, params: Mapping[str, Any]) -> bool:
    """Tell whether `skip_if_fresh_h` says that this step is not needed; the log says so."""
    hours = params.get("skip_if_fresh_h")
    if not hours:
        return False
    newest = newest_backup(work, params["component"])
    if newest is None or not newest.is_fresh(within=timedelta(hours=int(hours))):
        return False
    words = {"name": newest.name, "hours": hours}
    work.say(_("Not needed: backup %(name)s is younger than %(hours)s hours.") % words)
    return True


def _places(work: Work, params: Mapping[str, Any]) -> tuple[str, str]:
    prefix = work.render(params.get("prefix", ""))
    return own_bucket(work, work.render(params["bucket"])), prefix


def _list(work: Work, params: Mapping[str, Any]) -> None:
    bucket, prefix = _places(work, params)
    with asking(_("Listing the backups in %s") % bucket):
        found = list(listed(client(work, "s3"), bucket, prefix))
    with transaction.atomic():
        work.fence()
        see_backups(work.stack, params["component"], prefix, found)
    whole = sum(one.size for one in found)
    words = {"count": len(found), "size": amount(whole), "place": f"{bucket}/{prefix}"}
    work.say(_("%(count)s backups, %(size)s in all, in %(place)s.") % words)


# -- waiting for a new one ------------------------------------------------------------------


def _note(work: Work, params: Mapping[str, Any]) -> None:
    """Keep what is in the bucket before the backup is asked for."""
    bucket, prefix = _places(work, params)
    with asking(_("Listing the backups in %s") % bucket):
        found = list(listed(client(work, "s3"), bucket, prefix))
    work.say(
        _("%(count)s backups are in %(place)s now.")
        % {"count": len(found), "place": f"{bucket}/{prefix}"},
        {"noted": {one.key: one.etag for one in found}, "asked_at": timezone.now().isoformat()},
    )


def _await(work: Work, params: Mapping[str, Any]) -> None:
    if is_fresh_enough(work, params):
        return
    bucket, prefix = _places(work, params)
    noted, since = _before(work, params)
    limit = int(params.get("timeout_s", AWAIT_S))
    until = time.monotonic() + limit
    s3, is_told = client(work, "s3"), False
    while True:
        with asking(_("Looking for the backup in %s") % bucket):
            found = list(listed(s3, bucket, prefix))
        new = [one for one in found if noted.get(one.key) != one.etag and one.at >= since]
        if new:
            _keep(work, params, prefix, max(new, key=lambda one: one.at))
            return
        if time.monotonic() > until:
            raise NoBackupSeen(bucket=bucket, prefix=prefix, limit=limit)
        if not is_told:
            words = {"place": f"{bucket}/{prefix}", "limit": limit}
            text = _("No new backup in %(place)s yet; looking for %(limit)s s at most.") % words
            work.say(text, {"text": text})
            is_told = True
        work.pause(POLL_S)


def _before(work: Work, params: Mapping[str, Any]) -> tuple[dict[str, str], datetime]:
    """Return what was noted before the request: key → tag, and the oldest time that counts."""
    steps = work.run.steps.filter(kind="s3.note", params=dict(params), ended_at__isnull=False)
    told = steps.order_by("-number").values_list("progress", flat=True).first() or {}
    asked = told.get("asked_at")
    since = datetime.fromisoformat(asked) if asked else work.run.started_at
    return told.get("noted", {}), since - SKEW


def _keep(work: Work, params: Mapping[str, Any], prefix: str, one: Seen) -> None:
    with transaction.atomic():
        work.fence()
        see_backups(work.stack, params["component"], prefix, [one], run=work.run, whole=False)
    words = {"key": one.key, "size": amount(one.size), "at": f"{one.at:%Y-%m-%d %H:%M:%S} UTC"}
    work.say(_("Backup %(key)s, %(size)s, of %(at)s.") % words, {"text": f"{one.key}"})


def _require(work: Work, params: Mapping[str, Any]) -> None:
    hours = int(params.get("max_age_h", FRESH_H))
    newest = newest_backup(work, params["component"])
    if newest is None or not newest.is_fresh(within=timedelta(hours=hours)):
        words = f"{newest.name}, {newest.taken_at:%Y-%m-%d %H:%M} UTC" if newest else _("none")
        raise BackupTooOld(
            stack=work.stack, component=params["component"], hours=hours, newest=words
        )
    work.say(_("Backup %s is fresh enough.") % newest.name)


def _piece(kind: str, title: Any, call: Any, error_kind: str = "step") -> Piece:
    return Piece(kind, title, call=call, error_kind=error_kind)


register(
    StepKind(
        name="s3.list",
        phase="configure",
        also=("plan", "verify"),
        pieces=(_piece("s3.list", gettext_lazy("List the backups"), _list),),
        params={"bucket": str, "prefix": str, "component": str},
        cancel="nothing to stop",
        resume="done again",
    )
)
register(
    StepKind(
        name="s3.await_object",
        phase="configure",
        also=("plan", "verify"),
        first=(_piece("s3.note", gettext_lazy("Note the backups so far"), _note),),
        pieces=(_piece("s3.await_object", gettext_lazy("Wait for the backup"), _await),),
        params={
            "bucket": str,
            "prefix": str,
            "component": str,
            "timeout_s": int,
            "skip_if_fresh_h": int,
        },
        cancel="stops at the next look",
        resume="goes on to look",
    )
)
register(
    StepKind(
        name="backup.require_fresh",
        phase="plan",
        also=("configure",),
        pieces=(
            _piece(
                "backup.require_fresh",
                gettext_lazy("Look for a fresh backup"),
                _require,
                "refused",
            ),
        ),
        params={"component": str, "max_age_h": int},
        cancel="nothing to stop",
        resume="done again",
    )
)
