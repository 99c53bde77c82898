"""Days in words, made once each: a page shows hundreds of times, of few days."""

from datetime import date
from functools import lru_cache

from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.translation import get_language


def day_words(day: date, style: str) -> str:
    """Return a day as `date_format` says it in the language of now, escaped for a page.

    `style` has letters of the day, month and year only.
    """
    return _words(day.year, day.month, day.day, style, get_language())


@lru_cache(maxsize=4096)
def _words(year: int, month: int, day: int, style: str, language: str | None) -> str:
    return escape(date_format(date(year, month, day), style))
