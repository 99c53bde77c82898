"""Lists: search, filters, sorting by two columns and paging, all in the URL; and export to CSV.

One shared piece for every list page, so that each answers alike and costs a fixed number of
queries whatever the number of rows.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.functional import cached_property
from django_filters import DateFilter, FilterSet

from deployments.templatetags.portal import query_with
from deployments.urgency import NOBODY
from tenants import audit
from tenants.actors import from_request

PAGE_SIZE = 50
SORT_DEPTH = 2
# A cell that a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """A column: its key in the URL, its heading, and what it sorts by (nothing: not sortable)."""

    key: str
    label: Any
    order: tuple[str, ...] = ()
    css: str = ""


@dataclass(frozen=True)
class Heading:
    """A column's heading as the page shows it."""

    label: Any
    css: str
    href: str = ""
    direction: str = ""  # ascending | descending
    rank: int = 0  # 1: sorted by this first


@dataclass(frozen=True)
class Chip:
    """A filter that is on, with the way to take it off."""

    label: Any
    value: Any
    href: str


@dataclass(frozen=True)
class Control:
    """A filter that a person may choose from a list."""

    name: str
    label: Any
    value: str
    choices: list[tuple[str, Any]]


class Listing:
    """One page of a filtered, sorted list. `filters` has been given the visible rows only.

    `default` is the order without a choice, as the URL would say it; `tie` orders what is equal.
    `fields` names the look-ups that a row has, as a named tuple; without, a row is a model.
    """

    def __init__(
        self,
        request: HttpRequest,
        filters: FilterSet,
        columns: Sequence[Column],
        *,
        default: str,
        tie: str = "pk",
        page_size: int = PAGE_SIZE,
        fields: Sequence[str] = (),
    ) -> None:
        self.request = request
        self.filters = filters
        self.columns = columns
        self._default = default
        self._tie = tie
        self._page_size = page_size
        self.fields = fields
        # A value that no filter knows hits nothing; its chip says so and takes it off.
        self.queryset: QuerySet = filters.qs if filters.is_valid() else filters.queryset.none()

    # --- sorting ---------------------------------------------------------------------------
    @cached_property
    def sort(self) -> list[tuple[str, bool]]:
        """Return (column key, descending) pairs, at most two, from the URL or the default."""
        known = {column.key for column in self.columns if column.order}
        for text in (self.request.GET.get("sort", ""), self._default):
            pairs: dict[str, bool] = {}
            for part in text.split(","):
                key = part.removeprefix("-")
                if key in known and key not in pairs:
                    pairs[key] = part.startswith("-")
            if pairs:
                return list(pairs.items())[:SORT_DEPTH]
        return []

    def ordering(self) -> list[str]:
        """Return what the query is ordered by; the id last, so that pages never overlap."""
        by_key = {column.key: column.order for column in self.columns}
        names: list[str] = []
        for key, is_descending in self.sort:
            names += [_flip(name) if is_descending else name for name in by_key[key]]
        return names if names[-1:] in (["pk"], ["-pk"]) else [*names, self._tie]

    @property
    def headings(self) -> list[Heading]:
        """Return the headings; a click makes a column the first one, the old first the second."""
        ranks = {key: (rank, down) for rank, (key, down) in enumerate(self.sort, 1)}
        headings = []
        for column in self.columns:
            if not column.order:
                headings.append(Heading(column.label, column.css))
                continue
            rank, is_down = ranks.get(column.key, (0, True))
            turned = column.key if is_down else f"-{column.key}"
            others = [f"-{k}" if down else k for k, down in self.sort if k != column.key]
            href = query_with(self.request, sort=",".join([turned, *others][:SORT_DEPTH]))
            direction = ("descending" if is_down else "ascending") if rank else ""
            headings.append(Heading(column.label, column.css, href, direction, rank))
        return headings

    # --- paging ----------------------------------------------------------------------------
    @cached_property
    def total(self) -> int:
        """Return how many rows match."""
        return self.queryset.order_by().count()

    @cached_property
    def page_count(self) -> int:
        """Return how many pages there are, at least one."""
        return max(1, math.ceil(self.total / self._page_size))

    @cached_property
    def number(self) -> int:
        """Return the page's number; one beyond the end shows the last."""
        text = self.request.GET.get("page", "1")
        wanted = int(text) if text.isdecimal() and len(text) < 10 else 1
        return min(max(wanted, 1), self.page_count)

    @cached_property
    def rows(self) -> list[Any]:
        """Return the page's rows.

        Ids first, so that sorting reads an index and not whole rows; late pages from the end,
        where the database has less to skip.
        """
        ordering = self.ordering()
        start = (self.number - 1) * self._page_size
        stop = min(start + self._page_size, self.total)
        is_late = start > self.total - stop
        if is_late:
            ordering = [_flip(name) for name in ordering]
            start, stop = self.total - stop, self.total - start
        ids = list(self.queryset.order_by(*ordering).values_list("pk", flat=True)[start:stop])
        wanted = self.filters.queryset.filter(pk__in=ids or NOBODY)
        if self.fields:
            wanted = wanted.values_list(*self.fields, named=True)
        found = {row.pk: row for row in wanted}
        rows = [found[pk] for pk in ids if pk in found]
        return rows[::-1] if is_late else rows

    @property
    def first(self) -> int:
        """Return the number of the page's first row, counted from 1; 0 when there is none."""
        return min((self.number - 1) * self._page_size + 1, self.total)

    @property
    def last(self) -> int:
        """Return the number of the page's last row."""
        return min(self.number * self._page_size, self.total)

    @property
    def pages(self) -> list[tuple[int, str]]:
        """Return (number, address) of the pages to offer; number 0 stands for a gap."""
        near = {1, self.page_count, self.number - 1, self.number, self.number + 1}
        wanted = sorted(n for n in near if 1 <= n <= self.page_count)
        offered: list[tuple[int, str]] = []
        for n in wanted:
            if offered and n - offered[-1][0] == 2:
                offered.append((n - 1, self.page_href(n - 1)))
            elif offered and n - offered[-1][0] > 2:
                offered.append((0, ""))
            offered.append((n, self.page_href(n)))
        return offered

    def page_href(self, number: int) -> str:
        """Return the address of a page with all that is chosen."""
        return query_with(self.request, page=number if number > 1 else None)

    @property
    def previous(self) -> str:
        """Return the address of the page before; empty on the first."""
        return self.page_href(self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        """Return the address of the page after; empty on the last."""
        return self.page_href(self.number + 1) if self.number < self.page_count else ""

    # --- filters ---------------------------------------------------------------------------
    @cached_property
    def controls(self) -> list[Control]:
        """Return the filters that offer choices."""
        found = []
        for name, filter_ in self.filters.filters.items():
            choices = filter_.extra.get("choices")
            if choices is not None:
                value = self.request.GET.get(name, "")
                found.append(Control(name, filter_.label, value, list(choices)))
        return found

    @cached_property
    def dates(self) -> list[Control]:
        """Return the filters by day."""
        return [
            Control(name, filter_.label, self.request.GET.get(name, ""), [])
            for name, filter_ in self.filters.filters.items()
            if isinstance(filter_, DateFilter)
        ]

    @cached_property
    def chips(self) -> list[Chip]:
        """Return the filters that are on, search included."""
        found = []
        for name, filter_ in self.filters.filters.items():
            value = self.request.GET.get(name, "").strip()
            if value:
                words = dict(filter_.extra.get("choices") or ())
                href = query_with(self.request, **{name: None})
                found.append(Chip(filter_.label, words.get(value, value), href))
        return found

    @property
    def search(self) -> str:
        """Return the text that is searched for."""
        return self.request.GET.get("q", "").strip()

    @property
    def is_filtered(self) -> bool:
        """Tell whether anything narrows the list."""
        return bool(self.chips)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Return what the filter form carries along: the order, and filters without a control."""
        controls = [*self.controls, *self.dates]
        shown = {"q", "page", "format", *(control.name for control in controls)}
        return [(name, value) for name, value in self.request.GET.items() if name not in shown]

    @property
    def csv_href(self) -> str:
        """Return the address of the export of all rows that match."""
        return query_with(self.request, format="csv")

    @property
    def wants_csv(self) -> bool:
        """Tell whether the request asks for the export."""
        return self.request.GET.get("format") == "csv"


def _flip(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def show(
    request: HttpRequest, template: str, listing: Listing, context: dict[str, Any]
) -> HttpResponse:
    """Return the list's page; only its fragment `list` when htmx asks for that."""
    is_fragment = bool(request.htmx) and not request.htmx.history_restore_request
    name = f"{template}#list" if is_fragment else template
    response = render(request, name, {"listing": listing, **context})
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, private=True, no_cache=True)
    return response


def export(
    listing: Listing,
    name: str,
    header: Sequence[str],
    cells: Callable[[Any], Iterable[Any]],
) -> HttpResponse:
    """Return all rows that match as CSV, and leave an audit entry that says who took them.

    `cells` is given models; of a list with `fields` they have these and no more.
    """
    request = listing.request
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    count = 0
    rows = listing.queryset.order_by(*listing.ordering())
    if names := [name for name in listing.fields if not name.endswith("pk")]:
        paths = {name.rpartition("__")[0] for name in names} - {""}
        rows = rows.select_related(*paths).only(*names)
    for row in rows.iterator(chunk_size=2000):
        writer.writerow([cell(value) for value in cells(row)])
        count += 1
    chosen = {k: v for k, v in request.GET.items() if k not in ("format", "page", "sort") and v}
    with transaction.atomic():
        after = {"list": name, "rows": count, "filters": chosen}
        audit.record(from_request(request), "export", request.user, after=after)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    stamp = timezone.localtime().strftime("%Y%m%d-%H%M")
    response["Content-Disposition"] = f'attachment; filename="omlsaas-{name}-{stamp}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def cell(value: Any) -> str:
    """Return a value as CSV text that no spreadsheet runs as a formula."""
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="seconds") if hasattr(value, "hour") else str(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
