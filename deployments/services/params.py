"""What an action asks for one run: read by its types, chosen among what there is, checked."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments.errors import ParamsRefused
from deployments.models import Backup, RestorePoint
from deployments.models.backups import backup_name
from tenants import blueprints
from tenants.blueprints import Action, Param
from tenants.models import Stack

CHOICES_SHOWN = 200
MAX_TEXT = 1000
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class _Wrong(ValueError):
    """A value that does not fit, in words."""


def choices_of(stack: Stack, param: Param) -> list[tuple[str, str]]:
    """Return what a parameter offers, the newest first, as (value, words)."""
    if param.choices:
        return [(str(value), str(value)) for value in param.choices]
    if param.choices_from == "restore_points":
        points = points_of(stack)[:CHOICES_SHOWN]
        return [(point.public_id, point_words(point)) for point in points]
    if param.choices_from == "components":
        return [(name, name) for name in _components(stack)]
    if param.choices_from:
        rows = _backups(stack, param)[:CHOICES_SHOWN]
        return [(row.file, f"{row.name} ({row.taken_at:%Y-%m-%d %H:%M} UTC)") for row in rows]
    return []


def _components(stack: Stack) -> list[str]:
    return list(blueprints.load(stack.blueprint).kinds[stack.kind].versions)


def points_of(stack: Stack) -> QuerySet[RestorePoint]:
    """Return the restore points of a stack, the newest first, with what their words need."""
    rows = RestorePoint.objects.filter(stack=stack).select_related("run", "state_version")
    return rows.defer("state_version__ciphertext")


def point_words(point: RestorePoint) -> str:
    """Return a restore point as one line."""
    words = {"when": f"{point.created_at:%Y-%m-%d %H:%M} UTC", "run": point.run.number}
    words["release"] = point.release_name or ", ".join(
        f"{name} {version}" for name, version in sorted(point.versions.items())
    )
    text = _("%(when)s, before run %(run)s: %(release)s") % words
    if point.state_version is not None:
        text += _(", state serial %s") % point.state_version.serial
    return text


def _backups(stack: Stack, param: Param):
    component = param.choices_from.partition(":")[2]
    return Backup.objects.filter(stack=stack, component=component)


def check_params(stack: Stack, action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an action's parameters, defaults included.

    Values may be texts, as forms and commands have them. Raises ParamsRefused with one sentence
    for each that is wrong, missing or not known.
    """
    known = {param.name: param for param in action.params}
    problems = {name: _("The action has no such parameter.") for name in given if name not in known}
    values: dict[str, Any] = {}
    for name, param in known.items():
        value = given.get(name)
        if value is None or value == "":
            value = param.default
        try:
            if value is not None:
                values[name] = _read(stack, param, value)
            elif param.required:
                raise _Wrong(_("A value is needed."))
        except _Wrong as wrong:
            problems[name] = str(wrong)
    if problems:
        raise ParamsRefused(problems)
    return values


def _read(stack: Stack, param: Param, value: Any) -> Any:
    text = str(value).strip()
    if len(text) > MAX_TEXT:
        raise _Wrong(_("At most %s characters.") % MAX_TEXT)
    if param.type == "bool":
        if text.lower() not in _TRUTH:
            raise _Wrong(_("“%s” is neither true nor false.") % text)
        return _TRUTH[text.lower()]
    if param.type == "number":
        return _number(text)
    return _choice(stack, param, text) if param.type == "choice" else text


def _number(text: str) -> int | float:
    try:
        number = float(text)
    except ValueError as error:
        raise _Wrong(_("“%s” is not a number.") % text) from error
    if not abs(number) < 1e15:
        raise _Wrong(_("“%s” is not a number.") % text)
    return int(number) if number.is_integer() else number


def _choice(stack: Stack, param: Param, text: str) -> str:
    if param.choices or param.choices_from == "components":
        choices = [str(value) for value in param.choices or _components(stack)]
        if text not in choices:
            known = ", ".join(choices)
            raise _Wrong(_("“%(text)s” is not one of: %(known)s.") % {"text": text, "known": known})
        return text
    if param.choices_from == "restore_points":
        if not RestorePoint.objects.filter(stack=stack, public_id=text).exists():
            raise _Wrong(_("%s has no restore point of this id.") % stack.name)
        return text
    # People know backups with and without the file's ending.
    found = _backups(stack, param).filter(name=backup_name(text)).first()
    if found is None:
        words = _("There is no backup “%s” that was seen in the bucket: list the backups first.")
        raise _Wrong(words % text)
    return found.file
