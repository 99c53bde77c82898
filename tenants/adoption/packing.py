"""A preview between two requests: encrypted, for one person and one place, for an hour."""

import base64
import time
import zlib
from dataclasses import asdict
from typing import Any

import orjson
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal
from tenants import secrets
from tenants.adoption.oldstate import StateFacts
from tenants.adoption.preview import Dropped, Known, Preview, Taken
from tenants.errors import KeyUnknown
from tenants.models import Region, SharedEnvironment, User

VALID_S = 3600
PARTS = {
    "inputs": Taken,
    "versions": Taken,
    "secrets_taken": Taken,
    "dropped": Dropped,
    "resources": Known,
}


class PreviewGone(Refusal):
    """What was shown is too old, or was made by somebody else or for another place."""

    message = _("That preview is no longer good. Give both files again.")


def bound_to(user: User, blueprint: str, *places: Region | SharedEnvironment) -> str:
    """Return whose preview it is, and of which place."""
    return ":".join((user.public_id, blueprint, *(place.public_id for place in places)))


def pack(preview: Preview, bound_to: str) -> str:
    """Return a preview as a text that only `unpack` reads, with the same `bound_to`."""
    content = zlib.compress(orjson.dumps({"at": time.time(), "preview": asdict(preview)}))
    key_id, ciphertext = secrets.encrypt(content, f"adopt:{bound_to}")
    return f"{key_id}.{base64.urlsafe_b64encode(ciphertext).decode()}"


def unpack(packed: str, bound_to: str) -> Preview:
    """Return the preview. Raises PreviewGone."""
    key_id, _sign, encoded = packed.partition(".")
    try:
        ciphertext = base64.urlsafe_b64decode(encoded)
        content = secrets.decrypt(key_id, ciphertext, f"adopt:{bound_to}")
    except (ValueError, KeyUnknown):
        raise PreviewGone() from None
    found: dict[str, Any] = orjson.loads(zlib.decompress(content))
    if time.time() - found["at"] > VALID_S:
        raise PreviewGone()
    parts = found["preview"]
    for name, kind in PARTS.items():
        parts[name] = [kind(**one) for one in parts[name]]
    return Preview(**{**parts, "state": StateFacts(**parts["state"])})
