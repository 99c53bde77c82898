"""The launcher's terminal: lines of many children, and never a reason to wait."""

import os
import select
import time

# More than this is not kept for a terminal that was paused with Ctrl-S.
PENDING_LIMIT = 1 << 20
# A pipe or terminal that says it is writable takes this much without blocking.
PIECE = 4096


class Console:
    """Writes whole lines to one descriptor without ever blocking on it.

    A launcher that waits for its terminal stops reading its children, and these then wait
    for the launcher. So lines that a paused terminal does not take are kept up to a limit,
    then counted and dropped; a closed terminal is ignored.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._pending = bytearray()
        self._dropped = 0
        self._closed = False

    @property
    def is_behind(self) -> bool:
        """Whether lines still wait for the terminal."""
        return bool(self._pending)

    def say(self, text: str) -> None:
        """Print a line of the launcher's own."""
        self._put(text.encode() + b"\n")

    def relay(self, name: str, line: bytes) -> None:
        """Print a child's line behind its name; no name prints the line as it is."""
        prefix = f"{name:<8} | ".encode() if name else b""
        self._put(prefix + line.rstrip(b"\r\n") + b"\n")

    def _put(self, line: bytes) -> None:
        if self._closed:
            return
        if len(self._pending) + len(line) > PENDING_LIMIT:
            self._dropped += 1
            return
        if self._dropped and not self._pending:
            self._pending += f"({self._dropped} lines not shown)\n".encode()
            self._dropped = 0
        self._pending += line
        self.flush()

    def flush(self) -> None:
        """Hand over what the terminal takes at once."""
        try:
            while self._pending and select.select([], [self._fd], [], 0)[1]:
                written = os.write(self._fd, self._pending[:PIECE])
                del self._pending[:written]
        except OSError:
            self._closed = True
            self._pending.clear()

    def drain(self, seconds: float = 1.0) -> None:
        """Hand over all that is pending, waiting for the terminal a little."""
        until = time.monotonic() + seconds
        while self._pending and time.monotonic() < until:
            select.select([], [self._fd], [], 0.05)
            self.flush()
