"""The table of an admin list as markup, made by Python column by column.

Django asks anew for each cell what its column is and where its row's page lies; here that is
asked once for a list. What a cell shows is still decided by Django's own `display_for_…`.
"""

from collections.abc import Callable
from datetime import date, time
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_field, display_for_value, lookup_field, quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe

Cell = Callable[[models.Model], str]
# Stands for a row's id in an address; the first one is in its path.
_PLACE = "row-of-the-list"
_PLAIN = (str, int, type(None))


def table_rows(cl: ChangeList) -> SafeString:
    """Return the rows of a list's page; it must have no form in its cells."""
    columns = _columns(cl)
    rows = ("".join([cell(row) for cell in columns]) for row in cl.result_list)
    return mark_safe("\n".join(f"<tr>{cells}</tr>" for cells in rows))  # noqa: S308 escaped


def _columns(cl: ChangeList) -> list[Cell]:
    columns, links = [], cl.list_display_links
    has_link = links is None
    for index, name in enumerate(cl.list_display):
        is_first = not has_link
        if links is not None and (name in links or (is_first and not links)):
            columns.append(_linked(cl, name, index, "th" if is_first else "td"))
            has_link = True
        else:
            columns.append(_cell(cl, name, index))
    return columns


def _cell(cl: ChangeList, name: Any, index: int) -> Cell:
    show, css = _shown(cl, name), _css(cl, name, index)

    def cell(row: models.Model) -> str:
        text, is_time = show(row)
        return f'<td class="{css}{" nowrap" if is_time else ""}">{text}</td>'

    return cell


def _linked(cl: ChangeList, name: Any, index: int, tag: str) -> Cell:
    show, css, href = _shown(cl, name), _css(cl, name, index), _addresses(cl)

    def cell(row: models.Model) -> str:
        text, is_time = show(row)
        if href is not None:
            text = f'<a href="{href(row)}"{_opener(cl, row)}>{text}</a>'
        return f'<{tag} class="{css}{" nowrap" if is_time else ""}">{text}</{tag}>'

    return cell


def _css(cl: ChangeList, name: Any, index: int) -> str:
    if name == "action_checkbox":
        return "action-checkbox"
    word = name
    if callable(name):
        word = f"lambda{index}" if name.__name__ == "<lambda>" else name.__name__
    field = _field(cl.lookup_opts, name)
    kinds = (models.DateField, models.TimeField, models.ForeignKey)
    return f"field-{word} nowrap" if isinstance(field, kinds) else f"field-{word}"


def _field(opts: Any, name: Any) -> models.Field | None:
    """Return the field that a column shows as it is; None for what is made of a row."""
    try:
        field = None if callable(name) else opts.get_field(name)
    except FieldDoesNotExist:
        return None
    is_plain = isinstance(field, models.Field) and not field.auto_created
    return field if is_plain and not field.many_to_many and field.name == name else None


def _shown(cl: ChangeList, name: Any) -> Callable[[models.Model], tuple[str, bool]]:
    """Return what gives a row's text in a column, escaped, and whether that is a time."""
    field, empty = _field(cl.lookup_opts, name), cl.model_admin.get_empty_value_display()
    if field is None:
        return _made(cl, name, empty)
    if isinstance(field.remote_field, models.ManyToOneRel):
        return _related(field.name, empty)
    known: dict[Any, str] = {}

    def show(row: models.Model) -> tuple[str, bool]:
        value = getattr(row, name)
        if not isinstance(value, _PLAIN):
            return conditional_escape(display_for_field(value, field, empty)), False
        text = known.get(value)
        if text is None:
            plain = "" if isinstance(value, str) and not value.strip() else value
            text = known[value] = conditional_escape(display_for_field(plain, field, empty))
        return text, False

    return show


def _related(name: str, empty: str) -> Callable[[models.Model], tuple[str, bool]]:
    def show(row: models.Model) -> tuple[str, bool]:
        try:
            value = getattr(row, name)
        except ObjectDoesNotExist:
            value = None
        return conditional_escape(empty if value is None else str(value)), False

    return show


def _made(cl: ChangeList, name: Any, empty: str) -> Callable[[models.Model], tuple[str, bool]]:
    admin = cl.model_admin
    is_method = isinstance(name, str) and name != "__str__" and hasattr(admin, name)
    known = name if callable(name) else getattr(admin, name) if is_method else None

    def show(row: models.Model) -> tuple[str, bool]:
        attr = known
        try:
            if attr is not None:
                value = attr(row)
            else:
                _none, attr, value = lookup_field(name, row, admin)
        except ObjectDoesNotExist:
            return conditional_escape(empty), False
        if isinstance(value, str) and not value.strip():
            value = ""
        attr = attr.fget if isinstance(attr, property) else attr
        is_truth = getattr(attr, "boolean", False)
        text = display_for_value(value, getattr(attr, "empty_value_display", empty), is_truth)
        return conditional_escape(text), isinstance(value, date | time)

    return show


def _addresses(cl: ChangeList) -> Callable[[models.Model], str] | None:
    """Return what gives a row's own page, with the list's filters; None when there is none."""
    name = f"admin:{cl.opts.app_label}_{cl.opts.model_name}_change"
    site = cl.model_admin.admin_site.name
    try:
        pattern = reverse(name, args=[_PLACE], current_app=site)
    except NoReverseMatch:
        return None
    kept = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    before, _place, after = escape(add_preserved_filters(kept, pattern)).partition(_PLACE)
    return lambda row: f"{before}{escape(quote(getattr(row, cl.pk_attname)))}{after}"


def _opener(cl: ChangeList, row: models.Model) -> str:
    """Return what the script of a form's pop-up window reads."""
    if not cl.is_popup:
        return ""
    value = row.serializable_value(str(cl.to_field) if cl.to_field else cl.pk_attname)
    return f' data-popup-opener="{escape(value)}"'
