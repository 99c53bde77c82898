"""Public ids: a type prefix and a time-ordered ULID."""

import re

from ulid import ULID

PATTERN = re.compile(r"\A[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}\Z")


def new_id(prefix: str) -> str:
    """Return a fresh public id such as `run_01JB…`: unique, sortable by time, never reused.

    The form is ULID's Crockford base 32, https://github.com/ulid/spec.
    """
    return f"{prefix}_{ULID()}"


def is_public_id(text: str, prefix: str = "") -> bool:
    """Tell whether `text` is a well-formed public id (of that prefix, when one is given)."""
    return bool(PATTERN.match(text)) and text.startswith(prefix)
