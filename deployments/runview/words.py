"""Small words of a run's page: durations, addresses, names of people."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

# Names that modules give their only resource: the module's name says more.
_NAMELESS = ("this", "main", "default")


def lasted(value: timedelta | float | None) -> str:
    """Return a duration: `0.4 s`, `31 s`, `1:26`, `2:05:00`; empty for None."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return _("%(n)s s") % {"n": f"{seconds:.1f}"}
    if seconds < 59.5:
        return _("%(n)s s") % {"n": round(seconds)}
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def about(seconds: float) -> str:
    """Return a length of time as people say it: `20 s`, `7 min`, `2 h`."""
    if seconds < 55:
        return _("%(n)s s") % {
            "n": max(1, round(seconds / 5) * 5 if seconds > 7 else round(seconds))
        }
    if seconds < 5400:
        return _("%(n)s min") % {"n": max(1, round(seconds / 60))}
    return _("%(n)s h") % {"n": round(seconds / 3600)}


def long(seconds: float) -> str:
    """Return a limit exactly: `30 s`, `5 min`, `2 h`."""
    whole = int(seconds)
    for unit, text in ((3600, _("%(n)s h")), (60, _("%(n)s min"))):
        if whole >= unit and whole % unit == 0:
            return text % {"n": whole // unit}
    return _("%(n)s s") % {"n": whole}


def moment(text: str | None) -> datetime | None:
    """Return the time of an engine's ISO text; None for what is none."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def address_parts(address: str) -> tuple[str, str, str]:
    """Return (before, name, after) of a resource address; the name is what people call it.

    `module.app["1"].terraform_data.this` is called `app["1"]`, `aws_instance.web[0]` is `web[0]`.
    """
    dots = _dots(address)
    if not dots:
        return "", address, ""
    last = address[dots[-1] + 1 :]
    if last.split("[")[0] in _NAMELESS and len(dots) >= 3 and address.startswith("module."):
        # … module.NAME.TYPE.this
        begin, end = dots[-3] + 1, dots[-2]
        return address[:begin], address[begin:end], address[end:]
    return address[: dots[-1] + 1], last, ""


def _dots(address: str) -> list[int]:
    """Return where the dots are that no key hides."""
    found, depth = [], 0
    for place, letter in enumerate(address):
        if letter == "[":
            depth += 1
        elif letter == "]":
            depth -= 1
        elif letter == "." and depth == 0:
            found.append(place)
    return found


def address_markup(address: str) -> SafeString:
    """Return an address whose name stands out."""
    before, name, after = (escape(part) for part in address_parts(address))
    # A narrow page breaks it at its dots.
    parts = f"<i>{before.replace('.', '.<wbr>')}</i>" if before else ""
    parts += f"<b>{name}</b>" + (f"<i>{after.replace('.', '<wbr>.')}</i>" if after else "")
    return mark_safe(parts)  # noqa: S308 escaped here


def short_markup(address: str) -> SafeString:
    """Return an address as a picture's label has it: no modules, the name stands out."""
    before, name, after = address_parts(address)
    kind = "" if after else before.removeprefix("module.").rpartition("module.")[2]
    shown = f"<i>{escape(kind)}</i>" if kind else ""
    return mark_safe(f"{shown}<b>{escape(name)}</b>")  # noqa: S308 escaped here


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names as a sentence has them: `a, b and 3 more`."""
    if len(names) > most:
        kept = ", ".join(names[: most - 1])
        more = len(names) - most + 1
        return _("%(names)s and %(n)s more") % {"names": kept, "n": more}
    if len(names) > 1:
        return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
    return names[0] if names else ""


def either(names: Sequence[str], most: int = 3) -> str:
    """Return names of which one will do: `Alice, Dana or Mateo`."""
    if len(names) > most:
        kept = ", ".join(names[:most])
        return _("%(names)s or %(n)s more") % {"names": kept, "n": len(names) - most}
    if len(names) > 1:
        return _("%(names)s or %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
    return names[0] if names else ""


def initials(name: str) -> str:
    """Return one or two letters of a name; empty for the portal itself."""
    if name.startswith("system:"):
        return ""
    parts = name.replace(".", " ").replace("_", " ").split() or ["?"]
    return (parts[0][0] + (parts[-1][0] if len(parts) > 1 else "")).upper()


def shown(value: Any) -> str:
    """Return a plain input or output as one line of text."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else "–"
    return str(value)
