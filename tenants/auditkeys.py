"""The keys of the audit trail, and the two marks that are made with them.

Each entry bears a **mark**, made by the process that writes it: a row that somebody put into the
database by SQL has none that fits. Each seal bears a **MAC** over its entry and the MAC before it.
The keys stand outside of the database and of its backup.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32


@lru_cache(maxsize=8)
def _parse(text: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        key_id, _sign, encoded = item.partition(":")
        try:
            raw = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "==")
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES or not 0 < len(key_id) <= 32:
            # Nothing of it is told: without an id the whole of it is the key.
            raise ImproperlyConfigured(
                f"AUDIT_KEYS: entry {len(found) + 1} is not `a1:<base64 of {KEY_BYTES} bytes>`"
            )
        found[key_id] = raw
    return found


def keys() -> dict[str, bytes]:
    """Return the keys by id; the first writes. Raises ImproperlyConfigured when there is none."""
    found = _parse(settings.AUDIT_KEYS)
    if not found:
        raise ImproperlyConfigured(
            f"AUDIT_KEYS is empty: set `a1:<base64 of {KEY_BYTES} random bytes>` (or _FILE). "
            "`make run` makes one by itself."
        )
    return found


def first_key() -> str:
    """Return the id of the key that writes."""
    return next(iter(keys()))


def mac(key_id: str, *parts: str) -> str:
    """Return the HMAC-SHA256 of some texts as hex; raises KeyError for a key that is not here."""
    text = json.dumps(parts)
    return hmac.new(keys()[key_id], text.encode(), hashlib.sha256).hexdigest()


def fits(key_id: str, found: str, *parts: str) -> bool:
    """Tell whether a MAC is the one that this key makes of these texts."""
    return key_id in keys() and hmac.compare_digest(found, mac(key_id, *parts))


def canonical(names: Iterable[str], row: Mapping[str, Any]) -> str:
    """Return an entry's columns as the one text that is signed, before and after its storage.

    What is empty is left out: a column that comes later changes no text of before.
    """
    values = {name: _plain(row[name]) for name in names if row[name] not in (None, "", False)}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a column's value as the database will give it back."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, dict | list | tuple):
        return _settled(json.loads(json.dumps(value)))
    if isinstance(value, float):
        return _settled(value)
    return str(value)


def _settled(value: Any) -> Any:
    """Return JSON as jsonb keeps it: a whole number has no fraction."""
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_settled(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def address(value: str | None) -> str | None:
    """Return an address in the one spelling that the database gives back."""
    return str(ip_address(value.strip())) if value else None
