"""A run's log by plain GET: whole, in ranges, by line, searched, by cursor; and who may."""

import http.client

import pytest
from django.test import Client
from django.utils import timezone

from deployments import logstore
from deployments.logs import LogWriter
from tests.asgiserver import serving
from tests.factories import make_run, make_step, make_tenant, make_user

LINES = [b"\x1b[1mline %d\x1b[0m of the log\n" % number for number in range(1500)]
TEXT = b"".join(LINES)


def make_log(status="applying", lines=LINES, **fields):
    run = make_run(status="applying", **fields)
    writer = LogWriter(make_step(run))
    for line in lines:
        writer.append(writer.raw_seen + len(line), line)
    writer.flush()
    if status != "applying":
        run.status, run.ended_at = status, timezone.now()
        run.save()
    return run


def sign_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def static_root(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def run(db):
    return make_log()


@pytest.fixture
def viewer(db):
    return sign_in(make_user(role="viewer"))


def body(response) -> bytes:
    return b"".join(response.streaming_content)


class TestWhole:
    def test_is_the_stored_text(self, viewer, run):
        response = viewer.get(f"/runs/{run.public_id}/log")
        assert body(response) == TEXT
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["Content-Length"] == str(len(TEXT))
        assert response["Accept-Ranges"] == "bytes"

    def test_a_download_has_a_name(self, viewer, run):
        response = viewer.get(f"/runs/{run.public_id}/log?download=1")
        name = f"{run.stack.name}-{run.number}.log"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        assert body(response) == TEXT

    def test_head_says_the_length_only(self, viewer, run):
        response = viewer.head(f"/runs/{run.public_id}/log")
        assert response["Content-Length"] == str(len(TEXT))
        assert response.content == b""

    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [("bytes=0-9", 0, 10), ("bytes=100-", 100, len(TEXT)), ("bytes=-7", -7, len(TEXT))],
    )
    def test_a_range(self, viewer, run, asked, start, stop):
        response = viewer.get(f"/runs/{run.public_id}/log", headers={"Range": asked})
        assert response.status_code == 206
        assert body(response) == TEXT[start:stop]
        first = start % len(TEXT)
        assert response["Content-Range"] == f"bytes {first}-{stop - 1}/{len(TEXT)}"

    def test_a_range_after_the_end_is_416(self, viewer, run):
        asked = {"Range": f"bytes={len(TEXT)}-"}
        response = viewer.get(f"/runs/{run.public_id}/log", headers=asked)
        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{len(TEXT)}"

    @pytest.mark.parametrize("asked", ["lines=0-9", "bytes=0-1,5-6", "bytes=x-"])
    def test_a_range_of_another_kind_is_ignored(self, viewer, run, asked):
        response = viewer.get(f"/runs/{run.public_id}/log", headers={"Range": asked})
        assert response.status_code == 200
        assert body(response) == TEXT


class TestLines:
    def test_by_number(self, viewer, run):
        found = viewer.get(f"/runs/{run.public_id}/log/lines?from=100&count=2").json()
        assert found["lines"] == [line.decode().rstrip() for line in LINES[100:102]]
        assert (found["first"], found["total"], found["ended"]) == (100, 1500, False)
        assert TEXT[found["offset"] : found["end"]] == b"".join(LINES[100:102])

    def test_the_last_ones(self, viewer, run):
        found = viewer.get(f"/runs/{run.public_id}/log/lines?tail=3").json()
        assert (found["first"], found["end"]) == (1497, len(TEXT))

    def test_as_text(self, viewer, run):
        response = viewer.get(f"/runs/{run.public_id}/log/lines?from=3&count=2&format=text")
        assert response.content == b"".join(LINES[3:5])

    def test_a_page_is_bounded(self, viewer, run):
        make = make_log(lines=[b"x\n"] * 3000)
        found = viewer.get(f"/runs/{make.public_id}/log/lines?count=999999").json()
        assert len(found["lines"]) == 2000

    @pytest.mark.parametrize("query", ["from=-1", "from=x", "count=1.5", f"from={'9' * 30}"])
    def test_what_is_no_number_is_404(self, viewer, run, query):
        assert viewer.get(f"/runs/{run.public_id}/log/lines?{query}").status_code == 404


class TestSearch:
    def test_gives_line_numbers(self, viewer, run):
        found = viewer.get(f"/runs/{run.public_id}/log/search?q=LINE+149").json()
        assert found["lines"] == [149, *range(1490, 1500)]
        assert (found["total"], found["capped"]) == (11, False)

    def test_is_capped(self, viewer, run):
        found = viewer.get(f"/runs/{run.public_id}/log/search?q=line&limit=3&from=7").json()
        assert (found["lines"], found["capped"]) == ([7, 8, 9], True)


class TestTail:
    def test_concatenated_answers_are_the_log(self, viewer):
        lines = [b"%05d %s\n" % (number, b"x" * 100) for number in range(6000)]
        run = make_log("applied", lines)
        text, is_eof, after = b"", "0", 0
        while is_eof == "0":
            response = viewer.get(f"/runs/{run.public_id}/log/tail?after={after}")
            assert response["Log-Offset"] == str(after)
            text += response.content
            after, is_eof = len(text), response["Log-Eof"]
        assert text == b"".join(lines)
        assert response["Run-Status"] == "applied"

    def test_a_run_at_work_has_no_eof(self, viewer, run):
        response = viewer.get(f"/runs/{run.public_id}/log/tail?after={len(TEXT)}")
        assert (response.content, response["Log-Eof"]) == (b"", "0")

    def test_a_cursor_beyond_the_end_is_416(self, viewer, run):
        response = viewer.get(f"/runs/{run.public_id}/log/tail?after={len(TEXT) + 1}")
        assert (response.status_code, response["Log-End"]) == (416, str(len(TEXT)))


class TestRemovedLog:
    def test_every_door_says_nothing_instead_of_failing(self, viewer):
        run = make_log("applied")
        assert logstore.delete_log(run)
        base = f"/runs/{run.public_id}/log"
        assert body(viewer.get(base)) == b""
        assert viewer.get(f"{base}/lines?tail=5").json()["lines"] == []
        assert viewer.get(f"{base}/search?q=line").json()["lines"] == []
        response = viewer.get(f"{base}/tail?after={len(TEXT)}")
        assert (response.content, response["Log-Eof"]) == (b"", "1")


class TestWhoMay:
    PATHS = ("", "/lines", "/search?q=line", "/tail")

    @pytest.mark.parametrize("path", PATHS)
    def test_an_outsider_gets_404(self, run, path):
        other = make_tenant()
        charlie = sign_in(make_user("charlie", role="operator", over=other))
        assert charlie.get(f"/runs/{run.public_id}/log{path}").status_code == 404

    @pytest.mark.parametrize("path", PATHS)
    def test_a_viewer_of_the_tenant_may(self, run, path):
        bob = sign_in(make_user("bob", role="viewer", over=run.stack.tenant))
        assert bob.get(f"/runs/{run.public_id}/log{path}").status_code == 200

    @pytest.mark.parametrize("path", PATHS)
    def test_a_stranger_is_sent_to_sign_in(self, run, path):
        assert Client().get(f"/runs/{run.public_id}/log{path}").status_code == 302

    @pytest.mark.parametrize("path", PATHS)
    def test_nothing_is_written(self, viewer, run, path):
        assert viewer.post(f"/runs/{run.public_id}/log{path}").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_the_asgi_server_streams_ranges(settings):
    run, user = make_log(), make_user(role="viewer")
    client = sign_in(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    with serving() as server:
        connection = http.client.HTTPConnection(server.address, timeout=20)
        headers = {"Cookie": cookie}
        connection.request("GET", f"/runs/{run.public_id}/log", headers=headers)
        assert connection.getresponse().read() == TEXT
        headers["Range"] = "bytes=10-29"
        connection.request("GET", f"/runs/{run.public_id}/log", headers=headers)
        response = connection.getresponse()
        assert (response.status, response.read()) == (206, TEXT[10:30])
        connection.close()
