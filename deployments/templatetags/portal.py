"""What the portal's templates say in few letters: statuses, times, durations, amounts, links."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from deployments import looks
from deployments.models import Run
from omlsaas.lib.amounts import amount
from omlsaas.lib.days import day_words

register = template.Library()
register.filter(amount)


@register.simple_tag
def run_tag(run: Run, css: str = "is-plain") -> SafeString:
    """Return a run's status: icon, word and tone."""
    return looks.tag(looks.run_look(run), css)


@register.simple_tag
def condition_tag(condition: str, css: str = "is-plain") -> SafeString:
    """Return a stack's condition: icon, word and tone."""
    return looks.tag(looks.CONDITION_LOOKS[condition], css)


@register.simple_tag
def suspect_tag(css: str = "") -> SafeString:
    """Return the mark of a stack whose state may not fit reality."""
    return looks.tag(looks.SUSPECT, css)


@register.filter
def ago(when: datetime | None) -> str:
    """Return `<time>`: “3 min ago” up to a day, then the date; the exact time as its title.

    portal.js keeps the text true while the page stands.
    """
    if when is None:
        return ""
    local = timezone.localtime(when)
    return _time(local, ago_text(local), " data-ago")


@register.filter
def clock(when: datetime | None) -> str:
    """Return `<time>` with the time of day, before today with its date; the exact time as title."""
    if when is None:
        return ""
    local = timezone.localtime(when)
    is_today = local.date() == timezone.localtime().date()
    words = f"{local:%H:%M:%S}" if is_today else f"{day_words(local, 'j M')} {local:%H:%M}"
    return _time(local, words)


@register.filter
def hours(when: datetime) -> str:
    """Return `<time>` with the time of day alone: its day stands above it."""
    local = timezone.localtime(when)
    return _time(local, f"{local:%H:%M:%S}")


def _time(local: datetime, words: str, attribute: str = "") -> SafeString:
    """Return the element; dates and words of ours hold nothing to escape."""
    machine = local.isoformat(timespec="seconds")
    exact = f"{machine[:10]} {machine[11:19]} {local.tzname()}"
    return mark_safe(  # noqa: S308
        f'<time datetime="{machine}" title="{exact}"{attribute}>{words}</time>'
    )


def ago_text(local: datetime) -> str:
    """Return how long ago that was, in few words; the date after a day."""
    now = timezone.now()
    seconds = int((now - local).total_seconds())
    if -60 < seconds < 0:
        seconds = 0
    if not 0 <= seconds < 86_400:
        this_year = local.year == timezone.localtime(now).year
        return day_words(local, "j F" if this_year else "j F Y")
    if seconds < 60:
        return _("%(n)s s ago") % {"n": seconds}
    if seconds < 3600:
        return _("%(n)s min ago") % {"n": seconds // 60}
    return _("%(n)s h ago") % {"n": seconds // 3600}


@register.filter
def day(when: datetime) -> str:
    """Return the day in the person's zone: “Monday 17 June”, with the year of another one."""
    local = timezone.localtime(when)
    return date_format(local, "l j F" if local.year == timezone.localtime().year else "l j F Y")


@register.filter
def duration(value: timedelta | float | None) -> str:
    """Return minutes and seconds, `1:12`, with hours when there are some; empty for nothing."""
    if value in (None, ""):
        return ""
    total = int(value.total_seconds() if isinstance(value, timedelta) else value)
    hours, rest = divmod(max(total, 0), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """Return this page's query string with some values changed; None or "" drops one."""
    return query_with(context["request"], **changes)


def query_with(request: HttpRequest, **changes: Any) -> str:
    """Return the request's query string, changed; the page number is dropped unless given."""
    kept = request.GET.copy()
    kept.pop("page", None)
    for name, value in changes.items():
        if value in (None, ""):
            kept.pop(name, None)
        else:
            kept[name] = str(value)
    return f"?{kept.urlencode()}" if kept else "?"


@register.filter
def item(mapping: dict, key: Any) -> Any:
    """Return a mapping's value for a key that is in a variable; None when it is not there."""
    return mapping.get(key)
