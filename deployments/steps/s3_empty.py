"""s3.require_empty, s3.empty: all versions of all objects of a bucket, looked at, then deleted."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deployments.cloud.words import API_ERRORS, code_of
from deployments.errors import TimedOut
from deployments.models import Run
from deployments.steps import Piece, StepKind, engine, register
from deployments.steps.errors import BucketLocked, BucketNotEmpty, NotDeleted, WillEmpty
from deployments.steps.provider import asking, client, own_bucket
from deployments.work import Work
from omlsaas.lib.amounts import amount

# The most that one call deletes.
BATCH = 1000
TELL_EVERY_S = 2.0
NO_LOCK = "ObjectLockConfigurationNotFoundError"


def _pages(work: Work, s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    """Yield pages of versions and delete markers; between two of them the lease is renewed."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        work.check_cancel()
        yield page


def _counted(work: Work, s3: Any, bucket: str) -> dict[str, int]:
    objects = versions = markers = size = 0
    told = time.monotonic()
    for page in _pages(work, s3, bucket):
        found = page.get("Versions", [])
        versions += len(found)
        objects += sum(1 for one in found if one["IsLatest"])
        size += sum(one["Size"] for one in found)
        markers += len(page.get("DeleteMarkers", []))
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            text = _("%(count)s versions so far, %(size)s")
            words = {"count": versions, "size": amount(size)}
            work.say(text % words, {"text": text % words})
    return {"objects": objects, "versions": versions, "markers": markers, "bytes": size}


def _require_empty(work: Work, params: Mapping[str, Any]) -> None:
    bucket = own_bucket(work, work.render(params["bucket"]))
    with asking(_("Looking into %s") % bucket):
        try:
            found = _counted(work, client(work, "s3"), bucket)
        except API_ERRORS as error:
            if code_of(error) != "NoSuchBucket":
                raise
            work.say(_("%s is gone already.") % bucket)
            return
    if found["versions"] or found["markers"]:
        versions = found["versions"] + found["markers"]
        raise BucketNotEmpty(bucket=bucket, versions=versions, size=amount(found["bytes"]))
    work.say(_("%s is empty.") % bucket)


def _refuse_locked(work: Work, s3: Any, bucket: str) -> None:
    held = Run.objects.filter(stack=work.stack, has_legal_hold=True).first()
    if held is not None:
        why = _("run %s is under legal hold. Lift the hold first.") % held.number
        raise BucketLocked(bucket=bucket, why=why)
    try:
        lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except API_ERRORS as error:
        if code_of(error) != NO_LOCK:
            raise
        return
    if lock.get("ObjectLockEnabled") == "Enabled":
        why = _("it has an object lock, so its objects may be under legal hold or retention.")
        raise BucketLocked(bucket=bucket, why=why)


def _look(work: Work, params: Mapping[str, Any]) -> None:
    """Count what would be deleted; that is the plan that somebody confirms."""
    bucket = own_bucket(work, work.render(params["bucket"]))
    with asking(_("Looking into %s") % bucket):
        s3 = client(work, "s3")
        _refuse_locked(work, s3, bucket)
        found = _counted(work, s3, bucket)
    if not found["versions"] and not found["markers"]:
        work.say(_("%s is empty.") % bucket)
        return
    finding = WillEmpty(bucket=bucket, size=amount(found["bytes"]), **found)
    work.find({**finding.to_json(), "about": bucket, "is_loud": True})
    work.say(str(finding))


def _empty(work: Work, params: Mapping[str, Any]) -> None:
    """Delete page by page from the beginning: what was done by another worker is not there."""
    bucket = own_bucket(work, work.render(params["bucket"]))
    limit = engine.limit(work, "apply_s", settings.APPLY_TIMEOUT_S)
    done, size, until, told = 0, 0, time.monotonic() + limit, 0.0
    total = _expected(work, bucket)
    with asking(_("Emptying %s") % bucket):
        s3 = client(work, "s3")
        _refuse_locked(work, s3, bucket)
        while batch := _batch(s3, bucket):
            work.check_cancel()
            _delete(s3, bucket, batch)
            done, size = done + len(batch), size + sum(one.get("Size", 0) for one in batch)
            if time.monotonic() > until:
                raise TimedOut(phase="configure", limit=f"{limit} s")
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                _tell(work, done, total, size)
    _tell(work, done, max(done, 1), size)


def _expected(work: Work, bucket: str) -> int:
    found = (f["params"] for f in work.run.findings if f["about"] == bucket)
    return sum(one["versions"] + one["markers"] for one in found) or 1


def _batch(s3: Any, bucket: str) -> list[dict[str, Any]]:
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=BATCH)
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]


def _delete(s3: Any, bucket: str, batch: list[dict[str, Any]]) -> None:
    keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in batch]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    if failed := answer.get("Errors"):
        first = failed[0]
        why = first.get("Message") or first.get("Code", "?")
        raise NotDeleted(count=len(failed), bucket=bucket, key=first.get("Key", "?"), why=why)


def _tell(work: Work, done: int, total: int, size: int) -> None:
    text = ngettext("%(n)s version deleted, %(size)s", "%(n)s versions deleted, %(size)s", done)
    text %= {"n": done, "size": amount(size)}
    work.say(text, {"done": done, "total": max(total, done), "text": text})


register(
    StepKind(
        name="s3.require_empty",
        phase="plan",
        pieces=(
            Piece(
                "s3.require_empty",
                gettext_lazy("Look whether the bucket is empty"),
                call=_require_empty,
                error_kind="refused",
            ),
        ),
        params={"bucket": str},
        cancel="nothing to stop",
        resume="done again",
    )
)
register(
    StepKind(
        name="s3.empty",
        phase="configure",
        look=(
            Piece("s3.look", gettext_lazy("Count what is in the bucket"), call=_look,
                  error_kind="refused"),
        ),
        pieces=(
            Piece("s3.empty", gettext_lazy("Empty the bucket"), call=_empty, error_kind="step"),
        ),
        params={"bucket": str},
        risk="destroys",
        cancel="stops after the thousand in hand; what is deleted stays deleted",
        resume="goes on with what is left",
    )
)  # fmt: skip
