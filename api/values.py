"""Types of what comes in: bounded, and only what the database can hold."""

import math
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
)

DEEPEST = 20
MOST_NUMBER = 10**30
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
PATTERN = r"^[^\u0000]*$"


def _whole_day(value: Any) -> Any:
    if isinstance(value, str) and not DAY.fullmatch(value):
        raise ValueError("Write a day as 2026-03-31.")
    return value


def _storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value as it is. Raises ValueError for what no column can hold."""
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise ValueError("holds characters that no text has")
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) < MOST_NUMBER):
        raise ValueError("is no number that can be kept")
    if isinstance(value, dict):
        for name, item in value.items():
            _storable(name, depth + 1)
            _storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _storable(item, depth + 1)
    return value


def _said_truth(value: Any) -> Any:
    if not isinstance(value, bool | None):
        raise ValueError("Write true or false.")
    return value


def _said_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("Write a whole number.")
    return value


def _kept_moment(value: datetime) -> datetime:
    """Return a moment in UTC. Raises ValueError for one that the database cannot hold."""
    try:
        value = value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no moment that can be kept") from error
    if not 1970 <= value.year < 9999:
        raise ValueError("is no moment that can be kept")
    return value


def _written_moment(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and MOMENT.match(value)):
        return value
    raise ValueError("Write a moment as 2026-03-31T12:00:00Z.")


Day = Annotated[date, BeforeValidator(_whole_day)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_moment), AfterValidator(_kept_moment)]
Line = Annotated[str, Field(max_length=200, pattern=PATTERN)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=PATTERN)]
Text = Annotated[str, Field(max_length=2000, pattern=PATTERN)]
LongText = Annotated[str, Field(max_length=10_000, pattern=PATTERN)]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$")
]
Labels = Annotated[dict[Line, Line], Field(max_length=100)]
# In a body only what JSON itself calls so: neither 0 nor "yes", neither "5" nor true.
Truth = Annotated[bool, BeforeValidator(_said_truth)]
Whole = Annotated[int, BeforeValidator(_said_number)]
Json = Annotated[JsonValue, AfterValidator(_storable)]
Values = Annotated[dict[Name, Json], Field(max_length=500)]
Secrets = Annotated[dict[Name, Annotated[str, Field(max_length=20_000, pattern=PATTERN)]],
                    Field(max_length=100)]  # fmt: skip


class Asked(BaseModel):
    """A request's body: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")


class Shape(BaseModel):
    """A part of an answer: exactly what the document says."""

    model_config = ConfigDict(extra="forbid")
