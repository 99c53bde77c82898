"""The URLs of the embedded servers, as each library reads them."""

from pathlib import Path

import environ
import pytest
from kombu.utils.url import parse_url as parse_broker_url
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from omlsaas.lib.embedded import database_url, redis_urls
from omlsaas.lib.portal import settings

FOLDERS = ["/tmp/omlsaas-0-1a2b3c4d", "/run/user/1000/Mixed Case & more%20"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_redis_py_reads_the_socket_path(folder):
    url = redis_urls(Path(folder) / "valkey.sock")["REDIS_URL"]

    assert parse_url(url)["path"] == f"{folder}/valkey.sock"


@pytest.mark.parametrize("folder", FOLDERS)
def test_celery_reads_the_socket_path(folder):
    url = redis_urls(Path(folder) / "valkey.sock")["CELERY_BROKER_URL"]

    assert f"/{parse_broker_url(url)['virtual_host']}" == f"{folder}/valkey.sock"


@pytest.mark.parametrize("folder", FOLDERS)
def test_django_environ_reads_the_socket_folder(folder):
    config = environ.Env.db_url_config(database_url(Path(folder)))

    assert (config["NAME"], config["USER"]) == ("omlsaas", "omlsaas")
    assert config["OPTIONS"]["host"] == folder


@pytest.mark.parametrize("folder", FOLDERS)
def test_libpq_reads_the_socket_folder(folder):
    info = conninfo_to_dict(database_url(Path(folder)))

    assert info == {"user": "omlsaas", "dbname": "omlsaas", "host": folder}


@pytest.mark.parametrize(
    ("given", "redis", "broker"),
    [
        ({"REDIS_URL": "redis://r:6379/1"}, "redis://r:6379/1", "redis://r:6379/1"),
        ({"CELERY_BROKER_URL": "redis://r/2"}, "redis://r/2", "redis://r/2"),
        ({"REDIS_URL": "unix:///run/r.sock"}, "unix:///run/r.sock", "redis+socket:///run/r.sock"),
        (
            {"CELERY_BROKER_URL": "redis+socket:///run/r.sock"},
            "unix:///run/r.sock",
            "redis+socket:///run/r.sock",
        ),
        (
            {"REDIS_URL": "redis://a/0", "CELERY_BROKER_URL": "redis://b/0"},
            "redis://a/0",
            "redis://b/0",
        ),
    ],
)
def test_one_redis_url_serves_both_purposes(given, redis, broker):
    result = settings(given, Path("/var"), {})

    assert (result["REDIS_URL"], result["CELERY_BROKER_URL"]) == (redis, broker)
