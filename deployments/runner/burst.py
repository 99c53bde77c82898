"""When a child writes as fast as it can, it goes first: how long its log may wait.

Storing a log and sending it to its watchers takes several times what writing it takes, on
processors that the child needs. So in a burst the log is read a megabyte at a time with pauses, and
catches up when the burst is over. A short burst is not worth it, in a long one people wait for
the log, too.
"""

from __future__ import annotations

BYTES_PER_S = 4 << 20
WINDOW_S = 0.12
STEP_BYTES = 1 << 20
PAUSE_S = 0.4
AFTER_S, UNTIL_S = 0.3, 15.0


class Burst:
    """Watches how fast a file grows; `pause` is asked after each read."""

    def __init__(self) -> None:
        self._size, self._looked_at = 0, float("-inf")
        self._since: float | None = None
        self._paused_at = 0

    def pause(self, size: int, offset: int, now: float) -> float:
        """Return the seconds to rest before the next read; mostly 0.

        `size` is the file's, `offset` how far it was read, `now` in monotonic seconds.
        """
        self._note_speed(size, now)
        if self._since is None or not AFTER_S <= now - self._since <= UNTIL_S:
            self._paused_at = offset
        if offset - self._paused_at < STEP_BYTES:
            return 0.0
        self._paused_at = offset
        return PAUSE_S

    def _note_speed(self, size: int, now: float) -> None:
        passed = now - self._looked_at
        if passed < WINDOW_S:
            return
        if size - self._size < BYTES_PER_S * min(passed, 1.0):
            self._since = None
        elif self._since is None:
            self._since = now
        self._size, self._looked_at = size, now
