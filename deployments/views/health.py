"""Is the process up (`/healthz`), and can it do its work (`/readyz`)?"""

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

BROKER_TIMEOUT_S = 2


@never_cache
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that the process lives; nothing else is asked, so that nothing else restarts it."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when database (with all migrations) and broker are there, else 503."""
    checks = {"database": _database(), "broker": _broker()}
    is_ready = all(answer == "ok" for answer in checks.values())
    return JsonResponse(checks, status=200 if is_ready else 503)


def _database() -> str:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are missing: run manage.py migrate"
    except DatabaseError:
        return "not reachable"
    return "ok"


def _broker() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BROKER_TIMEOUT_S,
        socket_connect_timeout=BROKER_TIMEOUT_S,
    )
    try:
        client.ping()
    except redis.RedisError:
        return "not reachable"
    finally:
        client.close()
    return "ok"
