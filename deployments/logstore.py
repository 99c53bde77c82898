"""A run's stored log, read by byte offset or by line.

Chunks are whole lines, in order, without holes or overlaps; compaction replaces them in short
transactions. Each read here is one statement, so it sees a chunk before or after, never between;
a reader that goes on by offset never notices.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import zstandard
from django.db import transaction
from django.db.models import F, Max

from deployments.models import LogChunk, Run, RunStep
from deployments.models.logs import Codec
from deployments.models.runs import LogState
from deployments.runstatus import TERMINAL

READ_BYTES = 1024 * 1024
# Hits beyond this are counted as "more": nobody walks through them one by one.
SEARCH_HITS = 10_000
ESCAPES = re.compile(rb"\x1b\[[0-9;:?]*[ -/]*[@-~]")
_FIELDS = ("offset", "size", "first_line", "line_count", "codec", "data")


class Chunk(NamedTuple):
    """Plain bytes `offset … offset + len(data)`; `first_line` counts from 0."""

    offset: int
    first_line: int
    data: bytes

    @property
    def end(self) -> int:
        """Return the offset after the last byte."""
        return self.offset + len(self.data)


class Extent(NamedTuple):
    """How long a run's log is, in bytes and in lines."""

    end: int
    lines: int


class Lines(NamedTuple):
    """Lines of a log: the first one's number (from 0), texts without line ends, and bytes."""

    first: int
    lines: list[bytes]
    # Where in the log these lines begin and end.
    start: int
    end: int


class Hits(NamedTuple):
    """Numbers (from 0) of the lines that hold a word; `is_capped` when there are more."""

    lines: list[int]
    is_capped: bool


def extent(run_pk: int) -> Extent:
    """Return the length of a run's log; its steps know it while it grows."""
    found = RunStep.objects.filter(run=run_pk).aggregate(Max("log_end"), Max("log_lines"))
    return Extent(found["log_end__max"] or 0, found["log_lines__max"] or 0)


def plain(codec: int, data: bytes | memoryview, size: int) -> bytes:
    """Return a chunk's text from its stored bytes."""
    if codec == Codec.PLAIN:
        return bytes(data)
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)


def read(run_pk: int, start: int, limit: int = READ_BYTES) -> bytes:
    """Return up to `limit` bytes of the log from `start` on; empty at its end."""
    parts, at = [], start
    for chunk in chunks(run_pk, start, start + limit):
        parts.append(chunk.data[max(0, at - chunk.offset) : start + limit - chunk.offset])
        at = chunk.end
    return b"".join(parts)


def stream(run_pk: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes `start … end`, about a megabyte at a time."""
    begin = -1
    while begin < start < end:
        begin = start
        for chunk in chunks(run_pk, start, min(start + READ_BYTES, end)):
            yield chunk.data[start - chunk.offset : end - chunk.offset]
            start = min(chunk.end, end)


def chunks(run_pk: int, start: int, end: int) -> Iterator[Chunk]:
    """Yield the chunks that hold bytes `start … end`, in order, by one statement."""
    rows = LogChunk.objects.filter(run=run_pk, offset__lt=end)
    first = rows.filter(offset__lte=start).order_by("-offset").values("offset")[:1]
    rows = rows.filter(offset__gte=first) if start > 0 else rows
    found = rows.annotate(end=F("offset") + F("size")).filter(end__gt=start)
    return _opened(found.order_by("offset").values_list(*_FIELDS))


def _opened(rows: Any) -> Iterator[Chunk]:
    for offset, size, first_line, _, codec, data in rows:
        yield Chunk(offset, first_line, plain(codec, data, size))


def _from_line(run_pk: int, line: int) -> Iterator[Chunk]:
    """Yield the chunks from the one that holds this line on, read one by one."""
    rows = LogChunk.objects.filter(run=run_pk)
    found = rows.filter(first_line__lte=line).order_by("-first_line").values_list(*_FIELDS)[:1]
    chunk = next(_opened(found), None)
    while chunk is not None:
        yield chunk
        # The chunk that *holds* the next byte: compaction may have merged it into an earlier one.
        holding = rows.filter(offset__lte=chunk.end).order_by("-offset").values_list(*_FIELDS)[:1]
        chunk = _rest(next(_opened(holding), None), chunk.end)


def _rest(chunk: Chunk | None, start: int) -> Chunk | None:
    """Return what a chunk holds from `start` on, which is a line's beginning; None for nothing."""
    if chunk is None or chunk.end <= start:
        return None
    skipped = start - chunk.offset
    lines = chunk.data.count(b"\n", 0, skipped)
    return Chunk(start, chunk.first_line + lines, chunk.data[skipped:])


def read_lines(run_pk: int, first_line: int, count: int) -> Lines:
    """Return up to `count` lines from number `first_line` (from 0) on."""
    total = extent(run_pk)
    if first_line >= total.lines or count <= 0:
        return Lines(min(first_line, total.lines), [], total.end, total.end)
    parts: list[bytes] = []
    start, missing = 0, count
    for chunk in _from_line(run_pk, first_line):
        begin = 0
        if not parts:
            begin = _after_lines(chunk.data, first_line - chunk.first_line)
            start = chunk.offset + begin
        stop = _after_lines(chunk.data, missing, begin)
        part = chunk.data[begin:stop]
        parts.append(part)
        missing -= part.count(b"\n")
        if missing <= 0:
            break
    text = b"".join(parts)
    return Lines(first_line, _split(text), start, start + len(text))


def tail_lines(run_pk: int, count: int) -> Lines:
    """Return the last lines, up to `count` of them."""
    return read_lines(run_pk, max(0, extent(run_pk).lines - count), count)


def line_of_offset(run_pk: int, offset: int) -> int:
    """Return the number (from 0) of the line that the byte at `offset` belongs to."""
    rows = LogChunk.objects.filter(run=run_pk, offset__lte=offset).order_by("-offset")
    chunk = next(_opened(rows.values_list(*_FIELDS)[:1]), None)
    if chunk is None:
        return 0
    return chunk.first_line + chunk.data.count(b"\n", 0, offset - chunk.offset)


def search(run_pk: int, word: str, from_line: int = 0, limit: int = SEARCH_HITS) -> Hits:
    """Return the lines from `from_line` on that hold a word, whatever its case or colours."""
    wanted = word.lower().encode()
    if not wanted or b"\n" in wanted:
        return Hits([], False)
    found: list[int] = []
    start = 0
    rows = LogChunk.objects.filter(run=run_pk)
    first = rows.filter(first_line__lte=from_line).order_by("-first_line").values("offset")[:1]
    if row := first.first():
        start = row["offset"]
    for chunk in _all_from(run_pk, start):
        for line in _hits(chunk, wanted):
            if line < from_line:
                continue
            if len(found) >= limit:
                return Hits(found, True)
            found.append(line)
    return Hits(found, False)


def _all_from(run_pk: int, start: int) -> Iterator[Chunk]:
    """Yield all chunks from `start` on, a few megabytes per statement."""
    while True:
        end = start
        for chunk in chunks(run_pk, start, start + 4 * READ_BYTES):
            if chunk.end <= end:
                continue
            yield chunk if chunk.offset >= end else _rest(chunk, end)
            end = chunk.end
        if end == start:
            return
        start = end


def _hits(chunk: Chunk, wanted: bytes) -> Iterator[int]:
    """Yield the numbers of a chunk's lines that hold the (lower-case) word."""
    text = chunk.data
    if b"\x1b" in text:
        text = ESCAPES.sub(b"", text)
    text = text.lower() if wanted.isascii() else text.decode(errors="replace").lower().encode()
    line, counted, at = chunk.first_line, 0, text.find(wanted)
    while at >= 0:
        line += text.count(b"\n", counted, at)
        yield line
        # On with the next line: a line counts once.
        counted = text.find(b"\n", at)
        if counted < 0:
            return
        at = text.find(wanted, counted)


@transaction.atomic
def delete_log(run: Run) -> bool:
    """Remove an ended run's log; False when it is open, held by law, or gone already.

    The run remembers how long it was.
    """
    mine = Run.objects.filter(pk=run.pk, status__in=TERMINAL, has_legal_hold=False)
    if not mine.exclude(log_state=LogState.PRUNED).update(log_state=LogState.PRUNED):
        return False
    LogChunk.objects.filter(run=run.pk).delete()
    run.log_state = LogState.PRUNED
    return True


def _split(text: bytes) -> list[bytes]:
    """Return the lines without their ends."""
    lines = text.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def _after_lines(text: bytes, count: int, at: int = 0) -> int:
    """Return the position after `count` line ends, from `at` on; the text's end when fewer."""
    for _ in range(count):
        cut = text.find(b"\n", at)
        if cut < 0:
            return len(text)
        at = cut + 1
    return at
