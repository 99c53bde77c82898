"""The address that a request came from, as far as it can be believed."""

import ipaddress
from collections.abc import Mapping

from django.conf import settings


def client_address(meta: Mapping[str, str]) -> str | None:
    """Return the client's IP address from WSGI-style headers, or None.

    X-Forwarded-For is believed only for the right-most TRUSTED_PROXIES entries.
    """
    chain = [meta.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        chain = [*meta.get("HTTP_X_FORWARDED_FOR", "").split(","), *chain]
        chain = chain[-(settings.TRUSTED_PROXIES + 1) :]
    try:
        found = ipaddress.ip_address(chain[0].strip())
    except ValueError:
        return None
    # A socket for both families tells an IPv4 client so: https://www.rfc-editor.org/rfc/rfc4291
    return str(getattr(found, "ipv4_mapped", None) or found)
