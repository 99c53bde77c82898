"""The files of the old deployer: which they are, how large they may be, what their values are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from lark.exceptions import LarkError

from tenants.adoption.oldstate import OldState, read_state
from tenants.blueprints import Adoption
from tenants.blueprints.hcl import NotConstant, constants
from tenants.errors import AdoptionUnreadable
from tenants.values import is_keepable

# Real ones have some 5 KiB; a parse of this takes about a second.
MAX_VALUES_BYTES = 64 * 1024
MAX_STATE_BYTES = 32 * 1024 * 1024
# By a browser both files together: they must never touch the disk on their way.
MAX_UPLOAD_BYTES = 2 * 1024 * 1024
STATE_FILES = "*.tfstate"


@dataclass(frozen=True)
class OldFile:
    """A file's name, without its folder, and its content."""

    name: str
    content: bytes


def read_folder(folder: Path, adoption: Adoption) -> tuple[OldFile, OldFile]:
    """Return the values file and the state file of a folder; nothing in it is changed.

    Raises AdoptionUnreadable unless there is exactly one of each.
    """
    values = _only(folder, adoption.values_file, MAX_VALUES_BYTES)
    return values, _only(folder, STATE_FILES, MAX_STATE_BYTES)


def _only(folder: Path, pattern: str, limit: int) -> OldFile:
    try:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "–"
            why = _("exactly one %(pattern)s is needed there; there is: %(names)s.")
            why %= {"pattern": pattern, "names": names}
            if pattern == STATE_FILES and not found:
                why += " " + _("Run “terraform state pull > terraform.tfstate” there first.")
            raise AdoptionUnreadable(file=folder, why=why)
        with found[0].open("rb") as file:
            return OldFile(found[0].name, file.read(limit + 1))
    except OSError as error:
        raise AdoptionUnreadable(file=folder, why=error.strerror or error) from None


def values_of(file: OldFile) -> dict[str, Any]:
    """Return the variables of a .tfvars file. Raises AdoptionUnreadable, which quotes no value."""
    _check_size(file, MAX_VALUES_BYTES)
    try:
        found = constants(file.content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise AdoptionUnreadable(file=file.name, why=_("it is not UTF-8.")) from None
    except LarkError as error:
        why = _("the HCL does not parse in line %s.") % (getattr(error, "line", None) or 1)
        raise AdoptionUnreadable(file=file.name, why=why) from None
    except NotConstant:
        why = _("a value in it is an expression; write the value itself.")
        raise AdoptionUnreadable(file=file.name, why=why) from None
    except (RecursionError, ValueError):
        why = _("a value in it is nested too deeply, or a number too long.")
        raise AdoptionUnreadable(file=file.name, why=why) from None
    if name := next((name for name, value in found.items() if not is_keepable(value)), ""):
        why = _("%s has a NUL character, or a number without end.") % name
        raise AdoptionUnreadable(file=file.name, why=why)
    return found


def state_of(file: OldFile) -> OldState:
    """Return what a state file says. Raises AdoptionUnreadable."""
    _check_size(file, MAX_STATE_BYTES)
    return read_state(file.name, file.content)


def _check_size(file: OldFile, limit: int) -> None:
    if len(file.content) > limit:
        why = _("it is larger than %s KiB.") % (limit // 1024)
        raise AdoptionUnreadable(file=file.name, why=why)
