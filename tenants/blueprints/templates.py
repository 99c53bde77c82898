"""`{{ outputs.bucket }}` in parameters of steps: look-up only, no expressions."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal

ROOTS = (
    "inputs", "outputs", "secrets", "shared", "stack", "region", "params", "backups", "point",
    "hosts",
)  # fmt: skip
_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)+")


class LookupMissing(Refusal):
    """A template names something that is not there (yet)."""

    message = _("“%(path)s” has no value yet; the blueprint needs it here.")


def render(
    template: Any, context: Mapping[str, Any], quote: Callable[[str], str] | None = None
) -> Any:
    """Return the template with its places filled; lists and mappings are walked.

    A text that is one place alone gives the value itself (a list stays a list); in the middle of
    a text the value must be a text, number or truth value. With `quote` every place is a text
    and goes through it: for command lines. Raises LookupMissing.
    """
    if isinstance(template, Mapping):
        return {key: render(value, context, quote) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [render(value, context, quote) for value in template]
    if not isinstance(template, str):
        return template
    alone = _PLACE.fullmatch(template.strip())
    if alone and quote is None:
        return _look_up(alone[1], context)
    as_is = quote or str
    return _PLACE.sub(lambda found: as_is(_as_text(found[1], context)), template)


def places(template: Any) -> Iterator[str]:
    """Return the dotted paths that a template looks up, also badly written ones."""
    if isinstance(template, Mapping):
        template = list(template.values())
    if isinstance(template, list | tuple):
        for value in template:
            yield from places(value)
    elif isinstance(template, str):
        yield from (found[1] for found in _PLACE.finditer(template))


def is_look_up(path: str, roots: Collection[str] = ROOTS) -> bool:
    """Tell whether a place is a dotted path that begins with a known root."""
    return bool(_NAME.fullmatch(path)) and path.split(".")[0] in roots


def _look_up(path: str, context: Mapping[str, Any]) -> Any:
    value: Any = context
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list | tuple) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise LookupMissing(path=path)
    if value is None:
        raise LookupMissing(path=path)
    return value


def _as_text(path: str, context: Mapping[str, Any]) -> str:
    value = _look_up(path, context)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise LookupMissing(path=path)
    return str(value)
