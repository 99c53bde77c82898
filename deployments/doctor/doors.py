"""Looks at what stands around the portal: broker, websocket path, static files."""

from collections.abc import Iterator
from pathlib import Path

import redis
from celery import current_app
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.utils.translation import gettext as _
from kombu.exceptions import KombuError
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect

from deployments import doorbell
from deployments.doctor.findings import Finding, bad, good, warn
from deployments.models import WorkerHost
from tenants.models import Region

TIMEOUT_S = 3
LONG_QUEUE = 1_000
# Something of ours and something of each kind that comes from elsewhere.
FILES = ("css/omlsaas.css", "js/portal.js", "vendor/tabler/tabler.min.css", "vendor/js/htmx.min.js")


def look_at_broker(has_database: bool = True) -> Iterator[Finding]:
    """Ping the broker and the server of the channel layer, and read the queues' lengths."""
    try:
        with current_app.connection_for_read(
            transport_options={
                "socket_connect_timeout": TIMEOUT_S,
                "socket_timeout": TIMEOUT_S,
                "max_retries": 0,
            }
        ) as broker:
            broker.ensure_connection(
                max_retries=0, timeout=TIMEOUT_S, reraise_as_library_errors=False
            )
            lengths = _lengths(broker.default_channel, has_database)
    except (KombuError, redis.RedisError, OSError) as error:
        yield bad(
            "unreachable",
            _("The broker cannot be reached: %(why)s") % {"why": error},
            _("Start it (make run), or set CELERY_BROKER_URL. Workers look by themselves, slower."),
        )
    else:
        shown = ", ".join(f"{name} {count}" for name, count in lengths.items() if count) or _(
            "none"
        )
        text = _("The broker answers; messages waiting: %(queues)s.") % {"queues": shown}
        long = [name for name, count in lengths.items() if count > LONG_QUEUE]
        if long:
            way_out = _("No worker listens to %(names)s: start one for it.")
            yield warn("long", text, way_out % {"names": ", ".join(long)}, queues=lengths)
        else:
            yield good("queues", text, queues=lengths)
    yield _ping_layer()


def _lengths(channel: object, has_database: bool) -> dict[str, int]:
    names = ["portal"]
    if has_database:
        hosts = WorkerHost.objects.filter(gone_at__isnull=True).values_list("host_id", flat=True)
        slugs = Region.objects.living().values_list("slug", flat=True)
        names += [doorbell.host_queue(host) for host in hosts]
        names += [doorbell.region_queue(slug) for slug in slugs]
    # A queue that nobody has filled is not there; its length is 0.
    return {name: channel._size(name) for name in names}  # kombu has no public name for it


def _ping_layer() -> Finding:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
    try:
        client.ping()
    except redis.RedisError as error:
        text = _("REDIS_URL cannot be reached: %(why)s") % {"why": error}
        return bad("layer", text, _("Notices to open pages wait for it; set REDIS_URL."))
    finally:
        client.close()
    return good("layer", _("The server of REDIS_URL answers."))


def own_url() -> str:
    """Return where the portal listens, as seen from this host."""
    any_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 not bound to
    host = any_host.get(settings.HOST, settings.HOST)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{settings.PORT}"


def look_at_websocket(url: str = "") -> Iterator[Finding]:
    """Shake hands with the portal over a real websocket."""
    url = (url or own_url()).rstrip("/")
    address = f"ws{url.removeprefix('http')}/ws/fleet/"
    words = {"url": url}
    try:
        with connect(address, proxy=None, open_timeout=TIMEOUT_S, close_timeout=1):
            pass
    except InvalidHandshake as error:
        words["why"] = str(error)
        yield warn(
            "blocked",
            _("Websockets to %(url)s are blocked (%(why)s): pages poll instead.") % words,
            _("Let the proxy pass “Upgrade: websocket” for /ws/; docs/operate.md has a snippet."),
            url=url,
        )
    except (OSError, WebSocketException) as error:
        words["why"] = str(error) or type(error).__name__
        yield bad(
            "unreachable",
            _("The portal does not answer at %(url)s: %(why)s") % words,
            _("Start it (make run), or say where it is: HOST and PORT, or --url."),
            url=url,
        )
    else:
        yield good("open", _("Websockets to %(url)s work.") % words, url=url)


def look_at_static() -> Iterator[Finding]:
    """Look whether pages will find their styles and scripts."""
    way_out = _("Run make setup, then manage.py prepare.")
    missing = [name for name in FILES if not _is_there(name)]
    if missing:
        text = _("Static files are missing: %(names)s.") % {"names": ", ".join(missing)}
        yield bad("missing", text, way_out)
        return
    try:
        for name in FILES:
            staticfiles_storage.url(name)
    except ValueError as error:
        yield bad("stale", _("Static files are not collected: %(why)s") % {"why": error}, way_out)
        return
    yield good("there", _("Static files are there."))


def _is_there(name: str) -> bool:
    return Path(settings.STATIC_ROOT, name).is_file() or finders.find(name) is not None
