"""Values of inputs: as they are typed on a command line, and which can be kept at all."""

import json
from math import isfinite
from typing import Any

from django.utils.translation import gettext as _

from tenants.blueprints import Variable
from tenants.errors import InputsRefused

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def value_from_text(variable: Variable, text: str) -> Any:
    """Return a value of the variable's type; `null` gives None, so that the default holds.

    Text stays as it is, numbers and truth values are read, everything else is JSON. Raises
    InputsRefused with the form that is wanted.
    """
    kind = str(variable.type)
    if text == "null":
        return None
    if kind == "string":
        return text
    if kind == "bool":
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise InputsRefused({variable.name: _("Write true or false.")})
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        wanted = _("a number") if kind == "number" else _("JSON of the type %s") % kind
        raise InputsRefused({variable.name: _("Write %s.") % wanted}) from error
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputsRefused({variable.name: _("Write a number.")})
    return value


def is_keepable(value: Any) -> bool:
    """Tell whether the database takes a value: no NUL, half a character, infinity or endless nest.

    https://www.postgresql.org/docs/current/datatype-json.html
    """
    try:
        return _is_keepable(value)
    except RecursionError:
        return False


def _is_keepable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_keepable(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return all(_is_keepable(one) for one in value)
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    return True
