"""What the API's doors share: rows by id, forms of the pages, answers that say where."""

from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from api.errors import ValuesRefused

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


def cleaned(form: forms.Form) -> dict[str, Any]:
    """Return what a page's form makes of the values. Raises ValuesRefused with its sentences."""
    if not form.is_valid():
        errors = {("body" if name == "__all__" else name): " ".join(texts)
                  for name, texts in form.errors.items()}  # fmt: skip
        raise wrong(**errors)
    return form.cleaned_data


def made_at(response: HttpResponse, name: str, public_id: str) -> None:
    """Say in the answer where the new thing is."""
    response["Location"] = reverse(f"api:{name}", args=[public_id])
