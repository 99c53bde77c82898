"""The stored log: by offset, by line, searched, compacted under readers, removed."""

import random
import threading

import pytest
from django.db import connection
from django.utils import timezone

from deployments import logstore
from deployments.logcompact import compact
from deployments.logs import LogWriter
from deployments.models import LogChunk, Run
from deployments.models.logs import Codec
from deployments.models.runs import LogState
from tests.factories import make_run, make_step


def text_lines(count: int, seed: int = 1) -> list[bytes]:
    """Return lines as Terraform writes them, with ids, times and addresses that change."""
    dice = random.Random(seed)
    lines = []
    for number in range(count):
        kind = dice.choice(["aws_instance", "aws_route53_record", "terraform_data"])
        name = dice.choice(["asterisk", "kamailio", "redis", "pg"])
        match dice.randrange(3):
            case 0:
                text = f"{kind}.{name}: Creation complete after {dice.randrange(90)}s "
                text += f"[id=i-{dice.getrandbits(68):017x}]"
            case 1:
                text = f"\x1b[1m{kind}.{name}: Still creating... "
                text += f"[{dice.randrange(60)}s elapsed]\x1b[0m"
            case _:
                text = f"\x1b[36m{kind}.{name} (remote-exec):\x1b[0m 10.0.{dice.randrange(256)}."
                text += f"{dice.randrange(256)} step {number} é"
        lines.append(text.encode() + b"\n")
    return lines


def make_log(lines: list[bytes], per_flush: int = 64) -> Run:
    run = make_run(status="applying")
    writer = LogWriter(make_step(run))
    for number, line in enumerate(lines):
        writer.append(writer.raw_seen + len(line), line)
        if number % per_flush == per_flush - 1:
            writer.flush()
    writer.flush()
    return run


def end(run: Run) -> Run:
    run.status, run.ended_at, run.log_state = "applied", timezone.now(), LogState.COMPLETE
    run.save()
    return run


@pytest.fixture(params=["as written", "compacted"])
def log(request, db):
    lines = text_lines(5000)
    run = make_log(lines)
    if request.param == "compacted":
        assert compact(end(run).pk)
    return run, lines


class TestReading:
    def test_the_stream_is_the_log(self, log):
        run, lines = log
        assert b"".join(logstore.stream(run.pk, 0, 1 << 40)) == b"".join(lines)

    @pytest.mark.parametrize(("start", "limit"), [(0, 1), (1, 100), (65_535, 3), (200_001, 70_000)])
    def test_a_piece_by_offset(self, log, start, limit):
        run, lines = log
        assert logstore.read(run.pk, start, limit) == b"".join(lines)[start : start + limit]

    def test_nothing_is_after_the_end(self, log):
        run, lines = log
        assert logstore.read(run.pk, len(b"".join(lines)), 100) == b""

    @pytest.mark.parametrize("first", [0, 1, 63, 64, 65, 2500, 4999])
    def test_lines_by_number(self, log, first):
        run, lines = log
        found = logstore.read_lines(run.pk, first, 100)
        assert found.lines == [line[:-1] for line in lines[first : first + 100]]
        assert found.first == first
        whole = b"".join(lines)
        assert whole[found.start : found.end] == b"".join(lines[first : first + 100])

    def test_lines_after_the_end_are_none(self, log):
        run, lines = log
        found = logstore.read_lines(run.pk, 6000, 10)
        assert (found.first, found.lines, found.end) == (5000, [], len(b"".join(lines)))

    def test_the_tail(self, log):
        run, lines = log
        assert logstore.tail_lines(run.pk, 3).lines == [line[:-1] for line in lines[-3:]]

    def test_the_line_of_an_offset(self, log):
        run, lines = log
        offset = len(b"".join(lines[:1234]))
        assert logstore.line_of_offset(run.pk, offset) == 1234
        assert logstore.line_of_offset(run.pk, offset - 1) == 1233

    def test_a_run_without_a_line_has_an_empty_log(self, db):
        run = make_run()
        assert logstore.extent(run.pk) == (0, 0)
        assert logstore.tail_lines(run.pk, 10).lines == []
        assert logstore.line_of_offset(run.pk, 0) == 0
        assert logstore.search(run.pk, "x") == ([], False)


class TestSearch:
    def test_finds_every_line_once_whatever_the_case(self, log):
        run, lines = log
        wanted = [number for number, line in enumerate(lines) if b"asterisk" in line]
        assert logstore.search(run.pk, "ASTERisk") == (wanted, False)

    def test_finds_across_colours_and_not_in_them(self, log):
        run, lines = log
        wanted = [number for number, line in enumerate(lines) if b"redis (remote" in line]
        assert logstore.search(run.pk, "redis (remote-exec): 10.0.").lines == wanted
        assert logstore.search(run.pk, "[36m").lines == []

    def test_finds_letters_beyond_ascii(self, log):
        run, lines = log
        wanted = [number for number, line in enumerate(lines) if "é".encode() in line]
        assert logstore.search(run.pk, "É").lines == wanted

    def test_goes_on_from_a_line_and_says_when_there_are_more(self, log):
        run, lines = log
        wanted = [n for n, line in enumerate(lines) if b"redis" in line and n >= 1000]
        assert logstore.search(run.pk, "redis", from_line=1000, limit=5) == (wanted[:5], True)

    @pytest.mark.parametrize("word", ["", "nowhere to be found", "a\nb"])
    def test_a_word_that_is_nowhere(self, log, word):
        assert logstore.search(log[0].pk, word) == ([], False)


class TestCompaction:
    def test_a_log_takes_a_fifth_of_its_bytes_at_most(self, db):
        lines = text_lines(40_000)
        run = end(make_log(lines, per_flush=2000))
        assert compact(run.pk)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(pg_column_size(c.*)) FROM deployments_logchunk c WHERE run_id = %s",
                [run.pk],
            )
            size = cursor.fetchone()[0]
        assert size / len(b"".join(lines)) <= 0.2
        run.refresh_from_db()
        assert run.log_state == LogState.COMPACTED
        assert (run.log_bytes, run.log_lines) == (len(b"".join(lines)), 40_000)

    def test_a_second_time_changes_nothing(self, db):
        run = end(make_log(text_lines(1000)))
        assert compact(run.pk)
        before = list(LogChunk.objects.filter(run=run.pk).values_list("offset", "written_at"))
        assert compact(run.pk)
        after = list(LogChunk.objects.filter(run=run.pk).values_list("offset", "written_at"))
        assert after == before

    def test_an_open_run_is_left_alone(self, db):
        run = make_log(text_lines(100))
        assert compact(run.pk) is False
        assert set(LogChunk.objects.filter(run=run.pk).values_list("codec", flat=True)) == {0}

    def test_groups_stay_near_a_megabyte(self, db):
        lines = text_lines(30_000)
        run = end(make_log(lines, per_flush=1000))
        assert compact(run.pk)
        rows = LogChunk.objects.filter(run=run.pk)
        assert set(rows.values_list("codec", flat=True)) == {Codec.ZSTD}
        assert max(rows.values_list("size", flat=True)) <= 1 << 20
        assert rows.count() == -(-len(b"".join(lines)) // (1 << 20))

    @pytest.mark.parametrize("reader", [logstore._from_line, logstore._all_from])
    def test_a_reader_goes_on_where_it_was_when_chunks_are_merged_meanwhile(self, reader, db):
        lines = text_lines(2_000)
        run = end(make_log(lines, per_flush=50))
        reading = reader(run.pk, 0)
        first = next(reading)
        assert compact(run.pk)
        rest = list(reading)
        assert first.data + b"".join(chunk.data for chunk in rest) == b"".join(lines)
        assert [chunk.first_line for chunk in rest[:1]] in ([], [first.data.count(b"\n")])

    @pytest.mark.django_db(transaction=True)
    def test_readers_never_see_a_hole_or_an_overlap(self):
        lines = text_lines(20_000)
        text = b"".join(lines)
        run = end(make_log(lines, per_flush=50))
        done = threading.Event()
        seen: list[bool] = []

        def keep_reading() -> None:
            try:
                while not done.is_set() or len(seen) < 3:
                    seen.append(b"".join(logstore.stream(run.pk, 0, 1 << 40)) == text)
                    found = logstore.read_lines(run.pk, 9990, 20).lines
                    seen.append(found == [line[:-1] for line in lines[9990:10_010]])
            finally:
                connection.close()

        readers = [threading.Thread(target=keep_reading) for _ in range(2)]
        for reader in readers:
            reader.start()
        assert compact(run.pk)
        done.set()
        for reader in readers:
            reader.join()
        assert all(seen)

    @pytest.mark.django_db(transaction=True)
    def test_two_compactions_at_once_leave_one_whole_log(self):
        lines = text_lines(20_000)
        run = end(make_log(lines, per_flush=50))

        def work() -> None:
            try:
                compact(run.pk)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert b"".join(logstore.stream(run.pk, 0, 1 << 40)) == b"".join(lines)


class TestRemoval:
    def test_an_ended_runs_log_goes_and_its_length_stays(self, db):
        run = end(make_log(text_lines(100)))
        assert compact(run.pk)
        run.refresh_from_db()
        assert logstore.delete_log(run) is True
        run.refresh_from_db()
        assert (run.log_state, run.log_lines) == (LogState.PRUNED, 100)
        assert not LogChunk.objects.filter(run=run.pk).exists()
        assert logstore.delete_log(run) is False
        assert compact(run.pk) is False

    def test_an_open_run_keeps_its_log(self, db):
        run = make_log(text_lines(10))
        assert logstore.delete_log(run) is False
        assert LogChunk.objects.filter(run=run.pk).exists()

    def test_a_legal_hold_keeps_the_log(self, db):
        run = end(make_log(text_lines(10)))
        run.has_legal_hold = True
        run.save()
        assert logstore.delete_log(run) is False
        assert LogChunk.objects.filter(run=run.pk).exists()
