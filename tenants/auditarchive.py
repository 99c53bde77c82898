"""Moving whole sealed days into files, and checking such a file.

A file holds one day, a JSON object a line, gzipped, readable by its owner alone. Its first line
tells where in the chain it stands. Its SHA-256 stays in the chain: in a signed anchor, and in the
entry that tells of the move.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tenants import audit, auditkeys
from tenants.actors import Actor
from tenants.auditchain import ARCHIVE_LOCK, COLUMNS, last_archive, plain_entry, seal
from tenants.auditverify import Verdict, check_link, links
from tenants.models import AuditAnchor

FORMAT = "omlsaas audit 1"


class ArchiveFailed(Exception):
    """Why a day stays in the database, in words."""


def due_days(keep_days: int, today: date | None = None) -> list[date]:
    """Return the sealed and anchored days that are older than `keep_days`, the oldest first."""
    if keep_days <= 0:
        return []
    limit = (today or timezone.now().astimezone(UTC).date()) - timedelta(days=keep_days)
    moved = last_archive()
    days = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.DAY, day__lt=limit)
    if moved is not None:
        days = days.filter(last_seq__gt=moved.last_seq)
    return list(days.order_by("last_seq").values_list("day", flat=True))


def archive_day(actor: Actor, day: date) -> dict[str, Any]:
    """Write the next whole day to its file, then take its rows out of the database.

    Days go in their order. Raises ArchiveFailed: nothing was moved then.
    """
    seal()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ARCHIVE_LOCK])
        anchor = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.DAY, day=day).first()
        moved = last_archive()
        if anchor is None or not anchor.is_genuine:
            raise ArchiveFailed(f"{day} has no anchor that fits: run manage.py verify_audit.")
        if anchor.first_seq != (moved.last_seq + 1 if moved else 1):
            raise ArchiveFailed(f"{day} is not the next day to move, or was moved already.")
        before = moved.head if moved else ""
        path, digest, count = _write_file(anchor, before)
        done = AuditAnchor(kind=AuditAnchor.Kind.ARCHIVE, day=day, first_seq=anchor.first_seq)
        done.last_seq, done.head = anchor.last_seq, anchor.head
        done.file_name, done.file_sha256 = path.name, digest
        done.save()
        told = {"day": day.isoformat(), "file": path.name, "sha256": digest, "entries": count,
                "first": anchor.first_seq, "last": anchor.last_seq,
                "head": anchor.head}  # fmt: skip
        audit.record(actor, "audit.archive", audit.PORTAL, after=told)
        _delete(anchor)
    return told


def _write_file(anchor: AuditAnchor, before: str) -> tuple[Path, str, int]:
    """Write a day's file; return (path, SHA-256, entries). It is checked while it is written."""
    folder: Path = settings.AUDIT_ARCHIVE_ROOT
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"audit-{anchor.day}-{anchor.first_seq}-{anchor.last_seq}.ndjson.gz"
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    verdict = Verdict()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
            for line in _lines(anchor, before, verdict):
                packed.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        raw.flush()
        os.fsync(raw.fileno())
    if not verdict.is_whole or verdict.checked != anchor.last_seq - anchor.first_seq + 1:
        fresh.unlink()
        why = verdict.flaws[0].text if verdict.flaws else "entries are missing"
        raise ArchiveFailed(f"{anchor.day} does not verify ({why}): it stays where it is.")
    fresh.replace(path)
    with path.open("rb") as file:
        return path, hashlib.file_digest(file, "sha256").hexdigest(), verdict.checked


def _lines(anchor: AuditAnchor, before: str, verdict: Verdict) -> Iterator[dict[str, Any]]:
    yield {"format": FORMAT, "day": anchor.day.isoformat(), "first": anchor.first_seq,
           "last": anchor.last_seq, "before": before, "head": anchor.head}  # fmt: skip
    for seq, mac, day, key_id, row in links(anchor.first_seq, anchor.day):
        check_link(seq, before, mac, day, key_id, row, verdict)
        verdict.checked += 1
        before = mac
        entry = {"id": row["gone"]} if "gone" in row else plain_entry(row)
        yield {"seq": seq, "key": key_id, "mac": mac, "entry": entry}


def _delete(anchor: AuditAnchor) -> None:
    """Delete a day that stands in a file: the one way that the triggers let through."""
    span = [anchor.first_seq, anchor.last_seq]
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('omlsaas.audit_archive', 'on', true)")
        cursor.execute(
            "DELETE FROM tenants_auditentry e USING tenants_auditseal s"
            " WHERE s.entry_id = e.id AND s.seq BETWEEN %s AND %s",
            span,
        )
        cursor.execute("DELETE FROM tenants_auditseal WHERE seq BETWEEN %s AND %s", span)
        cursor.execute("SELECT set_config('omlsaas.audit_archive', '', true)")


def verify_file(path: Path) -> Verdict:
    """Check one archived day by itself, and against its anchor where the database has it.

    Raises OSError and ValueError for something that is no such file.
    """
    verdict = Verdict()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        top = json.loads(next(lines))
        if top.get("format") != FORMAT:
            raise ValueError(f"{path} is no archived day of the audit trail")
        _check_lines(lines, top, verdict)
    anchors = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.ARCHIVE, last_seq=top["last"])
    anchor = anchors.first()
    if anchor is None or not anchor.is_genuine:
        verdict.add("anchor", "the database has no anchor for this file", seq=top["last"])
    elif (anchor.file_sha256, anchor.head) != (digest, verdict.head):
        verdict.add("anchor", "the file is not the one whose SHA-256 is in the chain")
    return verdict


def _check_lines(lines: Iterator[str], top: dict[str, Any], verdict: Verdict) -> None:
    before, day = top["before"], date.fromisoformat(top["day"])
    expected = verdict.first = top["first"]
    for line in lines:
        item = json.loads(line)
        seq, entry = item["seq"], item["entry"]
        if seq != expected:
            words = f"numbers {expected} to {seq - 1} are missing in the file"
            verdict.add("missing", words, seq=expected)
        row = dict.fromkeys(COLUMNS) | entry
        text = auditkeys.canonical(COLUMNS, row)
        parts = ("seal", str(seq), before, day.isoformat(), text)
        if not auditkeys.fits(item["key"], item["mac"], *parts):
            name = f"{entry.get('id')} ({entry.get('public_id', '?')})"
            verdict.add("changed", f"entry {name} was changed in the file", name, seq)
        before, expected = item["mac"], seq + 1
        verdict.checked += 1
        verdict.last = seq
    verdict.head = before
    if verdict.last != top["last"]:
        verdict.add("end", f"the file ends at number {verdict.last}, not at {top['last']}")
