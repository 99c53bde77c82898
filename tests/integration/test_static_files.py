"""Static files by a real ASGI server: whole, unchanged, in ranges, and without a warning."""

import contextlib
import http.client
import warnings

from django.core.asgi import get_asgi_application

from tests.asgiserver import serving

# More than one block of the reader.
CONTENT = b"0123456789abcdef" * 40_000


def test_the_asgi_server_reads_files_asynchronously(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_AUTOREFRESH = True
    settings.WHITENOISE_USE_FINDERS = False
    (tmp_path / "a.txt").write_bytes(CONTENT)
    with contextlib.ExitStack() as stack:
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        # The folder is read when the application is made.
        server = stack.enter_context(serving(get_asgi_application()))
        connection = http.client.HTTPConnection(server.address, timeout=10)
        stack.callback(connection.close)

        def ask(method: str, **headers: str) -> tuple[int, bytes, str]:
            connection.request(method, "/static/a.txt", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("ETag", "")

        status, body, etag = ask("GET")
        assert (status, body) == (200, CONTENT)
        assert ask("GET", Range="bytes=300000-300015")[:2] == (206, CONTENT[300_000:300_016])
        assert ask("HEAD")[:2] == (200, b"")
        assert ask("GET", **{"If-None-Match": etag})[:2] == (304, b"") if etag else True
    told = [str(one.message) for one in warned if "iterators" in str(one.message)]
    assert told == []


def test_the_middleware_is_ours(settings):
    assert "omlsaas.lib.staticfiles.StaticFilesMiddleware" in settings.MIDDLEWARE
    assert not any("whitenoise" in name for name in settings.MIDDLEWARE)
