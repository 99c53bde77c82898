"""System checks: `manage.py check` refuses a broken blueprint, with file and line."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from tenants import blueprints
from tenants.blueprints import Flaw

TAG = "blueprints"


@register(TAG)
def check_blueprints(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each flaw of each blueprint, and a warning where it works anyway."""
    return [message(flaw) for name in blueprints.names() for flaw in blueprints.flaws(name)]


def message(flaw: Flaw) -> CheckMessage:
    """Return a flaw as a message of the check framework."""
    if flaw.is_warning:
        return Warning(flaw.text, obj=f"{flaw.file}:{flaw.line}", id="tenants.W001")
    return Error(flaw.text, obj=f"{flaw.file}:{flaw.line}", id="tenants.E001")
