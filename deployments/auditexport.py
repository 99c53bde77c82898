"""The audit trail as CSV or NDJSON, in pieces: a million rows take no more memory than ten."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from deployments.listing import Listing, cell
from tenants import audit
from tenants.actors import from_request
from tenants.models import AuditEntry

PIECE = 2_000
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
# (name in the file, attribute)
COLUMNS = (
    ("time", "created_at"), ("id", "public_id"), ("actor", "actor_name"), ("actor_id", "actor_id"),
    ("role", "role"), ("token", "token_id"), ("action", "action"), ("target_kind", "target_kind"),
    ("target", "target_name"), ("target_id", "target_id"), ("tenant", "tenant_name"),
    ("region", "region_name"), ("reason", "reason"), ("before", "before"), ("after", "after"),
    ("run", "run_name"), ("run_id", "run_id"), ("approver", "approver_name"),
    ("plan_digest", "plan_digest"), ("request", "request_id"), ("operation", "operation_id"),
    ("address", "ip"), ("door", "origin"), ("refused", "is_refused"),
)  # fmt: skip


def wanted(listing: Listing) -> str:
    """Return the format that the request asks for; empty for the page."""
    kind = listing.request.GET.get("format", "")
    return kind if kind in TYPES else ""


def export(listing: Listing, kind: str) -> StreamingHttpResponse:
    """Return all entries that match, as they stood now, and record that they were taken."""
    request = listing.request
    rows = listing.queryset.order_by()
    last = rows.aggregate(last=Max("pk"))["last"] or 0
    chosen = {k: v for k, v in request.GET.items() if k not in ("format", "page", "sort") and v}
    with transaction.atomic():
        after = {"list": "audit", "rows": listing.total, "filters": chosen, "format": kind}
        audit.record(from_request(request), "export", request.user, after=after)
    is_oldest_first = listing.sort[0] == ("time", False)
    pieces = _pieces(rows.filter(pk__lte=last), kind, is_oldest_first)
    # A server of events takes an iterator of its own kind; of a plain one it would keep all.
    content = _for_events(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=TYPES[kind])
    stamp = timezone.localtime().strftime("%Y%m%d-%H%M")
    response["Content-Disposition"] = f'attachment; filename="omlsaas-audit-{stamp}.{kind}"'
    response["Cache-Control"] = "no-store"
    return response


def _pieces(rows: QuerySet, kind: str, is_oldest_first: bool) -> Iterator[str]:
    """Yield texts of PIECE entries, each from one bounded query behind the last id."""
    write = _csv if kind == "csv" else _ndjson
    if kind == "csv":
        yield write([])
    after: int | None = None
    while True:
        piece = rows.order_by("pk" if is_oldest_first else "-pk")
        if after is not None:
            piece = piece.filter(**{"pk__gt" if is_oldest_first else "pk__lt": after})
        entries = list(piece[:PIECE])
        if entries:
            yield write(entries)
            after = entries[-1].pk
        if len(entries) < PIECE:
            return


def _csv(entries: list[AuditEntry]) -> str:
    """Return entries as lines of cells that no spreadsheet runs; none of them is the heading."""
    text = io.StringIO()
    writer = csv.writer(text)
    if not entries:
        writer.writerow([name for name, _attribute in COLUMNS])
    for entry in entries:
        values = (getattr(entry, attribute) for _name, attribute in COLUMNS)
        writer.writerow([cell(_flat(value)) for value in values])
    return text.getvalue()


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _ndjson(entries: list[AuditEntry]) -> str:
    lines = []
    for entry in entries:
        row = {name: getattr(entry, attribute) for name, attribute in COLUMNS}
        row["time"] = entry.created_at.isoformat()
        lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines)


async def _for_events(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield the pieces; between two of them no connection is held."""

    def following() -> str | None:
        try:
            return next(pieces, None)
        finally:
            if not connection.in_atomic_block:
                connection.close()

    while (piece := await sync_to_async(following)()) is not None:
        yield piece
