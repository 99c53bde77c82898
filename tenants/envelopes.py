"""What a page has to carry from one request to the next and nobody may read or change there.

Encrypted with the keys of the secrets, for one purpose, person and place, for an hour.
"""

import base64
import time
import zlib
from typing import Any

import orjson
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal
from tenants import secrets
from tenants.errors import KeyUnknown

VALID_S = 3600


class EnvelopeGone(Refusal):
    """What was shown is too old, or was made by somebody else or for another place."""

    message = _("What was shown is no longer good. Give the files again.")


def seal(content: dict[str, Any], bound_to: str) -> str:
    """Return JSON as a text that only `unseal` reads, with the same `bound_to`."""
    packed = zlib.compress(orjson.dumps({"at": time.time(), "content": content}))
    key_id, ciphertext = secrets.encrypt(packed, bound_to)
    return f"{key_id}.{base64.urlsafe_b64encode(ciphertext).decode()}"


def unseal(text: str, bound_to: str) -> dict[str, Any]:
    """Return what was sealed. Raises EnvelopeGone."""
    key_id, _sign, encoded = text.partition(".")
    try:
        ciphertext = base64.urlsafe_b64decode(encoded)
        packed = secrets.decrypt(key_id, ciphertext, bound_to)
    except (ValueError, KeyUnknown):
        raise EnvelopeGone() from None
    found: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    if time.time() - found["at"] > VALID_S:
        raise EnvelopeGone()
    return found["content"]
