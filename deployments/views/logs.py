"""A run's log by plain GET: whole or in ranges, by line, searched, and by a cursor."""

import re
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ansi2html import Ansi2HTMLConverter
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deployments import logstore
from deployments.models import Run
from deployments.models.runs import LogState
from deployments.views.doors import find
from tenants import audit
from tenants.actors import from_request

PAGE_LINES = 500
MAX_LINES = 2000
MAX_LINE_CHARS = 20_000
TAIL_BYTES = 256 * 1024
MAX_HITS = logstore.SEARCH_HITS
TEXT = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$")
# Links that a program's output brings along are shown as their text.
_LINKS = re.compile(r"\x1b\]8;[^\x07\x1b]*(?:\x07|\x1b\\)")


def _run(request: HttpRequest, public_id: str) -> Run:
    return find(Run.objects.visible_to(request.user).select_related("stack"), public_id)


def _number(request: HttpRequest, name: str, default: int = 0) -> int:
    """Return a query parameter as a number from 0 on; Http404 for anything else."""
    text = request.GET.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Http404
    return int(text)


@require_safe
@never_cache
def log(request: HttpRequest, public_id: str) -> HttpResponse:
    """Return the whole stored log as text, or the range of bytes that was asked for.

    Taking it whole is kept in the audit trail; the pages read it by pieces.
    """
    run = _run(request, public_id)
    end = 0 if run.log_state == LogState.PRUNED else logstore.extent(run.pk).end
    start, stop, is_part = 0, end, False
    if "Range" in request.headers and (asked := _RANGE.match(request.headers["Range"])):
        found = _range(*asked.groups(), end)
        if found is None:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{end}"})
        (start, stop), is_part = found, True
    status = 206 if is_part else 200
    if request.method == "HEAD":
        response = HttpResponse(content_type=TEXT, status=status)
    else:
        if (start, stop) == (0, end):
            audit.took(from_request(request), "log", run, bytes=end)
        body = _body(request, run.pk, start, stop)
        response = StreamingHttpResponse(body, content_type=TEXT, status=status)
    response["Content-Length"] = str(stop - start)
    response["Accept-Ranges"] = "bytes"
    # A compressing proxy would hold lines back, and break the ranges.
    response["Cache-Control"] = "no-store, no-transform"
    if is_part:
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{end}"
    if "download" in request.GET:
        name = f"{run.stack.name}-{run.number}.log"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _range(first: str, last: str, end: int) -> tuple[int, int] | None:
    """Return the half-open range for `bytes=first-last`, None when there is nothing in it.

    https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
    """
    if not first:
        length = min(int(last or 0), end)
        return (end - length, end) if length else None
    start = int(first)
    stop = min(int(last) + 1, end) if last else end
    return (start, stop) if start < stop else None


def _body(
    request: HttpRequest, run_pk: int, start: int, stop: int
) -> Iterator[bytes] | AsyncIterator[bytes]:
    """Return the bytes as the server at hand wants them: it would collect the other kind."""
    if isinstance(request, ASGIRequest):
        return _async_body(run_pk, start, stop)
    return logstore.stream(run_pk, start, stop)


async def _async_body(run_pk: int, start: int, stop: int) -> AsyncIterator[bytes]:
    # A slow reader holds no database connection: each piece takes one and gives it back.
    read = database_sync_to_async(logstore.read)
    while start < stop:
        part = await read(run_pk, start, min(logstore.READ_BYTES, stop - start))
        if not part:
            return
        yield part
        start += len(part)


@require_safe
@never_cache
def log_lines(request: HttpRequest, public_id: str) -> HttpResponse:
    """Return lines by number (from 0): `from` and `count`, or the last `tail`.

    JSON, or plain text for `format=text`. `total` is what the log has now, `offset` and `end` are
    the bytes that these lines take.
    """
    run = _run(request, public_id)
    found, total = _lines(run, request)
    if request.GET.get("format") == "text":
        text = b"".join(line + b"\n" for line in found.lines)
        return HttpResponse(text, content_type=TEXT)
    return JsonResponse(
        {
            "first": found.first,
            "total": total,
            "offset": found.start,
            "end": found.end,
            "lines": [shown(line) for line in found.lines],
            "status": run.status,
            "ended": run.is_ended,
        },
        json_dumps_params={"ensure_ascii": False, "separators": (",", ":")},
    )


def _lines(run: Run, request: HttpRequest) -> tuple[logstore.Lines, int]:
    total = logstore.extent(run.pk).lines
    if run.log_state == LogState.PRUNED:
        return logstore.Lines(0, [], 0, 0), total
    if "tail" in request.GET:
        return logstore.tail_lines(run.pk, min(_number(request, "tail"), MAX_LINES)), total
    count = min(_number(request, "count", PAGE_LINES), MAX_LINES)
    return logstore.read_lines(run.pk, _number(request, "from"), count), total


@require_safe
@never_cache
def log_search(request: HttpRequest, public_id: str) -> HttpResponse:
    """Return the numbers (from 0) of the lines that hold `q`, from line `from` on."""
    run = _run(request, public_id)
    limit = max(1, min(_number(request, "limit", MAX_HITS), MAX_HITS))
    word = request.GET.get("q", "")[:200]
    hits = logstore.search(run.pk, word, _number(request, "from"), limit)
    return JsonResponse(
        {"q": word, "lines": hits.lines, "total": len(hits.lines), "capped": hits.is_capped}
    )


@require_safe
@never_cache
def log_tail(request: HttpRequest, public_id: str) -> HttpResponse:
    """Return the bytes after the cursor `after`, at once: what the websocket would send.

    Headers say the rest: Log-Offset (where these bytes begin), Log-End, Run-Status, and Log-Eof
    (1 when the run has ended and these are its last bytes).
    """
    run = _run(request, public_id)
    after = _number(request, "after")
    found = tail(run, after)
    if after > found.end and run.log_state != LogState.PRUNED:
        return HttpResponse(status=416, headers={"Log-End": str(found.end)})
    return tail_response(run, after, found, "application/octet-stream")


class Tail(NamedTuple):
    """Bytes after a cursor, and where the log ends now."""

    text: bytes
    end: int
    is_last: bool


def tail(run: Run, after: int) -> Tail:
    """Return the next piece of a run's log after a cursor, in whole lines; empty at its end.

    Read the run before: what was read as ended has its whole log stored.
    """
    end = 0 if run.log_state == LogState.PRUNED else logstore.extent(run.pk).end
    text = logstore.read(run.pk, after, TAIL_BYTES) if after < end else b""
    if after + len(text) < end:
        text = text[: text.rfind(b"\n") + 1 or len(text)]
    return Tail(text, end, run.is_ended and after + len(text) >= end)


def tail_response(run: Run, after: int, found: Tail, content_type: str) -> HttpResponse:
    """Return a piece of a log with the headers that say the rest."""
    response = HttpResponse(found.text, content_type=content_type)
    response["Log-Offset"], response["Log-End"] = str(after), str(found.end)
    response["Run-Status"] = run.status
    response["Log-Eof"] = "1" if found.is_last else "0"
    return response


def log_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    """Return what `deployments/_log.html` shows: a page of lines around `?line=`, or the last.

    With `?q=` the page around the next hit from `?line=` on. The card works as it is; log.js goes
    on from `end`.
    """
    total = logstore.extent(run.pk).lines
    line = min(_number(request, "line"), total)
    word = request.GET.get("q", "")[:200].strip()
    hits = _hits_for_page(run, word, line) if word else {"word": ""}
    line = hits.get("line") or line
    if run.log_state == LogState.PRUNED:
        found = logstore.Lines(0, [], 0, 0)
    elif line:
        found = logstore.read_lines(run.pk, max(0, line - PAGE_LINES // 2), PAGE_LINES)
    else:
        found = logstore.tail_lines(run.pk, PAGE_LINES)
    after = found.first + len(found.lines)
    numbered = enumerate(found.lines, start=found.first + 1)
    return hits | {
        "run": run,
        "rows": [(number, coloured(shown(text)), number == line) for number, text in numbered],
        "line": line,
        "first": found.first + 1 if found.lines else 0,
        "last": after,
        "total": total,
        "end": found.end,
        "is_pruned": run.log_state == LogState.PRUNED,
        # `?line=` centres the page on that line.
        "earlier": max(1, found.first - PAGE_LINES // 2 + 1) if found.first else 0,
        "later": after + PAGE_LINES // 2 if after < total else 0,
    }


def _hits_for_page(run: Run, word: str, line: int) -> dict[str, Any]:
    """Return the hit to show (from line number `line`, from 1, on), and where the next one is."""
    hits = logstore.search(run.pk, word)
    if not hits.lines:
        return {"word": word, "hits_text": _("not found")}
    at = bisect_left(hits.lines, line - 1) % len(hits.lines)
    following = hits.lines[(at + 1) % len(hits.lines)] + 1
    many = f"{len(hits.lines)}+" if hits.is_capped else str(len(hits.lines))
    return {
        "word": word,
        "line": hits.lines[at] + 1,
        "hits_text": _("%(at)s of %(many)s") % {"at": at + 1, "many": many},
        "next_hit": f"{urlencode({'q': word, 'line': following})}#L{following}",
    }


def shown(line: bytes) -> str:
    """Return a line as text; a very long one is cut and says so (the raw log has it whole)."""
    text = line.decode(errors="replace").rstrip("\r")
    if len(text) <= MAX_LINE_CHARS:
        return text
    cut = len(text) - MAX_LINE_CHARS
    mark = _("[%(count)s more characters: download the log]") % {"count": cut}
    return f"{text[:MAX_LINE_CHARS]}\x1b[0m … {mark}"


def coloured(text: str) -> SafeString:
    """Return a line's HTML: classes for its ANSI colours, everything else escaped."""
    converter = Ansi2HTMLConverter(inline=False, escaped=True)
    html = converter.convert(_LINKS.sub("", text), full=False, ensure_trailing_newline=False)
    return mark_safe(html.rstrip("\n"))  # noqa: S308 the converter escapes what it is given
