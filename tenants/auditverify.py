"""Checking the chain: what was changed, put in or taken out, and whether its end is there."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from tenants import auditkeys
from tenants.auditchain import (
    ARCHIVE_LOCK,
    COLUMNS,
    archived_until,
    has_own_mark,
    is_marked,
    last_archive,
    mac_of,
    unsealed,
)
from tenants.models import AuditAnchor, AuditEntry, AuditSeal

CHUNK = 2_000
# An entry may wait so long for its seal.
WAIT_S = 60
# So many findings are named; all are counted.
NAMED = 100
HEAD_FILE = "audit_head.json"


@dataclass(frozen=True)
class Flaw:
    """One thing that does not fit. `code` is stable: changed, inserted, missing, seal, end, …"""

    code: str
    text: str
    entry: str = ""
    seq: int = 0


@dataclass
class Verdict:
    """What a check looked at and found."""

    checked: int = 0
    first: int = 0
    last: int = 0
    head: str = ""
    waiting: int = 0
    flaw_count: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    def add(self, code: str, text: str, entry: str = "", seq: int = 0) -> None:
        """Count a flaw, and keep the first of them."""
        self.flaw_count += 1
        if len(self.flaws) < NAMED:
            self.flaws.append(Flaw(code, text, entry, seq))

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing was found."""
        return not self.flaw_count

    def to_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return asdict(self) | {"is_whole": self.is_whole}


def verify(
    *, since: date | None = None, until: date | None = None, expected: tuple[int, str] | None = None
) -> Verdict:
    """Check the chain, of some days only where these are given (days of sealing, in UTC).

    `expected` is (number, head) of an anchor that somebody kept outside of the database. What is
    written meanwhile does not disturb; a day is not moved away meanwhile.
    """
    verdict = Verdict()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ARCHIVE_LOCK])
        anchors = list(AuditAnchor.objects.order_by("id"))
        wanted = _heads(anchors, verdict, expected)
        seals = AuditSeal.objects.order_by("seq")
        if since:
            seals = seals.filter(day__gte=since)
        if until:
            seals = seals.filter(day__lte=until)
        reach = seals.values_list("seq", flat=True).first()
        reach = reach or AuditSeal.objects.aggregate(last=Max("seq"))["last"] or 0
        _walk(reach, until, wanted, verdict)
        if until is None:
            _check_end(wanted, verdict)
        if since is None and until is None:
            _check_unsealed(anchors, verdict)
    return verdict


def _heads(
    anchors: list[AuditAnchor], verdict: Verdict, expected: tuple[int, str] | None
) -> dict[int, tuple[str, str]]:
    """Return what is known of heads, as number: (MAC, who says so)."""
    found: dict[int, tuple[str, str]] = {}
    for anchor in anchors:
        if not anchor.is_genuine:
            words = f"the anchor of {anchor.day} ({anchor.kind}) was changed or put in"
            verdict.add("anchor", words, seq=anchor.last_seq)
        elif anchor.head:
            found[anchor.last_seq] = (anchor.head, f"the anchor of {anchor.day}")
    kept = read_head_file()
    if kept is not None:
        found.setdefault(kept[0], (kept[1], f"the file {HEAD_FILE} of this host"))
    if expected is not None:
        found[expected[0]] = (expected[1], "the anchor that you gave")
    return found


def _walk(
    first: int, until: date | None, wanted: dict[int, tuple[str, str]], verdict: Verdict
) -> None:
    """Follow the seals from number `first`; 0 when there is none."""
    moved = last_archive()
    begin = moved.last_seq + 1 if moved else 1
    before = moved.head if moved else ""
    if first > begin:
        previous = AuditSeal.objects.filter(seq=first - 1).first()
        if previous is not None:
            begin, before = first, previous.mac
    expected = begin
    for seq, mac, day, key_id, row in links(begin, until) if first else ():
        if seq > expected:
            words = f"{seq - expected} seals are missing: numbers {expected} to {seq - 1}"
            verdict.add("missing", words, seq=expected)
        check_link(seq, before, mac, day, key_id, row, verdict)
        if seq in wanted and wanted[seq][0] != mac:
            verdict.add("anchor", f"number {seq} is not what {wanted[seq][1]} says", seq=seq)
        verdict.first = verdict.first or seq
        verdict.checked += 1
        verdict.last, verdict.head, before, expected = seq, mac, mac, seq + 1
    if not verdict.last:
        verdict.last, verdict.head = begin - 1, before


def links(begin: int, until: date | None) -> Iterator[tuple[int, str, date, str, dict | None]]:
    """Yield (number, MAC, day, key, entry) of the seals in their order, in pieces."""
    while True:
        seals = AuditSeal.objects.filter(seq__gte=begin)
        if until:
            seals = seals.filter(day__lte=until)
        piece = list(
            seals.order_by("seq").values_list("seq", "mac", "day", "key_id", "entry_id")[:CHUNK]
        )
        rows = AuditEntry.objects.filter(pk__in=[each[4] for each in piece]).values(*COLUMNS)
        entries = {row["id"]: row for row in rows}
        for seq, mac, day, key_id, entry_id in piece:
            row = entries.get(entry_id)
            yield seq, mac, day, key_id, row if row is not None else {"gone": entry_id}
        if len(piece) < CHUNK:
            return
        begin = piece[-1][0] + 1


def check_link(
    seq: int, before: str, mac: str, day: date, key_id: str, row: dict[str, Any], verdict: Verdict
) -> None:
    if "gone" in row:
        verdict.add("missing", f"entry {row['gone']} was deleted", str(row["gone"]), seq)
        return
    name = f"{row['id']} ({row['public_id']})"
    have = auditkeys.keys()
    if key_id not in have:
        verdict.add("key", f"key “{key_id}” is missing in AUDIT_KEYS", name, seq)
    elif mac_of(key_id, seq, before, day, row) == mac:
        return
    elif row["mark"] and has_own_mark(row):
        words = f"the seal of entry {name} was changed, or the row before it; the entry was not"
        verdict.add("seal", words, name, seq)
    else:
        verdict.add("changed", f"entry {name} was changed after it was sealed", name, seq)


def _check_end(wanted: dict[int, tuple[str, str]], verdict: Verdict) -> None:
    """Find a chain that ends before what an anchor has seen."""
    beyond = {seq: said for seq, said in wanted.items() if seq > verdict.last}
    if beyond:
        last = max(beyond)
        words = (
            f"the end is cut off: the chain ends at number {verdict.last}, but {beyond[last][1]} "
            f"has seen number {last}, so {last - verdict.last} entries are missing"
        )
        verdict.add("end", words, seq=last)


def _check_unsealed(anchors: list[AuditAnchor], verdict: Verdict) -> None:
    """Tell entries that wait for their seal from those that nobody with the key wrote."""
    starts = [a.unmarked_to for a in anchors if a.kind == AuditAnchor.Kind.START and a.is_genuine]
    # Before the sealer's first look nothing says what is old.
    unmarked_to = max(starts, default=0)
    archived = archived_until()
    for row in unsealed().values(*COLUMNS).iterator(CHUNK):
        name = f"{row['id']} ({row['public_id']})"
        if (starts or row["mark"]) and not is_marked(row, unmarked_to, archived):
            words = f"entry {name} was put in from outside: the portal did not write it"
            verdict.add("inserted", words, name)
        else:
            verdict.waiting += 1


def late_entries() -> int:
    """Return how many entries have waited longer than WAIT_S for their seal."""
    return unsealed().filter(created_at__lt=timezone.now() - timedelta(seconds=WAIT_S)).count()


# --- the head, outside of the database ----------------------------------------------------------
def read_head_file() -> tuple[int, str] | None:
    """Return number and MAC of the head that this host wrote down last; None when it has none."""
    try:
        kept = json.loads((settings.VAR_ROOT / HEAD_FILE).read_text())
        return int(kept["seq"]), str(kept["mac"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_head_file(seq: int, mac: str) -> None:
    """Write the head down beside the database (0600), unless an earlier end would replace a later.

    A chain that became shorter must be found, not forgotten.
    """
    kept = read_head_file()
    if kept is not None and kept[0] >= seq:
        return
    place: Path = settings.VAR_ROOT / HEAD_FILE
    fresh = place.with_suffix(".new")
    fresh.touch(mode=0o600)
    text = {"seq": seq, "mac": mac, "at": timezone.now().astimezone(UTC).isoformat()}
    fresh.write_text(json.dumps(text))
    fresh.replace(place)
