"""The file that `make run` leaves for other commands: where the embedded servers are."""

import os
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Return the KEY=value lines of a runtime.env file; empty when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value for key, value in pairs}


def load(path: Path) -> None:
    """Put the file's values into the environment, unless a DATABASE_URL is already there."""
    if os.environ.get("DATABASE_URL"):
        return
    for key, value in read(path).items():
        os.environ.setdefault(key, value)
