"""Minding one process: read its raw log, store its lines, renew the lease, pass the cancel on.

The process does not need us: it writes into its file under its own supervisor. Whatever goes
wrong here (a slow database, a dead worker) delays its log and nothing else.
"""

import errno
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from deployments import identity
from deployments.errors import (
    EngineNotStarted,
    LogTooLong,
    OutOfSpace,
    SupervisorGone,
    SupervisorGoneWaiting,
)
from deployments.logs import LogWriter
from deployments.models import Run
from deployments.runner import process
from deployments.runner.burst import Burst
from deployments.runner.humanlog import HumanLog
from deployments.runner.process import Exit, State
from deployments.runner.projection import replay
from deployments.runner.tail import Tail
from deployments.steps import Launch, Planned
from deployments.work import Fenced, Stopping, Work

log = logging.getLogger(__name__)
TICK_S = 0.012
IDLE_TICK_S = 0.04
IDLE_AFTER_S = 2.0
LOOK_S = 0.5
ORPHAN_LOOK_S = 1.0
PROGRESS_S = 0.5
DATABASE_RETRY_S = 1.0
LEAST_LOG_BYTES = 1024


class LostProcess(Exception):
    """The supervisor is gone without an outcome, and so is everything that it started."""

    def __init__(self, why: SupervisorGone) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass
class _Clock:
    """When the next look at this or that is due, in monotonic seconds."""

    lease: float = 0.0
    state: float = 0.0
    progress: float = 0.0
    sounded: float = 0.0


def run_process(work: Work, planned: Planned) -> Exit | None:
    """Start the piece's process, or attach to it where it runs, and return how it ended.

    None means that there was nothing to start. Raises LostProcess, Stopping (this worker goes;
    the process goes on), Fenced (another worker has it) and DeploymentError.
    """
    step = work.step
    state = process.judge(work.step_dir(step), work.run.public_id)
    if state.kind == "not_started":
        if planned.piece.changes and _host_restarted_since(step.started_at):
            raise LostProcess(SupervisorGone(host=identity.host_name()))
        work.check_cancel()
        launch = planned.piece.launch(work, planned.params)
        if launch is None:
            return None
        _start(work, launch)
    return Minder(work, planned).mind()


def _start(work: Work, launch: Launch) -> None:
    connection.close()
    try:
        process.start_step(
            work.step_dir(work.step),
            launch.argv,
            launch.cwd,
            launch.env,
            work.run.public_id,
            launch.timeout_s,
            launch.silence_s,
            settings.CANCEL_GRACE_S,
            # The limit is the run's: what its earlier steps wrote counts.
            max(LEAST_LOG_BYTES, settings.RUN_LOG_LIMIT - work.step.log_start),
        )
    except process.StartFailed as problem:
        host = identity.host_name()
        raise EngineNotStarted(engine=work.step.kind, host=host, why=str(problem)) from problem


def _host_restarted_since(moment: datetime) -> bool:
    """Tell whether the host booted after that moment (Linux; elsewhere nobody knows)."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return False
    booted = datetime.now(UTC) - timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
    return booted > moment


class Minder:
    """Reads one step's raw log into the store until the process has ended and all is stored."""

    def __init__(self, work: Work, planned: Planned) -> None:
        self.work = work
        self.step = work.step
        self.writer = LogWriter(work.step)
        self.human = HumanLog(work.redactor.apply)
        # What is stored may be older or newer than the offset: events count once each.
        raw = work.step_dir(work.step) / "raw.log"
        redact = work.redactor.apply
        self.projection = replay(raw, work.step.raw_offset, redact, planned.piece.told_as)
        self.version = self.projection.version
        self.clock = _Clock(lease=time.monotonic() + settings.LEASE_RENEW_S)
        self.cancel_mode = ""
        self.orphaned_since: float | None = None
        self.burst = Burst()
        self.retry_at = 0.0

    def mind(self) -> Exit:
        """Return how the process ended, once every line of it is stored."""
        folder = self.work.step_dir(self.step)
        ended = str(folder / "exit.json")
        with Tail(folder / "raw.log", self.step.raw_offset) as tail:
            while True:
                got = self._read(tail)
                self._flush_if_due()
                now = time.monotonic()
                if got and self._yield_to_child(tail, now):
                    self._let_go()
                if now >= self.clock.lease:
                    self._renew(now)
                # The exit file is looked for at each tick; who else may be gone, now and then.
                if not got and (now >= self.clock.state or os.path.exists(ended)):
                    self.clock.state = now + LOOK_S
                    state = process.judge(folder, self.work.run.public_id)
                    if state.kind != "running" and self._is_over(state, tail):
                        return self._finish(state)
                if not got and self.work.stop.wait(self._tick(now)):
                    self._let_go()

    def _yield_to_child(self, tail: Tail, now: float) -> bool:
        """Rest while the child is in the middle of a burst; tell whether the worker has to go."""
        pause = self.burst.pause(os.stat(tail.path).st_size, tail.offset, now)
        return self.work.stop.wait(pause) if pause else self.work.stop.is_set()

    def _tick(self, now: float) -> float:
        if self.writer.due_in() is None and now - self.clock.sounded > IDLE_AFTER_S:
            return IDLE_TICK_S
        return TICK_S

    def _read(self, tail: Tail, *, ended: bool = False) -> bool:
        """Take one block of whole lines; not more while the store is behind."""
        if self.writer.is_full:
            return False
        offset, block = tail.read(ended)
        if not block:
            return False
        human, events = self.human.feed(block)
        self.projection.update(events)
        self.writer.append(offset, human)
        self.clock.sounded = time.monotonic()
        return True

    def _flush_if_due(self) -> None:
        due = self.writer.due_in()
        now = time.monotonic()
        changed = self.projection.version != self.version and now >= self.clock.progress
        if (due == 0.0 or changed) and now >= self.retry_at:
            self._flush(with_progress=changed)

    def _flush(self, *, with_progress: bool) -> bool:
        """Store what is buffered; False when the database is not there (it is tried again)."""
        if with_progress:
            self.version = self.projection.version
            self.clock.progress = time.monotonic() + PROGRESS_S
            self.writer.append(self.writer.raw_seen, b"", self._progress())
        try:
            self.writer.flush()
        except OperationalError as problem:
            log.warning("%s: the database is not there, lines wait: %s", self.work.run, problem)
            self.retry_at = time.monotonic() + DATABASE_RETRY_S
            return False
        return True

    def _progress(self) -> dict[str, Any]:
        self.step.progress = self.projection.to_dict()
        return self.step.progress

    def _renew(self, now: float) -> None:
        """Renew the lease; see whether somebody wants the run to stop, or its log is too long."""
        self.clock.lease = now + settings.LEASE_RENEW_S
        try:
            asked = self.work.hold()
        except OperationalError as problem:
            log.warning("%s: the lease could not be renewed: %s", self.work.run, problem)
            return
        finally:
            connection.close()
        if asked["cancel_requested_at"] is not None and asked["cancel_mode"] != self.cancel_mode:
            self.cancel_mode = asked["cancel_mode"]
            mode = "kill" if self.cancel_mode == "kill" else "graceful"
            try:
                process.request_cancel(self.work.step_dir(self.step), mode, asked["cancel_by"])
            except OSError as problem:
                log.warning("%s: it is asked to stop again soon: %s", self.work.run, problem)
                self.cancel_mode = ""

    def _is_over(self, state: State, tail: Tail) -> bool:
        """Read what is left; tell whether everything is read and nothing lives any more."""
        if state.kind == "orphaned":
            self._mind_orphans(state)
            return False
        while self._read(tail, ended=True):
            self._flush_if_due()
        return not self.writer.is_full

    def _mind_orphans(self, state: State) -> None:
        """Wait for an engine whose supervisor is gone; then kill what is left of it."""
        now = time.monotonic()
        if self.orphaned_since is None:
            self.orphaned_since = now
            pids = ", ".join(map(str, state.pids))
            notice = SupervisorGoneWaiting(pids=pids, host=identity.host_name())
            try:
                Run.objects.filter(pk=self.work.run.pk).update(notice=notice.to_json())
            except OperationalError:
                self.orphaned_since = None
            finally:
                connection.close()
        if not state.engine_alive or now - self.orphaned_since > settings.CANCEL_GRACE_S:
            process.kill_marked(self.work.run.public_id)
        self.clock.state = now + ORPHAN_LOOK_S

    def _finish(self, state: State) -> Exit:
        """Store the rest, however long the database needs, and tell the outcome."""
        while not self._flush(with_progress=True):
            if self.work.stop.wait(DATABASE_RETRY_S):
                self._let_go()
        process.reap()
        if state.exit is None:
            self._refuse_unstarted(state)
            raise LostProcess(SupervisorGone(host=identity.host_name()))
        if state.exit.because == "log_limit":
            self.work.notes["log_limit"] = LogTooLong(limit=settings.RUN_LOG_LIMIT)
        return state.exit

    def _refuse_unstarted(self, state: State) -> None:
        """Raise EngineNotStarted, or OutOfSpace, when the supervisor failed before its engine.

        Its words must stand there: a folder that somebody removed looks as if nothing had begun.
        """
        words = process.last_words(self.work.step_dir(self.step))
        began = self.orphaned_since is not None or self.step.raw_offset
        if state.kind != "not_started" or began or not words:
            return
        host = identity.host_name()
        if os.strerror(errno.ENOSPC) in words:
            raise OutOfSpace(host=host)
        raise EngineNotStarted(engine=self.step.kind, host=host, why=words)

    def _let_go(self) -> None:
        """Flush, give the lease up, go: another worker of this host attaches at once."""
        if self._flush(with_progress=True):
            try:
                self.work.fence(lease_until=timezone.now())
            except (OperationalError, Fenced):
                log.info("%s: let go without giving up the lease", self.work.run)
            finally:
                connection.close()
        raise Stopping
