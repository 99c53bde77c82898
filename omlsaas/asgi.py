"""The web process: HTTP to Django, websockets to the consumers."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omlsaas.settings")
# Loads the apps: what follows imports their models.
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from deployments.routing import websockets  # noqa: E402
from tenants.secrets import require_keys  # noqa: E402

require_keys()


class AllowedHostsOrAbsentOrigin(OriginValidator):
    """Refuse browsers whose page came from another host.

    Every browser names the page's origin; a client that names none is no browser, so nobody's
    cookie can be used behind their back.
    """

    def valid_origin(self, parsed_origin) -> bool:
        """Tell whether the origin is absent or one of ours."""
        return parsed_origin is None or self.validate_origin(parsed_origin)


application = ProtocolTypeRouter(
    {
        "http": django_application,
        # A page of another site cannot open a socket with this person's cookie.
        "websocket": AllowedHostsOrAbsentOrigin(
            AuthMiddlewareStack(websockets), settings.ALLOWED_HOSTS
        ),
    }
)

# What is loaded by now stays, pages included. A full collection would walk through it, about once
# in fifty pages, for 70 ms in which nobody is answered.
get_resolver().url_patterns  # noqa: B018 imports every page
gc.collect()
gc.freeze()
