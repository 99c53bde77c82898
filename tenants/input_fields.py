"""Form fields for the types of Terraform variables.

Each takes and gives the plain value (what the tfvars file holds) and shows it as text. A field
whose text was not touched never counts as changed, so no value is rewritten by being shown.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.blueprints import TypeSpec

MAX_LENGTH = 65_536
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_TRUTH = {"true": True, "false": False}


class PlainTextField(forms.CharField):
    """A text; subclasses turn text into another plain value and back by two methods."""

    default_error_messages = {
        "number": _("“%(text)s” is not a number."),
        "truth": _("“%(text)s” is neither true nor false."),
        "pair": _("Line %(line)s: write it as name = value."),
        "twice": _("Line %(line)s: “%(key)s” stands there already."),
        "json": _("This is not JSON: line %(line)s, column %(column)s: %(why)s."),
        "deep": _("This is nested too deeply."),
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_LENGTH)
        super().__init__(**kwargs)

    def shown(self, value: Any) -> str:
        """Return the text that stands for a value."""
        return "" if value is None else str(value)

    def read(self, text: str) -> Any:
        """Return the value of a text that is not empty; raises ValidationError."""
        return text

    def prepare_value(self, value: Any) -> str:
        """Return what the input shows: a text that was typed stays as it is."""
        return value if isinstance(value, _Typed) else self.shown(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Mark what was typed, so that a refused text is shown again untouched."""
        return initial if data is None else _Typed(data)

    def to_python(self, value: Any) -> Any:
        """Return the value of a typed text, None for an empty one."""
        text = super().to_python(_unix(value))
        self._check_text(text)
        return self.read(text) if text else None

    def _check_text(self, text: str) -> None:
        for validator in self.validators:
            validator(text)

    def validate(self, value: Any) -> None:
        """Demand a value where one is required; an empty list is one."""
        if value is None and self.required:
            raise ValidationError(self.error_messages["required"], code="required")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Return nothing: the limit is far beyond what people type."""
        return {}

    def run_validators(self, value: Any) -> None:
        """Do nothing: lengths were checked on the text, before it became a value."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether the text differs from what was shown; one that was not sent does not."""
        return data is not None and _unix(data) != _unix(self.shown(initial))

    def error(self, code: str, **params: Any) -> ValidationError:
        """Return one of the messages above."""
        return ValidationError(self.error_messages[code], code=code, params=params)


class _Typed(str):
    """A text as somebody typed it, not yet a value."""

    __slots__ = ()


class NumberField(PlainTextField):
    """A number of any size; whole ones stay whole."""

    widget = forms.NumberInput

    def shown(self, value: Any) -> str:
        """Return the number as Terraform would write it."""
        return "" if value is None else json.dumps(value).strip('"')

    def read(self, text: str) -> int | float:
        """Return the number."""
        number = number_of(text)
        if number is None:
            raise self.error("number", text=text)
        return number


class TruthField(PlainTextField):
    """Yes, no, or nothing said."""

    def shown(self, value: Any) -> str:
        """Return true, false or nothing."""
        return "" if value is None else str(value).lower()

    def read(self, text: str) -> bool:
        """Return the truth value."""
        if text not in _TRUTH:
            raise self.error("truth", text=text)
        return _TRUTH[text]


class ItemField(PlainTextField):
    """Base of the fields that hold primitives of one type, one a line."""

    widget = forms.Textarea

    def __init__(self, element: TypeSpec, **kwargs: Any) -> None:
        self.element = element
        super().__init__(**kwargs)

    @staticmethod
    def fits(element: TypeSpec | None, value: Any) -> bool:
        """Tell whether such a value can be written in lines and read back the same."""
        if element is None or not element.is_primitive:
            return False
        items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value or ()
        if isinstance(value, Mapping) and any("=" in key for key in value):
            return False
        return (
            all(
                not isinstance(item, str) or (item == item.strip() and "\n" not in item and item)
                for item in items
            )
            and None not in items
        )

    def item(self, text: str) -> Any:
        """Return one primitive."""
        if self.element.kind == "number":
            number = number_of(text)
            if number is None:
                raise self.error("number", text=text)
            return number
        if self.element.kind == "bool":
            if text not in _TRUTH:
                raise self.error("truth", text=text)
            return _TRUTH[text]
        return text


class LinesField(ItemField):
    """A list or set, one item a line; a set shows and keeps each item once, sorted."""

    def __init__(self, element: TypeSpec, *, is_set: bool = False, **kwargs: Any) -> None:
        self.is_set = is_set
        super().__init__(element, **kwargs)

    def shown(self, value: Any) -> str:
        """Return the items one a line."""
        items = [_item_text(item) for item in value or ()]
        return "\n".join(sorted(set(items)) if self.is_set else items)

    def read(self, text: str) -> list[Any]:
        """Return the items; empty lines do not count."""
        items = [line.strip() for line in text.split("\n") if line.strip()]
        return [self.item(item) for item in (dict.fromkeys(items) if self.is_set else items)]


class PairsField(ItemField):
    """A map, one `name = value` a line."""

    def shown(self, value: Any) -> str:
        """Return the pairs one a line."""
        return "\n".join(f"{key} = {_item_text(item)}" for key, item in (value or {}).items())

    def read(self, text: str) -> dict[str, Any]:
        """Return the map."""
        result: dict[str, Any] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            key, equals, value = line.partition("=")
            key = key.strip()
            if not equals or not key:
                raise self.error("pair", line=number)
            if key in result:
                raise self.error("twice", line=number, key=key)
            result[key] = self.item(value.strip())
        return result


class JsonTextField(PlainTextField):
    """A value of any shape, written as JSON."""

    widget = forms.Textarea

    def shown(self, value: Any) -> str:
        """Return the value as indented JSON."""
        return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)

    def read(self, text: str) -> Any:
        """Return the value."""
        try:
            return json.loads(text, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            where = {"line": error.lineno, "column": error.colno, "why": error.msg}
            raise self.error("json", **where) from None
        except ValueError as error:
            raise self.error("json", line=1, column=1, why=str(error)) from None
        except RecursionError:
            raise self.error("deep") from None


class ChoiceTextField(PlainTextField):
    """One of some values; a stored one that is no choice any more stays to be seen and kept."""

    widget = forms.Select

    def __init__(self, values: Mapping[str, Any], **kwargs: Any) -> None:
        self.values = dict(values)
        super().__init__(**kwargs)

    def shown(self, value: Any) -> str:
        """Return the text of a value."""
        return "" if value is None else _item_text(value)

    def read(self, text: str) -> Any:
        """Return the value of a choice; what was stored before is one as well."""
        return self.values.get(text, text)


class SecretField(PlainTextField):
    """A secret: never shown again, whatever was typed or stored; empty keeps what there is."""

    widget = forms.PasswordInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def shown(self, value: Any) -> str:
        """Return nothing."""
        return ""

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return nothing: a refused secret is typed again."""
        return ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether something was typed."""
        return bool(data)


def number_of(text: str) -> int | float | None:
    """Return the number that a text is, None when it is none."""
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        return None
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


def _item_text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def _unix(text: Any) -> str:
    # Browsers send a textarea with CRLF.
    return "" if text is None else str(text).replace("\r\n", "\n")


def _no_constant(name: str) -> Any:
    raise ValueError(name)
