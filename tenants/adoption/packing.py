"""A preview between two requests: encrypted, for one person and one place, for an hour."""

from dataclasses import asdict

from django.utils.translation import gettext_lazy as _

from tenants import envelopes
from tenants.adoption.oldstate import StateFacts
from tenants.adoption.preview import Dropped, Known, Preview, Taken
from tenants.models import Region, SharedEnvironment, User

PARTS = {
    "inputs": Taken,
    "versions": Taken,
    "secrets_taken": Taken,
    "dropped": Dropped,
    "resources": Known,
}


class PreviewGone(envelopes.EnvelopeGone):
    """What was shown is too old, or was made by somebody else or for another place."""

    message = _("That preview is no longer good. Give both files again.")


def bound_to(user: User, blueprint: str, *places: Region | SharedEnvironment) -> str:
    """Return whose preview it is, and of which place."""
    return ":".join((user.public_id, blueprint, *(place.public_id for place in places)))


def pack(preview: Preview, bound_to: str) -> str:
    """Return a preview as a text that only `unpack` reads, with the same `bound_to`."""
    return envelopes.seal(asdict(preview), f"adopt:{bound_to}")


def unpack(packed: str, bound_to: str) -> Preview:
    """Return the preview. Raises PreviewGone."""
    try:
        parts = envelopes.unseal(packed, f"adopt:{bound_to}")
    except envelopes.EnvelopeGone:
        raise PreviewGone() from None
    for name, kind in PARTS.items():
        parts[name] = [kind(**one) for one in parts[name]]
    return Preview(**{**parts, "state": StateFacts(**parts["state"])})
