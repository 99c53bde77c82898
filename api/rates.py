"""How often may be asked: counted in Valkey, by token and by address."""

import logging
import time
from functools import lru_cache
from urllib.parse import urlsplit

import redis
from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from api.errors import TooManyRequests

logger = logging.getLogger(__name__)
NAMESPACE = "omlsaas-api"


@lru_cache(maxsize=2)
def _limiter(url: str) -> FixedWindowRateLimiter:
    scheme = urlsplit(url).scheme
    address = f"redis+{url}" if scheme == "unix" else url
    options = {"socket_timeout": 1, "socket_connect_timeout": 1}
    return FixedWindowRateLimiter(RedisStorage(address, key_prefix=NAMESPACE, **options))


def count(kind: str, who: str, most: int) -> None:
    """Count one request. Raises TooManyRequests over `most` a minute."""
    item = RateLimitItemPerMinute(most, namespace=kind)
    if not _asked("hit", item, who):
        raise TooManyRequests(seconds=_seconds(item, who))


def refuse_full(kind: str, who: str, most: int) -> None:
    """Raise TooManyRequests when `most` were counted already; counts nothing."""
    item = RateLimitItemPerMinute(most, namespace=kind)
    if not _asked("test", item, who):
        raise TooManyRequests(seconds=_seconds(item, who))


def note(kind: str, who: str, most: int) -> None:
    """Count one event of which `refuse_full` knows."""
    _asked("hit", RateLimitItemPerMinute(most, namespace=kind), who)


def _asked(what: str, item: RateLimitItemPerMinute, who: str) -> bool:
    """Return the limiter's answer. Without Valkey nothing is counted, and requests are served:
    a token's secret cannot be guessed anyway."""
    try:
        return getattr(_limiter(settings.REDIS_URL), what)(item, who)
    except redis.RedisError as error:
        logger.warning("requests are not counted: %s", error)
        return True


def _seconds(item: RateLimitItemPerMinute, who: str) -> int:
    try:
        window = _limiter(settings.REDIS_URL).get_window_stats(item, who)
    except redis.RedisError:
        return item.get_expiry()
    return max(1, round(window.reset_time - time.time()) + 1)
