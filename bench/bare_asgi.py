"""A web application that only sends frames from memory: what the server alone can do.

`BARE_FRAMES` names a file of frames (each a big-endian 4-byte length and its bytes); it sends
them to every socket once `BARE_WATCHERS` sockets are there.
"""

import asyncio
import os
from pathlib import Path

WATCHERS = int(os.environ["BARE_WATCHERS"])


def _read(path: Path) -> list[bytes]:
    text, at, found = path.read_bytes(), 0, []
    while at < len(text):
        size = int.from_bytes(text[at : at + 4], "big")
        found.append(text[at + 4 : at + 4 + size])
        at += 4 + size
    return found


FRAMES = _read(Path(os.environ["BARE_FRAMES"]))
_waiting: set[int] = set()
_all_there = asyncio.Event()


async def app(scope: dict, receive, send) -> None:
    """Send the frames, then close."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    _waiting.add(id(scope))
    if len(_waiting) >= WATCHERS:
        _waiting.clear()
        _all_there.set()
    await _all_there.wait()
    for frame in FRAMES:
        await send({"type": "websocket.send", "bytes": frame})
    await send({"type": "websocket.close", "code": 1000})
