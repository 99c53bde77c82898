"""The thread of a worker that compresses the logs of ended runs, behind everything else.

A run's watchers are still reading when it ends, and other engines are at work: it begins a little
later, does one log at a time, and gives way on the processor where the system lets a thread do so.
"""

import logging
import os
import sys
import threading
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from deployments import identity
from deployments.logcompact import compact
from deployments.models import Run
from deployments.models.runs import LogState
from deployments.runstatus import TERMINAL

log = logging.getLogger(__name__)
AFTER_S = 3.0
# Ends of runs are told; this finds those of a worker that died before it came to them.
LOOK_EVERY_S = 60.0
LEFT_AFTER = timedelta(minutes=30)
AT_ONCE = 20
NICENESS = 10


class Compactor:
    """Compacts what has ended on this host; `tell` it of an end, `shut_down` it at the last."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compactor", daemon=True)

    def start(self) -> None:
        """Begin to look for logs."""
        self._thread.start()

    def tell(self) -> None:
        """Say that a run has ended."""
        self._told.set()

    def shut_down(self) -> None:
        """Stop after the log in hand; what is left is done by the next worker."""
        self._stop.set()
        self._told.set()

    def _run(self) -> None:
        _give_way()
        while not self._stop.is_set():
            self._told.wait(LOOK_EVERY_S)
            self._told.clear()
            if self._stop.wait(AFTER_S):
                return
            try:
                self.compact_ended()
            except DatabaseError:
                log.warning("logs are compacted later", exc_info=True)
            except Exception:
                log.exception("the compactor failed; it goes on")
            finally:
                connection.close()

    def compact_ended(self) -> int:
        """Compact the logs of runs that ended on this host, and old ones of any; return how many.

        A host that is gone leaves its logs to the others. Two at once do no harm.
        """
        now = timezone.now()
        open_logs = Run.objects.filter(
            Q(host_id=identity.host_id()) | Q(ended_at__lt=now - LEFT_AFTER),
            status__in=TERMINAL,
            ended_at__gt=now - timedelta(days=7),
            log_state__in=(LogState.OPEN, LogState.COMPLETE),
        )
        done = 0
        for pk in list(open_logs.order_by("id").values_list("pk", flat=True)[:AT_ONCE]):
            if self._stop.is_set():
                break
            done += compact(pk)
        if done == AT_ONCE:
            self.tell()
        return done


def _give_way() -> None:
    """Lower this thread's priority: on Linux it is a thread's own. It starts no process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
