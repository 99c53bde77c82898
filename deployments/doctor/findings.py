"""What a check finds: how bad, what, and the way out."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

OK, WARNING, FAILED = "ok", "warning", "failed"
RANK = {OK: 0, WARNING: 1, FAILED: 2}


@dataclass(frozen=True)
class Finding:
    """One sentence of the doctor. `code` is stable, the text is for people."""

    status: str
    code: str
    text: str
    way_out: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self, check: str) -> dict[str, Any]:
        """Return the finding for a program."""
        kept = asdict(self)
        return {"check": check, **kept, "code": f"{check}.{self.code}"}


@dataclass(frozen=True)
class Check:
    """One thing to look at; without a database some cannot be looked at."""

    name: str
    look: Callable[[], Iterator[Finding]]
    needs_database: bool = True


def good(code: str, text: Any, **facts: Any) -> Finding:
    """Return that something is well."""
    return Finding(OK, code, safe(text), "", facts)


def warn(code: str, text: Any, way_out: Any, **facts: Any) -> Finding:
    """Return something that works, but not for ever or not well."""
    return Finding(WARNING, code, safe(text), safe(way_out), facts)


def bad(code: str, text: Any, way_out: Any, **facts: Any) -> Finding:
    """Return something that does not work."""
    return Finding(FAILED, code, safe(text), safe(way_out), facts)


def safe(text: Any) -> str:
    """Return a text without the passwords of our own addresses, whatever a library printed."""
    words = " ".join(str(text).split())
    urls = (settings.DATABASE_URL, settings.LISTEN_DATABASE_URL, settings.REDIS_URL,
            settings.CELERY_BROKER_URL)  # fmt: skip
    for url in filter(None, urls):
        password = urlsplit(url).password
        for form in filter(None, (password, unquote(password or ""))):
            words = words.replace(form, "***")
    return words[:500]
