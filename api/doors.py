"""What the API's doors share: rows by id, forms of the pages, answers that say where."""

from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from api.errors import ValuesRefused
from tenants.zones import is_zone

Row = TypeVar("Row", bound=Model)


def wrong(**errors: str) -> ValuesRefused:
    """Return the refusal of these fields."""
    refusal = ValuesRefused()
    refusal.problems = errors
    return refusal


def chosen(rows: "QuerySet[Row]", field: str, public_id: str | None) -> "Row | None":
    """Return the row that a field names among visible ones. Raises ValuesRefused."""
    if not public_id:
        return None
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise wrong(**{field: _("There is nothing of this id that you may choose.")})
    return row


def cleaned(form: forms.Form, by: str = "") -> dict[str, Any]:
    """Return what a page's form makes of the values: its cleaned data, or what its method `by`
    gives. Raises ValuesRefused with the form's sentences."""
    if not form.is_valid():
        errors = {("body" if name == "__all__" else name): " ".join(texts)
                  for name, texts in form.errors.items()}  # fmt: skip
        raise wrong(**errors)
    return getattr(form, by)() if by else form.cleaned_data


def known_zone(name: str | None) -> None:
    """Raise ValuesRefused for a time zone that there is not; none is none to refuse."""
    if name and not is_zone(name):
        raise wrong(time_zone=_("There is no such time zone."))


def made_at(response: HttpResponse, name: str, public_id: str | int) -> None:
    """Say in the answer where the new thing is."""
    response["Location"] = reverse(f"api:{name}", args=[public_id])
