"""Whose Ctrl-C it is when the launcher runs under `make`."""

import contextlib
import os
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def own_terminal() -> Iterator[None]:
    """Be the terminal's foreground group while inside, where `make` or a script is it now.

    The terminal sends Ctrl-C to its whole foreground group. GNU make dies of the second one
    and gives the prompt back while the launcher still cancels runs; so only we get them.
    """
    try:
        previous = os.tcgetpgrp(0)
    except OSError:
        previous = None
    if previous is None or previous != os.getpgrp() or previous == os.getpid():
        yield
        return
    os.setpgid(0, 0)
    _give_terminal(os.getpid())
    try:
        yield
    finally:
        _give_terminal(previous)


def _give_terminal(group: int) -> None:
    """Make a group the foreground one; a terminal that is gone does not matter."""
    # Asked from the background, the terminal would stop us for asking.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)
