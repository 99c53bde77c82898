"""One tailer per web process and run: reads a growing log once for all that watch it.

Nothing here pushes text. A hint moves `end`; each socket asks for the frame at its own cursor,
which comes from the pages that are kept, or from the database. So a slow socket holds up
nobody, and a lost, late or repeated hint delays output but never drops, reorders or repeats it.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from deployments import logstore, notify
from deployments.models import LogChunk, Run, RunStep
from deployments.models.runs import LogState
from deployments.runstatus import TERMINAL

PAGE = 1024 * 1024
PAGES_KEPT = 8
FRAME_BYTES = 256 * 1024
# With hints this is only a safeguard; without them it is the pace.
LOOK_S, POLL_S = 5.0, 1.0
RETRY_S = 0.5
# Many small flushes become one round of frames: bounded work however fast a run writes.
BREATH_S = 0.005
PROGRESS_S = 1.0
BEAT_S = 15.0
log = logging.getLogger(__name__)

_RUN, _STEP, _CHUNK = (model._meta.db_table for model in (Run, RunStep, LogChunk))
# One snapshot: when it says that the run has ended, its `log_end` is the whole log.
_LOOK = f"""
SELECT r.status, r.log_state, r.cancel_requested_at IS NOT NULL,
    concat_ws('|', r.status, r.cancel_requested_at, r.cancel_mode, r.log_state = 'pruned',
        r.waiting, r.notice, r.error, r.confirmed_at) AS facts,
    coalesce(s.log_end, 0), coalesce(s.log_lines, 0),
    coalesce(p.progress->'done', p.progress->'task_count'), p.progress->'total',
    coalesce(p.progress->'counts', p.progress->'totals')
FROM {_RUN} r
LEFT JOIN LATERAL (SELECT max(log_end) AS log_end, max(log_lines) AS log_lines
    FROM {_STEP} WHERE run_id = r.id) s ON true
LEFT JOIN LATERAL (SELECT progress FROM {_STEP} WHERE run_id = r.id
    ORDER BY number DESC LIMIT 1) p ON true
WHERE r.id = %s
"""  # noqa: S608 only table names of ours
_READ = f"""
SELECT "offset", size, codec, data,
    (extract(epoch FROM clock_timestamp() - written_at) * 1000)::int
FROM {_CHUNK}
WHERE run_id = %(run)s AND "offset" < %(stop)s AND "offset" + size > %(start)s
    AND "offset" >= coalesce((SELECT max("offset") FROM {_CHUNK}
        WHERE run_id = %(run)s AND "offset" <= %(start)s), 0)
ORDER BY "offset"
"""  # noqa: S608


class Look(NamedTuple):
    """What the run's row and steps say at one moment."""

    status: str
    log_state: str
    is_canceling: bool
    facts: str
    end: int
    lines: int
    done: int | None
    total: int | None
    counts: dict[str, int] | None

    @property
    def is_ended(self) -> bool:
        """Tell whether nothing will be added to the log."""
        return self.status in TERMINAL

    @property
    def is_pruned(self) -> bool:
        """Tell whether the log has been removed."""
        return self.log_state == LogState.PRUNED

    def to_json(self) -> dict[str, Any]:
        """Return the run's message for clients, which then fetch what they show."""
        return {
            "status": self.status,
            "canceling": self.is_canceling and not self.is_ended,
            "ended": self.is_ended,
            "log": self.log_state,
            "end": self.end,
            "lines": self.lines,
        }

    def progress_json(self) -> dict[str, Any]:
        """Return the counters' message for clients."""
        return {"done": self.done, "total": self.total, "counts": self.counts or {}}


class Tailer:
    """A run's log and status, as this process knows them, for all sockets that watch it.

    Sockets wait on `news`, an event that is set once and replaced, after they have looked.
    `beats`, `look` and `progress_count` tell them what is new.
    """

    def __init__(self, hub: "Hub", run_pk: int) -> None:
        self.run_pk = run_pk
        self.news = asyncio.Event()
        self.look: Look | None = None
        self.end = self.lag_ms = self.beats = self.progress_count = 0
        self._hub = hub
        self._pages: OrderedDict[int, bytearray] = OrderedDict()
        self._loading: dict[int, asyncio.Task] = {}
        self._frames: dict[int, bytes] = {}
        self._hinted = asyncio.Event()
        self._look_due = False
        self._read_to = 0
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        """Look at the run once, then keep looking; raises psycopg.Error."""
        if self._task is None:
            await self._look()
            self._read_to = self.end
            # Sockets that came in together waited for the same look.
            self._task = self._task or asyncio.create_task(self._run(), name=f"tail {self.run_pk}")

    def stop(self) -> None:
        """Stop looking and forget everything."""
        for task in (self._task, *self._loading.values()):
            if task is not None:
                task.cancel()

    def hint_log(self, end: int) -> None:
        """Take the hint that the log reaches to `end`."""
        if end > self.end:
            self.end = end
            self._hinted.set()

    def hint_run(self) -> None:
        """Take the hint that the run's row may have changed."""
        self._look_due = True
        self._hinted.set()

    def is_over(self, cursor: int) -> bool:
        """Tell whether a socket at this cursor has got everything that there will be."""
        look = self.look
        return look is not None and look.is_ended and (look.is_pruned or cursor >= look.end)

    async def frame(self, cursor: int) -> bytes:
        """Return the next bytes for a cursor: whole lines where possible; empty at the end.

        Sockets at the same cursor get the same object. Raises psycopg.Error.
        """
        if cursor >= self.end or (self.look and self.look.is_pruned):
            return b""
        made = self._frames.get(cursor)
        if made is not None:
            return made
        text = await self._text(cursor)
        if len(text) >= FRAME_BYTES:
            # Complete lines spare clients a cut character; a longer line is cut all the same.
            text = text[: text.rfind(b"\n") + 1 or FRAME_BYTES]
        if len(self._frames) >= 64:
            self._frames.clear()
        self._frames[cursor] = text
        return text

    async def _text(self, cursor: int) -> bytes:
        """Return up to FRAME_BYTES from `cursor` on, across the edge of a page."""
        stop = min(cursor + FRAME_BYTES, self.end)
        text = b""
        while cursor < stop:
            index, at = divmod(cursor, PAGE)
            page = await self._page(index, min(stop - index * PAGE, PAGE))
            part = bytes(page[at : stop - index * PAGE])
            if not part:
                break
            text += part
            cursor += len(part)
        return text

    async def _page(self, index: int, length: int) -> bytearray:
        """Return a page with at least `length` bytes, as far as the log has them."""
        page = self._pages.get(index)
        if page is not None and len(page) >= length:
            self._pages.move_to_end(index)
            return page
        task = self._loading.get(index)
        if task is None:
            task = asyncio.create_task(self._load(index), name=f"load {self.run_pk}/{index}")
            self._loading[index] = task
            task.add_done_callback(lambda _: self._loading.pop(index, None))
        # One socket that leaves must not take the others' page with it.
        return await asyncio.shield(task)

    async def _load(self, index: int) -> bytearray:
        page = self._pages.setdefault(index, bytearray())
        start, stop = index * PAGE + len(page), (index + 1) * PAGE
        async with self._hub.pool.connection() as conn:
            cursor = conn.cursor(binary=True, row_factory=tuple_row)
            await cursor.execute(_READ, {"run": self.run_pk, "start": start, "stop": stop})
            rows = await cursor.fetchall()
        for offset, size, codec, data, age_ms in rows:
            if offset > start:
                log.error("run %s: a hole in the log at %s", self.run_pk, start)
                break
            page += logstore.plain(codec, data, size)[start - offset : stop - offset]
            start = offset + size
            self.lag_ms = age_ms
        self._pages.move_to_end(index)
        while len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        self._frames.clear()
        return page

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_beat, next_progress = loop.time() + BEAT_S, 0.0
        told = self.look
        while True:
            self._hinted.clear()
            try:
                await self._catch_up()
            except (psycopg.Error, OSError) as error:
                log.warning("run %s: the log cannot be read now: %s", self.run_pk, error)
                self._look_due = True
                await self._hub.rest()
                continue
            has_progress = self.look.progress_json() != told.progress_json()
            if has_progress and loop.time() >= next_progress:
                next_progress, told, has_progress = loop.time() + PROGRESS_S, self.look, False
                self.progress_count += 1
            if loop.time() >= next_beat:
                next_beat = loop.time() + BEAT_S
                self.beats += 1
            self._tell()
            await asyncio.sleep(BREATH_S)
            # What was held back is told as soon as it may be.
            held = max(BREATH_S, next_progress - loop.time())
            await self._wait_for_hint(held if has_progress else LOOK_S)

    async def _catch_up(self) -> None:
        """Read what is new once, before all sockets ask for it; raises psycopg.Error."""
        if self._look_due or not self._hub.listener.is_connected:
            self._look_due = False
            await self._look()
        if self.end > self._read_to:
            await self._text(max(self._read_to, self.end - FRAME_BYTES))
            self._read_to = self.end

    async def _wait_for_hint(self, longest: float) -> None:
        wait = longest if self._hub.listener.is_connected else POLL_S
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            async with asyncio.timeout(wait):
                await self._hinted.wait()
        except TimeoutError:
            self._look_due = True

    async def _look(self) -> None:
        async with self._hub.pool.connection() as conn:
            cursor = await conn.execute(_LOOK, [self.run_pk])
            row = await cursor.fetchone()
        if row is not None:
            self.look = Look(*row)
            self.end = max(self.end, self.look.end)

    def _tell(self) -> None:
        told, self.news = self.news, asyncio.Event()
        told.set()


class Hub:
    """What the sockets of one event loop share: listener, connections, tailers.

    Made with the first socket, closed with the last, so that an idle web process holds nothing.
    """

    _hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, "Hub"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.listener = notify.Listener()
        self.fleet: set[Any] = set()
        self.people: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.pool = AsyncConnectionPool(
            kwargs=notify.connect_params() | {"autocommit": True},
            min_size=1, max_size=4, timeout=5, open=False, name="tailers",
            # Short, because its attempts come at ever longer intervals; asking begins anew.
            reconnect_timeout=3,
        )  # fmt: skip
        self._tailers: dict[int, tuple[Tailer, set[Any]]] = {}
        self._users = 0

    @classmethod
    async def enter(cls) -> "Hub":
        """Return this event loop's hub, opened; `leave` it when done."""
        loop = asyncio.get_running_loop()
        hub = cls._hubs.get(loop)
        if hub is None:
            hub = cls._hubs[loop] = cls()
            hub.listener.add(hub._hear)
        hub._users += 1
        try:
            await hub.pool.open()
        except BaseException:
            # Cancelled or refused: nobody holds this hub, so nobody else would leave it.
            await hub.leave()
            raise
        return hub

    async def leave(self) -> None:
        """Say that one socket is gone; the last one closes the hub."""
        self._users -= 1
        if self._users == 0:
            self._hubs.pop(asyncio.get_running_loop(), None)
            await self.listener.remove(self._hear)
            await self.pool.close()

    async def rest(self) -> None:
        """Wait a little after the database failed, and drop connections that died with it."""
        await asyncio.sleep(RETRY_S)
        with contextlib.suppress(psycopg.Error, OSError):
            await self.pool.check()

    async def watch(self, run_pk: int, watcher: Any) -> Tailer:
        """Return the run's tailer, kept for as long as somebody watches; raises psycopg.Error."""
        tailer, watchers = self._tailers.setdefault(run_pk, (Tailer(self, run_pk), set()))
        watchers.add(watcher)
        try:
            await tailer.start()
        except BaseException:
            self.unwatch(run_pk, watcher)
            raise
        return tailer

    def unwatch(self, run_pk: int, watcher: Any) -> None:
        """Forget a watcher, and the tailer with the last of them."""
        tailer, watchers = self._tailers.get(run_pk, (None, set()))
        watchers.discard(watcher)
        if tailer is not None and not watchers:
            tailer.stop()
            del self._tailers[run_pk]

    def _hear(self, channel: str, payload: str) -> None:
        if not payload:
            self._hear_anything(channel)
        elif channel == notify.LOG:
            run_pk, end = map(int, payload.split(":"))
            if run_pk in self._tailers:
                self._tailers[run_pk][0].hint_log(end)
        elif channel == notify.RUN:
            run_pk, stack_pk = map(int, payload.split(":")[:2])
            if run_pk in self._tailers:
                self._tailers[run_pk][0].hint_run()
            for watcher in self.fleet:
                watcher.hint(stack_pk)
        elif channel == notify.USER:
            for suspicion in self.people.get(payload, ()):
                suspicion.set()

    def _hear_anything(self, channel: str) -> None:
        """Have everybody look: hints of this channel may have been missed."""
        if channel == notify.LOG:
            for tailer, _ in self._tailers.values():
                tailer.hint_run()
        elif channel == notify.RUN:
            for watcher in self.fleet:
                watcher.hint(None)
        elif channel == notify.USER:
            for suspicions in self.people.values():
                for suspicion in suspicions:
                    suspicion.set()
