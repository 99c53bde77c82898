"""Lists: the filters of the pages, and pages that follow a key instead of a number."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import django_filters as df
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, create_model

from api.errors import ValuesRefused
from api.values import Day

MOST = 500
USUAL = 50
SALT = "api-cursor"


class Listed(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST)] = USUAL
    cursor: Annotated[str, Field(max_length=1000)] = ""


def query_of(filters: type[df.FilterSet]) -> type[Listed]:
    """Return the parameters of a list: the filters that its page has, and the page's place."""
    fields: dict[str, Any] = {}
    for name, one in filters.base_filters.items():
        fields[name] = (_type_of(one, filters, name), None)
    made = create_model(filters.__name__.replace("Filter", "Query"), __base__=Listed, **fields)
    made.filters = filters
    return made


def _type_of(one: df.Filter, filters: type[df.FilterSet], name: str) -> Any:
    label = Field(description=str(one.label or name))
    if isinstance(one, df.DateFilter):
        return Annotated[Day | None, label]
    choices = one.extra.get("choices")
    if choices and not hasattr(filters, f"choices_{name}"):
        return Annotated[Literal[tuple(str(key) for key, _ in choices)] | None, label]
    return Annotated[str | None, Field(max_length=200, description=str(one.label or name))]


def page(
    request: HttpRequest,
    query: Listed,
    rows: QuerySet,
    order: Sequence[str],
    dress: Callable[[Any], dict[str, Any]],
    fields: Sequence[str] = (),
) -> dict[str, Any]:
    """Return one page as the answer's body: `items`, and `next`, the address of what follows.

    `rows` are visible ones only. `order` ends with the key; all its names go one way. With
    `fields`, rows are tuples of these.
    """
    given = {key for key in request.GET if key not in type(query).model_fields}
    if given:
        raise _wrong(dict.fromkeys(sorted(given)[:10], "There is no such filter."))
    asked = query.model_dump(exclude={"limit", "cursor"}, exclude_none=True, mode="json")
    filters = type(query).filters(asked, rows, request=request)
    if not filters.is_valid():
        raise _wrong({name: " ".join(texts) for name, texts in filters.errors.items()})
    found = filters.qs.order_by(*order)
    if query.cursor:
        found = found.filter(_after(query.cursor, order))
    names = [name.removeprefix("-") for name in order]
    if fields:
        found = found.values_list(*fields, named=True)
    taken = list(found[: query.limit + 1])
    more = len(taken) > query.limit
    taken = taken[: query.limit]
    following = ""
    if more:
        key = [_plain(_value(taken[-1], name)) for name in names]
        params = request.GET.copy()
        params["cursor"] = signing.dumps([list(order), key], salt=SALT)
        following = request.build_absolute_uri(f"{request.path}?{params.urlencode()}")
        # What becomes the header `Link` (api.urls).
        request.following = following
    return {"items": [dress(row) for row in taken], "next": following or None}


def _wrong(errors: dict[str, str]) -> ValuesRefused:
    refusal = ValuesRefused()
    refusal.problems = errors
    return refusal


def _value(row: Any, name: str) -> Any:
    return getattr(row, name)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _after(cursor: str, order: Sequence[str]) -> Q:
    """Return the condition for what follows the cursor. Only cursors that we made are taken."""
    try:
        made_for, key = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError) as error:
        raise _wrong({"cursor": "Take it from `next` as it is."}) from error
    if made_for != list(order):
        raise _wrong({"cursor": "It belongs to another list."})
    where, same = Q(), Q()
    for name, value in zip(order, key, strict=True):
        way = "lt" if name.startswith("-") else "gt"
        column = name.removeprefix("-")
        where |= same & Q(**{f"{column}__{way}": value})
        same &= Q(**{column: value})
    # The first column alone, once more: an index can begin there.
    first = order[0]
    way = "lte" if first.startswith("-") else "gte"
    return where & Q(**{f"{first.removeprefix('-')}__{way}": key[0]})


class Page(BaseModel):
    """The shape of every list's answer."""

    next: str | None = Field(description="The address of the next page; null on the last one.")
