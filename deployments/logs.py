"""The one writer of a step's log: lines in, fenced transactions out.

A step's row says how far its raw file is stored (`raw_offset`) and where the run's log ends
(`log_end`). Every flush moves both by a compare-and-set in the same statement that stores the
bytes, so each line is stored exactly once whoever dies, wakes up or repeats himself.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection
from psycopg.types.json import Jsonb

from deployments import notify
from deployments.models import LogChunk, Run, RunStep

FLUSH_LINES = 64
FLUSH_S = 0.05
CHUNK_BYTES = 64 * 1024
BATCH_BYTES = 512 * 1024
# People are told of progress no more often than this.
PROGRESS_HINT_S = 1.0

_STEP, _CHUNK, _RUN = (model._meta.db_table for model in (RunStep, LogChunk, Run))
# One statement is one transaction and one round trip. The chunk, the hint and the new offsets
# become visible together or not at all.
_FLUSH = f"""
WITH moved AS (
    UPDATE {_STEP} SET raw_offset = %(raw_to)s, log_end = %(end_to)s, log_lines = %(lines_to)s,
        last_output_at = CASE WHEN %(end_to)s > %(end)s THEN clock_timestamp()
                         ELSE last_output_at END,
        progress = coalesce(%(progress)s, progress)
    WHERE id = %(step)s AND epoch = %(epoch)s AND raw_offset = %(raw)s AND log_end = %(end)s
    RETURNING run_id
), stored AS (
    INSERT INTO {_CHUNK} (run_id, "offset", size, first_line, line_count, codec, data, written_at)
    SELECT moved.run_id, c.at, length(c.data), c.first, c.count, 0, c.data, clock_timestamp()
    FROM moved, unnest(%(at)s::bigint[], %(first)s::bigint[], %(count)s::int[], %(data)b::bytea[])
        AS c(at, first, count, data)
), told AS (
    SELECT CASE WHEN %(tell_progress)s THEN pg_notify('{notify.RUN}',
        concat_ws(':', r.id, r.stack_id, r.region_id, r.status)) END
    FROM moved JOIN {_RUN} r ON r.id = moved.run_id
)
SELECT pg_notify('{notify.LOG}', moved.run_id || ':' || %(end_to)s), told.*
FROM moved LEFT JOIN told ON true
"""  # noqa: S608 only table names of ours
_LOOK = f"SELECT epoch, raw_offset, log_end FROM {_STEP} WHERE id = %s"  # noqa: S608


class Fenced(Exception):
    """Another worker has taken the step over: stop writing, nothing was written."""


@dataclass(frozen=True)
class _Batch:
    """What one flush stores; kept until the database has certainly taken it."""

    raw_to: int
    rows: list[bytes]
    counts: list[int]
    progress: dict[str, Any] | None

    @property
    def size(self) -> int:
        return sum(map(len, self.rows))


class LogWriter:
    """Append a step's lines to its run's log.

    `append` only buffers; `flush` stores. Flush when `due_in()` is 0. Not thread-safe: one
    thread tails one step. Read the raw file from `step.raw_offset`, which is what is stored.
    """

    def __init__(self, step: RunStep) -> None:
        # Its offsets are kept true, so that the next step begins where this one ends.
        self.step = step
        self.epoch = step.epoch
        # Where the raw file has been read to, stored or not.
        self.raw_seen = step.raw_offset
        self._buffer: deque[tuple[int, bytes]] = deque()
        self._bytes = self._lines = 0
        self._progress: dict[str, Any] | None = None
        self._batch: _Batch | None = None
        self._oldest: float | None = None
        self._flushed_at = self._told_at = float("-inf")

    def append(
        self, raw_offset_after: int, human: bytes, progress: dict[str, Any] | None = None
    ) -> None:
        """Buffer the human text of raw bytes up to `raw_offset_after`, which is a line end.

        `human` is any number of whole lines, or empty. `progress` replaces the step's stored
        projection with the next flush: give it when it has changed, about once a second.
        """
        if raw_offset_after < self.raw_seen:
            raise ValueError(f"raw offset goes back: {self.raw_seen} -> {raw_offset_after}")
        if human and not human.endswith(b"\n"):
            human += b"\n"
        self.raw_seen = raw_offset_after
        self._buffer.append((raw_offset_after, human))
        self._bytes += len(human)
        self._lines += human.count(b"\n")
        if progress is not None:
            self._progress = progress
        if self._oldest is None:
            self._oldest = time.monotonic()

    def note(self, text: str, progress: dict[str, Any] | None = None) -> None:
        """Buffer lines of the portal's own, such as a heading: the raw offset stays."""
        self.append(self.raw_seen, text.encode(errors="replace"), progress)

    @property
    def is_full(self) -> bool:
        """Tell whether to flush before reading more of the raw file."""
        return self._bytes >= BATCH_BYTES

    def due_in(self) -> float | None:
        """Return the seconds until the next flush is due, 0 for now, None for nothing to do.

        The first line after a quiet time is due at once; then 64 lines, 64 KiB or 50 ms.
        """
        if self._batch is not None:
            return 0.0
        if self._oldest is None:
            return None
        if self._lines >= FLUSH_LINES or self._bytes >= CHUNK_BYTES:
            return 0.0
        now = time.monotonic()
        return (
            max(0.0, self._flushed_at + FLUSH_S - now)
            if self._bytes
            else max(0.0, self._oldest + FLUSH_S - now)
        )

    def flush(self) -> None:
        """Store everything that is buffered, in transactions of up to 512 KiB.

        Raises Fenced when the step is not ours any more, and django.db.OperationalError when the
        database is not there: nothing is lost then, call again later. A repeat after a commit
        whose answer was lost is seen as done. The connection goes back to the pool.
        """
        try:
            while self._batch is not None or self._buffer:
                self._batch = self._batch or self._take_batch()
                self._store(self._batch)
                self._batch = None
        except InterfaceError as error:
            raise OperationalError(*error.args) from error
        finally:
            _release()
        self._oldest = None
        self._flushed_at = time.monotonic()

    def _take_batch(self) -> _Batch:
        """Move up to 512 KiB from the buffer into chunks of whole lines."""
        parts, size, raw_to = [], 0, self.step.raw_offset
        while self._buffer and (not parts or size + len(self._buffer[0][1]) <= BATCH_BYTES):
            raw_to, human = self._buffer.popleft()
            parts.append(human)
            size += len(human)
        rows = split_lines(b"".join(parts), CHUNK_BYTES)
        counts = [row.count(b"\n") for row in rows]
        self._bytes -= size
        self._lines -= sum(counts)
        # The projection belongs to the last line read: earlier batches must not carry it.
        progress = None
        if not self._buffer:
            progress, self._progress = self._progress, None
        return _Batch(raw_to, rows, counts, progress)

    def _store(self, batch: _Batch) -> None:
        step = self.step
        end_to, lines_to = step.log_end + batch.size, step.log_lines + sum(batch.counts)
        at, first = [], []
        offset, line = step.log_end, step.log_lines
        for row, count in zip(batch.rows, batch.counts, strict=True):
            at.append(offset)
            first.append(line)
            offset, line = offset + len(row), line + count
        now = time.monotonic()
        tells = batch.progress is not None and now >= self._told_at + PROGRESS_HINT_S
        params = {
            "step": step.pk, "epoch": self.epoch, "raw": step.raw_offset,
            "end": step.log_end, "raw_to": batch.raw_to, "end_to": end_to, "lines_to": lines_to,
            "at": at, "first": first, "count": batch.counts, "data": batch.rows,
            "progress": None if batch.progress is None else Jsonb(batch.progress),
            "tell_progress": tells,
        }  # fmt: skip
        connection.ensure_connection()
        # Parameters bound by the server: Django's cursor would send the bytes as hex text.
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(_FLUSH, params, prepare=False)
            if cursor.fetchone() is None:
                cursor.execute(_LOOK, [step.pk])
                # Ours all the same when a commit got through whose answer did not.
                if cursor.fetchone() != (self.epoch, batch.raw_to, end_to):
                    raise Fenced(f"step {step.pk} has another writer")
        step.raw_offset, step.log_end, step.log_lines = batch.raw_to, end_to, lines_to
        if tells:
            self._told_at = now


def split_lines(text: bytes, limit: int) -> list[bytes]:
    """Return the text in pieces of whole lines, up to `limit` bytes; a longer line stays whole."""
    pieces, at = [], 0
    while at < len(text):
        cut = len(text)
        if cut - at > limit:
            cut = text.rfind(b"\n", at, at + limit) + 1 or text.find(b"\n", at + limit) + 1 or cut
        pieces.append(text[at:cut])
        at = cut
    return pieces


def _release() -> None:
    """Give the connection back to the pool: a minder waits far longer than it writes."""
    if not connection.in_atomic_block:
        connection.close()
