"""The thread that compresses what has ended: its business, and its end when told to."""

import threading

import pytest

from deployments import identity, logstore
from deployments.compactor import Compactor
from deployments.models import Run
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


@pytest.mark.django_db(transaction=True)
def test_the_thread_ends_soon_after_it_is_told_to(places):
    compactor = Compactor()
    compactor.start()
    compactor.tell()
    compactor.shut_down()
    compactor._thread.join(5)
    assert compactor._thread not in threading.enumerate()
