"""The writer: every line once, in order, whoever dies, wakes up or repeats himself."""

import threading

import psycopg
import pytest
from django.db import OperationalError, connection

from deployments import logstore
from deployments.logs import BATCH_BYTES, Fenced, LogWriter
from deployments.models import LogChunk, RunStep
from tests.factories import make_step


def lines_of(first: int, count: int) -> list[bytes]:
    return [b"line %d\n" % number for number in range(first, first + count)]


def write(writer: LogWriter, lines: list[bytes]) -> None:
    for line in lines:
        writer.append(writer.raw_seen + 2 * len(line), line)
    writer.flush()


def stored(run_pk: int) -> bytes:
    return b"".join(logstore.stream(run_pk, 0, 1 << 40))


def take_over(step: RunStep) -> RunStep:
    RunStep.objects.filter(pk=step.pk).update(epoch=step.epoch + 1)
    return RunStep.objects.get(pk=step.pk)


@pytest.mark.django_db
class TestOneWriter:
    def test_a_flush_moves_the_step_and_stores_the_bytes(self):
        step = make_step()
        writer = LogWriter(step)
        writer.append(30, b"one\ntwo\n", {"done": 1})
        writer.append(45, b"", None)
        writer.flush()
        row = RunStep.objects.get(pk=step.pk)
        assert (row.raw_offset, row.log_end, row.log_lines) == (45, 8, 2)
        assert row.progress == {"done": 1}
        assert row.last_output_at is not None
        assert stored(step.run_id) == b"one\ntwo\n"
        assert (step.raw_offset, step.log_end, step.log_lines) == (45, 8, 2)

    def test_raw_bytes_without_text_move_the_raw_offset_alone(self):
        step = make_step()
        writer = LogWriter(step)
        writer.append(100, b"")
        writer.flush()
        row = RunStep.objects.get(pk=step.pk)
        assert (row.raw_offset, row.log_end, row.last_output_at) == (100, 0, None)
        assert not LogChunk.objects.filter(run=step.run_id).exists()

    def test_a_heading_is_stored_though_the_raw_offset_stays(self):
        step = make_step()
        writer = LogWriter(step)
        writer.note("── plan ──\n")
        writer.flush()
        writer.note("── more ──")
        writer.flush()
        assert stored(step.run_id).decode() == "── plan ──\n── more ──\n"
        assert RunStep.objects.get(pk=step.pk).raw_offset == 0

    def test_a_backlog_goes_out_in_chunks_of_64_kib(self):
        step = make_step()
        lines = [b"%06d %s\n" % (n, b"x" * 90) for n in range(12_000)]
        write(LogWriter(step), lines)
        sizes = LogChunk.objects.filter(run=step.run_id).values_list("size", flat=True)
        assert sum(sizes) == sum(map(len, lines)) > 2 * BATCH_BYTES
        assert max(sizes) <= 64 * 1024
        assert stored(step.run_id) == b"".join(lines)

    def test_a_line_longer_than_a_chunk_is_kept_whole(self):
        step = make_step()
        long = b"y" * 300_000 + b"\n"
        write(LogWriter(step), [b"before\n", long, b"after\n"])
        assert logstore.read_lines(step.run_id, 1, 1).lines == [long[:-1]]

    def test_the_next_step_goes_on_where_the_last_one_ended(self):
        first = make_step()
        write(LogWriter(first), lines_of(0, 10))
        second = make_step(first.run)
        write(LogWriter(second), lines_of(10, 10))
        assert stored(first.run_id) == b"".join(lines_of(0, 20))
        assert logstore.read_lines(first.run_id, 9, 2).lines == [b"line 9", b"line 10"]

    def test_a_raw_offset_never_goes_back(self):
        writer = LogWriter(make_step(raw_offset=50))
        with pytest.raises(ValueError, match="goes back"):
            writer.append(49, b"again\n")

    def test_the_first_line_after_quiet_is_due_at_once_and_64_lines_always(self):
        writer = LogWriter(make_step())
        assert writer.due_in() is None
        writer.append(1, b"first\n")
        assert writer.due_in() == 0
        writer.flush()
        writer.append(2, b"second\n")
        assert 0 < writer.due_in() <= 0.05
        for number in range(64):
            writer.append(3 + number, b"more\n")
        assert writer.due_in() == 0


@pytest.mark.django_db
class TestTwoWriters:
    def test_the_old_one_is_fenced_and_writes_nothing(self):
        step = make_step()
        old = LogWriter(step)
        write(old, lines_of(0, 5))
        new = LogWriter(take_over(step))
        old.append(old.raw_seen + 10, b"from the past\n")
        with pytest.raises(Fenced):
            old.flush()
        write(new, lines_of(5, 5))
        assert stored(step.run_id) == b"".join(lines_of(0, 10))

    def test_the_old_one_is_fenced_after_the_new_one_wrote(self):
        step = make_step()
        old = LogWriter(step)
        new = LogWriter(take_over(step))
        write(new, lines_of(0, 5))
        old.append(10, b"line 0\n")
        with pytest.raises(Fenced):
            old.flush()
        assert stored(step.run_id) == b"".join(lines_of(0, 5))

    def test_a_heading_of_the_old_one_is_fenced_too(self):
        step = make_step()
        old = LogWriter(step)
        LogWriter(take_over(step))
        old.note("── apply ──")
        with pytest.raises(Fenced):
            old.flush()
        assert stored(step.run_id) == b""


@pytest.mark.django_db(transaction=True)
class TestTrouble:
    def test_a_commit_whose_answer_was_lost_is_not_stored_twice(self):
        step = make_step()
        writer = LogWriter(step)
        twin = LogWriter(RunStep.objects.get(pk=step.pk))
        for each in (writer, twin):
            each.append(20, b"one\ntwo\n")
        # The twin's commit stands for our own that got through without an answer.
        twin.flush()
        writer.append(30, b"three\n")
        writer._batch = writer._batch or _batch_of(writer, 1)
        writer.flush()
        assert stored(step.run_id) == b"one\ntwo\nthree\n"

    def test_a_cut_connection_loses_nothing_and_repeats_nothing(self):
        step = make_step()
        writer = LogWriter(step)
        write(writer, lines_of(0, 3))
        connection.ensure_connection()
        pid = connection.connection.info.backend_pid
        params = connection.get_connection_params()
        with psycopg.connect(
            dbname=params["dbname"], host=params["host"], user=params["user"], autocommit=True
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        writer.append(writer.raw_seen + 5, b"line 3\n")
        with pytest.raises(OperationalError):
            writer.flush()
        assert writer.due_in() == 0
        writer.append(writer.raw_seen + 5, b"line 4\n")
        writer.flush()
        assert stored(step.run_id) == b"".join(lines_of(0, 5))

    def test_two_workers_racing_store_every_line_once(self):
        step = make_step()
        texts = lines_of(0, 400)
        raw = b"".join(texts)
        failures: list[BaseException] = []

        def work(rounds: int) -> None:
            try:
                for _ in range(rounds):
                    writer = LogWriter(take_over(RunStep.objects.get(pk=step.pk)))
                    _copy(writer, raw, limit=20)
            except BaseException as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(40,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _copy(LogWriter(take_over(RunStep.objects.get(pk=step.pk))), raw, limit=10_000)
        assert not failures
        assert stored(step.run_id) == raw


def _copy(writer: LogWriter, raw: bytes, limit: int) -> None:
    """Store up to `limit` lines of a raw file from where the step is; stop when fenced."""
    at = writer.step.raw_offset
    try:
        for line in raw[at:].splitlines(keepends=True)[:limit]:
            writer.append(writer.raw_seen + len(line), line)
            writer.flush()
    except Fenced:
        return


def _batch_of(writer: LogWriter, entries: int):
    """Take a batch of the first entries, as a flush does that then gets no answer."""
    later = [writer._buffer.pop() for _ in range(len(writer._buffer) - entries)]
    batch = writer._take_batch()
    writer._buffer.extend(reversed(later))
    return batch
