"""Refusals: what the portal will not do, as a code with parameters and a sentence.

Rows store code and parameters, never the sentence: it is made when it is shown, in the language
of whoever reads. The sentence says what holds it and what to do next.
"""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """Something that a person can act on. Subclasses set `message` with %(name)s places."""

    message: ClassVar[Any] = _("The portal refused this.")
    codes: ClassVar[dict[str, type["Refusal"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Refusal.codes[cls.__name__] = cls

    def __init__(self, **params: Any) -> None:
        self.params = {key: _plain(value) for key, value in params.items()}
        super().__init__(self.code)

    @property
    def code(self) -> str:
        """Return the stable name of this refusal."""
        return type(self).__name__

    def __str__(self) -> str:
        return str(self.message) % self.params

    def to_json(self) -> dict[str, Any]:
        """Return what a row stores: `{"code": …, "params": {…}}`."""
        return {"code": self.code, "params": self.params}


def sentence(stored: dict[str, Any] | None) -> str:
    """Return the sentence of a stored code with parameters; empty for none.

    A code that this version does not know is shown as it is, with its parameters.
    """
    if not stored:
        return ""
    code, params = stored.get("code", ""), stored.get("params") or {}
    known = Refusal.codes.get(code)
    try:
        return str(known.message) % params if known else f"{code} {params or ''}".strip()
    except (KeyError, TypeError, ValueError):
        return f"{code} {params}"


def _plain(value: Any) -> Any:
    """Return what a row can hold: no objects, and no NUL from a program's words."""
    if value is None or isinstance(value, int | float | bool):
        return value
    return str(value).replace("\0", "␀")
