"""Compaction: an ended run's many small chunks become a few large compressed ones."""

import logging

import zstandard
from django.db import transaction
from django.utils import timezone

from deployments import logstore
from deployments.models import LogChunk, Run
from deployments.models.logs import Codec
from deployments.models.runs import LogState
from deployments.runstatus import TERMINAL

# Large enough for a good ratio, small enough that one line costs a few milliseconds to open.
GROUP_BYTES = 1024 * 1024
# Logs are short repeats around ids that change: an optimal parse of longer matches leaves 0.176 of
# a text whose every line has a random id (level 6: 0.20, level 12: 0.19), at 6 MB/s behind
# everything else; opening it takes a millisecond.
PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    16, min_match=7, search_log=2, write_checksum=True, write_content_size=True
)
ROWS_AT_ONCE = 4096
ATTEMPTS = 3
log = logging.getLogger(__name__)


def compact(run_pk: int) -> bool:
    """Merge and compress the log of an ended run; False when it is not the time.

    One group of about a megabyte per transaction: memory and locks stay small, a reader sees old
    or new rows, and what was done stays done if the process dies. Two at once do no harm.
    """
    ended = Run.objects.filter(pk=run_pk, status__in=TERMINAL).exclude(log_state=LogState.PRUNED)
    if not ended.exists():
        return False
    start = 0
    attempts = 0
    while (group := _next_group(run_pk, start)) is not None:
        first, end, is_done = group
        if is_done or _replace(run_pk, first, end):
            start, attempts = end, 0
        elif (attempts := attempts + 1) > ATTEMPTS:
            # Not another compaction's work: these rows do not fit together, and stay as they are.
            log.error("run %s: its log cannot be compacted at %s", run_pk, first)
            start, attempts = end, 0
    total = logstore.extent(run_pk)
    # The run keeps its length when its log is gone.
    ended.update(log_state=LogState.COMPACTED, log_bytes=total.end, log_lines=total.lines)
    return True


def _next_group(run_pk: int, start: int) -> tuple[int, int, bool] | None:
    """Return begin and end of the next group from `start` on, and whether it is done already."""
    rows = list(
        LogChunk.objects.filter(run=run_pk, offset__gte=start)
        .order_by("offset")
        .values_list("offset", "size", "codec")[:ROWS_AT_ONCE]
    )
    if not rows:
        return None
    first, size, codec = rows[0]
    end = first + size
    if codec != Codec.PLAIN:
        return first, end, True
    for offset, size, codec in rows[1:]:
        if codec != Codec.PLAIN or offset + size - first > GROUP_BYTES:
            break
        end = offset + size
    return first, end, False


def _replace(run_pk: int, first: int, end: int) -> bool:
    """Put one compressed row in the place of the rows `first … end`; False if they changed."""
    found = list(logstore.chunks(run_pk, first, end))
    text = b"".join(chunk.data for chunk in found)
    if not found or found[0].offset != first or len(text) != end - first:
        return False
    row = LogChunk(
        run_id=run_pk,
        offset=first,
        size=len(text),
        first_line=found[0].first_line,
        line_count=text.count(b"\n"),
        codec=Codec.ZSTD,
        data=zstandard.ZstdCompressor(compression_params=PARAMETERS).compress(text),
        written_at=timezone.now(),
    )
    with transaction.atomic():
        # Retention waits, or was faster: a log that is removed must not come back.
        kept = Run.objects.select_for_update(no_key=True).exclude(log_state=LogState.PRUNED)
        if not kept.filter(pk=run_pk).exists():
            return False
        old = LogChunk.objects.filter(run=run_pk, offset__gte=first, offset__lt=end)
        # Another compaction of the same run was faster: its rows are as good.
        if old.delete()[0] != len(found):
            transaction.set_rollback(True)
            return False
        LogChunk.objects.bulk_create([row])
    return True
