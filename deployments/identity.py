"""Who this worker is: a host with an id of its own, and a process that holds a lock.

The id is a file in VAR_ROOT, not the host's name, which may change or repeat. The lock tells
other workers of the host at once that this process has died, before its lease runs out.
"""

import fcntl
import os
import socket
import uuid
from functools import lru_cache
from pathlib import Path

from django.conf import settings


@lru_cache(maxsize=1)
def host_id() -> str:
    """Return this host's id, making it when there is none yet."""
    path = settings.VAR_ROOT / "host_id"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        # Several processes start at once: one of them writes, the others read what it wrote.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        found = file.read().strip()
        if not found:
            found = str(uuid.uuid4())
            file.write(f"{found}\n")
    return found


def host_name() -> str:
    """Return the host's name, for people."""
    return socket.gethostname()


def _locks() -> Path:
    folder = settings.VAR_ROOT / "workers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class WorkerIdentity:
    """One worker process, alive as long as its lock is held."""

    def __init__(self) -> None:
        self.id = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.path = _locks() / f"{self.id}.lock"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the lock up: this process minds nothing any more."""
        if self._fd >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def is_dead(worker_id: str) -> bool:
    """Tell whether a worker process of this host is certainly gone: nobody holds its lock."""
    path = _locks() / f"{worker_id}.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)
