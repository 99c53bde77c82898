"""The thread that compresses what has ended: its business, and its end when told to."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from deployments import identity, logcompact, logstore
from deployments.compactor import Compactor
from deployments.logcompact import compact
from deployments.models import LogChunk, Run
from deployments.models.runs import LogState
from tests.factories import make_run
from tests.integration.test_logs_store import end, make_log, text_lines


def ended_here(**fields) -> Run:
    run = end(make_log(text_lines(300)))
    Run.objects.filter(pk=run.pk).update(**{"host_id": identity.host_id(), **fields})
    return run


def state_of(run: Run) -> str:
    return Run.objects.values_list("log_state", flat=True).get(pk=run.pk)


@pytest.mark.django_db
def test_logs_of_ended_runs_of_this_host_are_compacted_whole(places):
    run = ended_here()
    assert Compactor().compact_ended() == 1
    assert state_of(run) == LogState.COMPACTED
    assert b"".join(logstore.stream(run.pk, 0, 1 << 30)) == b"".join(text_lines(300))
    assert Compactor().compact_ended() == 0


@pytest.mark.django_db
def test_logs_of_other_hosts_and_of_runs_at_work_are_left_alone(places):
    other = ended_here(host_id="another-host")
    working = make_run(status="applying", host_id=identity.host_id())
    assert Compactor().compact_ended() == 0
    assert (state_of(other), state_of(working)) == (LogState.COMPLETE, LogState.OPEN)


@pytest.mark.django_db
def test_logs_of_a_host_that_does_not_come_back_are_compacted_by_another(places):
    left = ended_here(host_id="gone", ended_at=timezone.now() - timedelta(hours=2))
    assert Compactor().compact_ended() == 1
    assert state_of(left) == LogState.COMPACTED


@pytest.mark.django_db(transaction=True)
def test_a_log_with_a_hole_does_not_hold_the_compactor_for_ever(places):
    broken = ended_here()
    whole = ended_here()
    middle = LogChunk.objects.filter(run=broken).order_by("offset")[1]
    LogChunk.objects.filter(run=broken, offset=middle.offset).delete()
    thread = threading.Thread(
        target=lambda: (Compactor().compact_ended(), connection.close()), daemon=True
    )
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert state_of(whole) == LogState.COMPACTED
    assert LogChunk.objects.filter(run=broken).exists()


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_removed_meanwhile_does_not_come_back(places):
    run = ended_here()
    with transaction.atomic():
        logstore.delete_log(run)
        thread = threading.Thread(target=lambda: (compact(run.pk), connection.close()))
        thread.start()
        thread.join(0.5)
    thread.join(20)
    assert not LogChunk.objects.filter(run=run).exists()


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_removed_right_behind_the_compaction_does_not_come_back(places):
    run = ended_here()
    removing = threading.Thread(target=lambda: (logstore.delete_log(run), connection.close()))
    first, end, _is_done = logcompact._next_group(run.pk, 0)
    with transaction.atomic():
        assert logcompact._replace(run.pk, first, end)
        removing.start()
        removing.join(0.5)
    removing.join(20)
    assert not LogChunk.objects.filter(run=run).exists()


@pytest.mark.django_db(transaction=True)
def test_the_thread_ends_soon_after_it_is_told_to(places):
    compactor = Compactor()
    compactor.start()
    compactor.tell()
    compactor.shut_down()
    compactor._thread.join(5)
    assert compactor._thread not in threading.enumerate()
