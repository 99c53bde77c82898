"""Read a growing raw log by whole lines, and make its bytes fit for a page.

No line is ever held in memory beyond LINE_LIMIT; what is longer is cut with a visible mark,
always at the same byte, whoever reads and however the reads fall.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

LINE_LIMIT = 64 * 1024
READ_BYTES = 64 * 1024
LOOKS = 256  # of a line without end we scan so many blocks at a time
CUT_MARK = " … [line cut, "

# Control characters become their Unicode pictures (U+2400 …); tab, newline and colours stay.
_CONTROLS = bytes(set(range(32)) - {9, 10, 27}) + b"\x7f"
_CONTROLS_AND_ESC = _CONTROLS + b"\x1b"
_PICTURES = {c: chr(0x2421 if c == 127 else 0x2400 + c).encode() for c in _CONTROLS}
_BAD_ESC = re.compile(rb"\x1b(?!\[[0-9;:]*m)")  # all but ESC [ … m, the colours (ECMA-48 SGR)
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # U+0080 … U+009F: controls for some terminals


def clean(block: bytes) -> bytes:
    """Return whole lines as valid UTF-8 in which nothing but tab and colours controls anything.

    A clean block comes back as it is, at the speed of one pass in C.
    """
    if len(block.translate(None, _CONTROLS_AND_ESC)) != len(block):
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        for control, picture in _PICTURES.items():
            if control in block:
                block = block.replace(bytes((control,)), picture)
        if b"\x1b" in block:
            block = _BAD_ESC.sub("␛".encode(), block)
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        block = block.decode(errors="replace").encode()
    return _C1.sub("�".encode(), block) if b"\xc2" in block else block


def without_nul(value: Any) -> Any:
    """Return a JSON-like value in whose strings a NUL is a picture, too: no row can hold one."""
    if isinstance(value, str):
        return value.replace("\0", "␀")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return [without_nul(item) for item in value] if isinstance(value, list) else value


def cut_line(head: bytes, length: int) -> bytes:
    """Return the visible beginning of a line of `length` bytes, with the mark and a newline."""
    head = head[:LINE_LIMIT]
    for back in range(1, 4):  # do not end inside a character
        if head[-back : -back + 1 or None] >= b"\xc0":
            head = head[:-back]
            break
        if head[-back : -back + 1 or None] < b"\x80":
            break
    return head + f"{CUT_MARK}{length} bytes]\n".encode()


class Tail:
    """Whole lines of a raw log from an offset on; it never waits.

    The offset counts raw bytes and stands always behind a newline (or at the end of a process
    that wrote none), so that another worker can go on from it.
    """

    def __init__(
        self,
        path: Path,
        offset: int = 0,
        read_bytes: int = READ_BYTES,
        end: int = sys.maxsize,
    ) -> None:
        self.path = Path(path)
        self.offset = offset
        self.end = end  # nothing behind it is read
        self._read_bytes = max(read_bytes, LINE_LIMIT + 1)
        self._fd: int | None = None
        self._head = b""  # the beginning of a line that is too long, while its end is looked for
        self._scanned = 0  # how many bytes behind the offset belong to that line

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; a later read opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self, ended: bool = False) -> tuple[int, bytes]:
        """Return (offset behind them, clean whole lines); (offset, b"") when there are none yet.

        With `ended` (the process is gone) a last line without newline is given as well: call it
        until nothing comes. The lines end in newlines in any case.
        """
        if self._fd is None:
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                return self.offset, b""
        looks = 0
        while True:
            looks += 1
            at, size = self.offset + self._scanned, self._read_bytes
            block = os.pread(self._fd, max(0, min(size, self.end - at)), at)
            if self._scanned:
                lines = self._go_on_long_line(block, ended)
            else:
                lines = self._take_lines(block, ended and len(block) < size)
            if lines is not None:
                return self.offset, clean(lines)
            if looks >= LOOKS and not ended:
                return self.offset, b""

    def _take_lines(self, block: bytes, is_last: bool) -> bytes | None:
        """Take the whole lines of a block; None when a line is so long that we must read on."""
        end = block.rfind(b"\n") + 1
        if end == 0:
            if len(block) > LINE_LIMIT:
                self._head, self._scanned = block[:LINE_LIMIT], len(block)
                return None
            if not (is_last and block):
                return b""
            self.offset += len(block)
            return block + b"\n"
        self.offset += end
        return _cut_long_lines(block[:end])

    def _go_on_long_line(self, block: bytes, ended: bool) -> bytes | None:
        """Look for the end of a line of which only the head is kept."""
        newline = block.find(b"\n")
        if newline < 0 and (block or not ended):
            self._scanned += len(block)
            return None if block else b""
        length = self._scanned + max(newline, 0)
        self.offset += length + (newline >= 0)
        head, self._head, self._scanned = self._head, b"", 0
        return cut_line(head, length)


def _cut_long_lines(block: bytes) -> bytes:
    """Cut what is longer than LINE_LIMIT; a block without such a line costs a few look-ups."""
    start, kept, pieces = 0, 0, []
    while len(block) - start > LINE_LIMIT + 1:
        newline = block.rfind(b"\n", start, start + LINE_LIMIT + 1)
        if newline >= 0:
            start = newline + 1
            continue
        end = block.index(b"\n", start)
        pieces += [block[kept:start], cut_line(block[start : start + LINE_LIMIT], end - start)]
        start = kept = end + 1
    return b"".join([*pieces, block[kept:]]) if pieces else block
