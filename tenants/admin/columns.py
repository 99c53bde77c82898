"""What the admin shows of a value: times with their zone, JSON that can be read."""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from omlsaas.lib.days import day_words

SHOWN_CHARS = 20_000
NOTHING = "–"


def stamp(name: str, label: Any, *, by: str = "") -> Callable[[Model], Any]:
    """Return a column that shows a time in the person's zone; the zone is in its title.

    `by` is another column with the same order, where that one has an index.
    """

    @admin.display(description=label, ordering=by or name)
    def show(row: Model) -> SafeString | str:
        when = getattr(row, name)
        if when is None:
            return NOTHING
        local = timezone.localtime(when)
        exact = f"{day_words(local, 'j F Y')}, {local:%H:%M:%S} {local.tzname()}"
        short = f"{day_words(local, 'j M Y')}, {local:%H:%M}"
        return mark_safe(  # noqa: S308 days are escaped, the rest are numbers
            f'<time datetime="{local.isoformat()}" title="{exact}">{short}</time>'
        )

    show.__name__ = f"{name}_shown"
    return show


def pretty(name: str, label: Any) -> Callable[[Model], Any]:
    """Return a field that shows a JSON column over several lines."""

    @admin.display(description=label)
    def show(row: Model) -> SafeString | str:
        value = getattr(row, name)
        return NOTHING if value in (None, "", {}, []) else as_json(value)

    show.__name__ = f"{name}_pretty"
    return show


def as_json(value: Any) -> SafeString:
    """Return a value as indented JSON, cut when it is very long."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if len(text) > SHOWN_CHARS:
        text = f"{text[:SHOWN_CHARS]}\n…"
    return format_html('<pre class="a-json">{}</pre>', text)


def pairs(name: str, label: Any) -> Callable[[Model], Any]:
    """Return a column that shows a mapping as `key=value` words."""

    @admin.display(description=label)
    def show(row: Model) -> str:
        value = getattr(row, name) or {}
        return ", ".join(f"{key}={item}" if item else key for key, item in value.items()) or NOTHING

    show.__name__ = f"{name}_pairs"
    return show
