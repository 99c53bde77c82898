"""The demo's own data folder: begun anew at each start, because the simulation keeps nothing."""

import fcntl
import shutil
from pathlib import Path
from typing import IO

from demo.needs import Missing

MARK = ".demo"
# Fetching providers again would cost minutes.
KEPT = {MARK, "providers", "launcher.lock"}


def begin(folder: Path) -> IO[str]:
    """Empty the folder and hold it; the lock goes with the returned file. Raises Missing."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise Missing(f"{folder} was not made by the demo. It would be emptied: move it away.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _held(folder / MARK)
    # A demo that was killed hard may have left its portal.
    _held(folder / "launcher.lock").close()
    for path in folder.iterdir():
        if path.name in KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return lock


def _held(path: Path) -> IO[str]:
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        what = lock.read().strip().partition(" ")[0]
        lock.close()
        way = f": kill {what}" if what.isdecimal() else " with Ctrl-C in its terminal"
        raise Missing(f"The demo is already running from {path.parent}. Stop it{way}.") from None
    return lock
