"""The chain over the audit trail: seals, anchors, and what a check of them finds.

Writers never wait for each other: they add entries, and the sealer gives committed ones their
number and MAC afterwards. The MAC of a seal covers its number, its day, every column of its entry
and the MAC before it. A day is the UTC day of sealing, so that its seals stand in one piece.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils import timezone

from tenants import auditkeys
from tenants.models import AuditAnchor, AuditCursor, AuditEntry, AuditSeal
from tenants.models.audit import SIGNED

# Any number that nothing else locks by.
LOCK = 0x6F6D6C02
# Moving a day away holds it alone, a check of the chain shares it.
ARCHIVE_LOCK = 0x6F6D6C03
BATCH = 2_000
COLUMNS: Sequence[str] = ("id", *SIGNED, "mark")
# So many moments are remembered at which the sealer looked.
MARKS = 50
SETTLE_S = 60
log = logging.getLogger(__name__)


def seal(*, batches: int = 100, today: date | None = None) -> int:
    """Seal committed entries, up to `batches` times BATCH; return how many were sealed.

    Returns at once when another seals. Each batch is one transaction.
    """
    day, done, after = today or timezone.now().astimezone(UTC).date(), 0, 0
    for _batch in range(batches):
        with transaction.atomic():
            if not _is_alone():
                break
            sealed, after, is_last = _seal_batch(day, after)
        done += sealed
        if is_last:
            break
    return done


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _seal_batch(day: date, after: int) -> tuple[int, int, bool]:
    """Seal the next entries beyond the id `after`; return how many, the last id, whether all."""
    start = _start(day)
    cursor = AuditCursor.objects.get_or_create(name="sealer")[0]
    now = _moment()
    rows = unsealed(max(after, cursor.position))[:BATCH]
    entries = list(rows.values(*COLUMNS))
    seq, head, last_day = _head()
    day = max(day, last_day or day)
    _end_days(day)
    archived = archived_until()
    good = [row for row in entries if is_marked(row, start.unmarked_to, archived)]
    _add_seals(good, seq, head, day)
    is_last = len(entries) < BATCH
    if is_last:
        _advance(cursor, now)
    return len(good), entries[-1]["id"] if entries else after, is_last


def unsealed(after: int = 0) -> QuerySet:
    """Return the committed entries beyond an id that have no seal, the oldest first."""
    sealed = AuditSeal.objects.filter(entry_id=OuterRef("pk"))
    return AuditEntry.objects.filter(~Exists(sealed), pk__gt=after).order_by("pk")


def is_marked(row: dict[str, Any], unmarked_to: int, archived: datetime | None) -> bool:
    """Tell whether the portal wrote this entry: its mark fits, and it is no copy out of a file."""
    if not row["mark"]:
        return row["id"] <= unmarked_to
    if archived is not None and row["created_at"] < archived:
        return False
    return has_own_mark(row)


def has_own_mark(row: dict[str, Any]) -> bool:
    """Tell whether an entry's columns are those that its writer signed."""
    key_id, _sign, found = row["mark"].partition(":")
    return auditkeys.fits(key_id, found, "entry", auditkeys.canonical(SIGNED, row))


def mac_of(key_id: str, seq: int, before: str, day: date, row: dict[str, Any]) -> str:
    """Return the MAC that a seal must have; `row` holds COLUMNS."""
    text = auditkeys.canonical(COLUMNS, row)
    return auditkeys.mac(key_id, "seal", str(seq), before, day.isoformat(), text)


def _add_seals(rows: list[dict[str, Any]], seq: int, head: str, day: date) -> None:
    key_id, ids, macs = auditkeys.first_key(), [], []
    for number, row in enumerate(rows, seq + 1):
        head = mac_of(key_id, number, head, day, row)
        ids.append(row["id"])
        macs.append(head)
    if not ids:
        return
    numbers = list(range(seq + 1, seq + 1 + len(ids)))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_auditseal (seq, entry_id, day, key_id, mac)"
            " SELECT n, e, %s, %s, m FROM unnest(%s::bigint[], %s::bigint[], %s::text[])"
            " AS x(n, e, m)",
            [day, key_id, numbers, ids, macs],
        )


def _start(day: date) -> AuditAnchor:
    """Return the anchor at the chain's start, made when there is none.

    What was written before there were marks is taken as it is, once.
    """
    found = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.START).first()
    if found is None:
        old = AuditEntry.objects.filter(mark="").aggregate(last=Max("id"))["last"] or 0
        found = AuditAnchor(kind=AuditAnchor.Kind.START, day=day, first_seq=1, last_seq=0)
        found.unmarked_to = old
        found.save()
    return found


def _head() -> tuple[int, str, date | None]:
    """Return number, MAC and day of the last seal; what was archived counts as well."""
    last = AuditSeal.objects.order_by("-seq").first()
    if last is not None:
        return last.seq, last.mac, last.day
    moved = last_archive()
    return (moved.last_seq, moved.head, moved.day) if moved else (0, "", None)


def last_archive() -> AuditAnchor | None:
    """Return the anchor of the newest day that was moved to a file."""
    moved = AuditAnchor.objects.filter(kind=AuditAnchor.Kind.ARCHIVE)
    return moved.order_by("-last_seq").first()


def archived_until() -> datetime | None:
    """Return the moment before which every entry has long been sealed and moved away."""
    moved = last_archive()
    if moved is None:
        return None
    return datetime.combine(moved.day + timedelta(days=1), time.min, UTC)


def _end_days(day: date) -> None:
    """Anchor the last day that has seals and is over; its head goes to the log as well."""
    last = AuditSeal.objects.filter(day__lt=day).order_by("-seq").first()
    kind = AuditAnchor.Kind.DAY
    if last is None or AuditAnchor.objects.filter(kind=kind, day=last.day).exists():
        return
    first = AuditSeal.objects.filter(day=last.day).order_by("seq").first()
    anchor = AuditAnchor(kind=kind, day=last.day, first_seq=first.seq, last_seq=last.seq)
    anchor.head = last.mac
    anchor.save()
    log.info("audit anchor %s %s:%s", anchor.day, anchor.last_seq, anchor.head)


@dataclass(frozen=True)
class Moment:
    """What was open in the database when the sealer looked, and the last id given out by then."""

    oldest: int
    following: int
    last_id: int
    at: int


def _moment() -> Moment:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint, last_value,"
            " extract(epoch FROM clock_timestamp())::bigint FROM tenants_auditentry_id_seq"
        )
        return Moment(*cursor.fetchone())


def _advance(cursor: AuditCursor, now: Moment) -> None:
    """Let later looks begin behind ids that no open transaction can still bring.

    A long transaction commits a lower id after higher ones. So an id is left behind only when all
    transactions have ended that were open when it had been given out, and SETTLE_S later: an id
    is taken a moment before its transaction has a number. `now` was before the look at entries.
    """
    # Numbers of another server, before a restore, say nothing here.
    marks = [mark for mark in cursor.detail.get("marks", []) if mark[0] <= now.following]
    past = [m for m in marks if m[0] <= now.oldest and now.at - m[2] >= SETTLE_S]
    if past:
        cursor.position = max(cursor.position, past[-1][1])
    open_ = [mark for mark in marks if mark not in past]
    if not open_ or open_[-1][1] != now.last_id:
        open_.append([now.following, now.last_id, now.at])
    elif not past and marks == cursor.detail.get("marks"):
        return
    cursor.detail = {"marks": open_ if len(open_) <= MARKS else [open_[0], open_[-1]]}
    cursor.save()


def head() -> tuple[int, str]:
    """Return number and MAC of the last seal; (0, "") before the first."""
    seq, mac, _day = _head()
    return seq, mac


def plain_entry(row: dict[str, Any]) -> dict[str, Any]:
    """Return COLUMNS of an entry as JSON holds them: files and forwarding."""
    return json.loads(auditkeys.canonical(COLUMNS, row))
