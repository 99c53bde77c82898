"""Planted secrets, and a search that finds them in whatever form they surface.

Every planted value has one random stem of letters and digits in it. No way of writing a value
(JSON, URL, HTML, SQL) changes those, so the stem's own bytes, its base64 at the three alignments
and its hexadecimal digits find all of them, also pieces of a value that was cut. The search knows
nothing of the portal's redactor: it must not share its mistakes.
"""

import base64
import os
import random
import re
import stat
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

import zstandard

STEM_LENGTH = 16
FILE_LIMIT = 256 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# How pg_dump writes a bytea, https://www.postgresql.org/docs/current/datatype-binary.html
_BYTEA = re.compile(rb"\\\\?x((?:[0-9a-f]{2}){8,})")


class Marker:
    """A random stem; `value` makes secrets with it, `found_in` looks for it."""

    def __init__(self) -> None:
        letters = random.SystemRandom().choices(string.ascii_letters + string.digits, k=STEM_LENGTH)
        self.stem = "".join(letters)
        raw = self.stem.encode()
        self.needles = {raw, raw.hex().encode(), raw.hex().upper().encode(), *base64_cores(raw)}

    def value(self, template: str) -> str:
        """Return the template with the stem in the place of `STEM`."""
        return template.replace("STEM", self.stem)

    def found_in(self, content: bytes) -> bool:
        """Tell whether the stem is in the content, in any form."""
        return any(needle in content for needle in self.needles)

    def hits(self, named: Iterable[tuple[str, bytes]]) -> list[str]:
        """Return the names of those contents that hold the stem, with what stands around it."""
        return [f"{name}: {self.around(content)}" for name, content in named
                if self.found_in(content)]  # fmt: skip

    def around(self, content: bytes) -> str:
        """Return a little of the content around the first find."""
        at = min(place for needle in self.needles if (place := content.find(needle)) >= 0)
        return repr(content[max(0, at - 60) : at + 60])


class KeyMarker(Marker):
    """A key of 32 bytes: looked for as text, as raw bytes and as digits."""

    def __init__(self) -> None:
        super().__init__()
        # 43 characters of base64 are 32 bytes; the last one carries two bits that do not count.
        self.text = self.stem + "A" * (43 - STEM_LENGTH) + "="
        raw = base64.urlsafe_b64decode(self.text)
        head = raw[: STEM_LENGTH * 6 // 8]
        self.needles |= {head, head.hex().encode(), head.hex().upper().encode()}


def base64_cores(raw: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of `raw` behind 0, 1 or 2 other bytes: what only `raw` decides."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw)
        first = (0, 2, 3)[before]
        last = (before + len(raw)) * 8 // 6
        yield coded[first:last]


def opened(content: bytes) -> bytes:
    """Return a dump with everything that it holds packed or in digits beside it, in clear."""
    parts = [content]
    for digits in _BYTEA.findall(content):
        raw = bytes.fromhex(digits.decode())
        parts.append(raw)
        if raw.startswith(_ZSTD_MAGIC):
            parts.append(zstandard.ZstdDecompressor().decompressobj().decompress(raw))
    return b"\n".join(parts)


def files_below(folder: Path, leave_out: Iterable[Path] = (), since: float = 0.0) -> Iterator[Path]:
    """Yield the ordinary files below a folder that were changed since a time, links not followed.

    Nothing of `leave_out`. What goes away meanwhile is passed over.
    """
    outside = {Path(path) for path in leave_out}
    for where, folders, names in os.walk(folder):
        # A file system mounted below (a booted host's) shows this machine's files once more.
        folders[:] = [name for name in folders if not os.path.ismount(os.path.join(where, name))]
        place = Path(where)
        folders[:] = [name for name in folders if place / name not in outside]
        for name in names:
            path = place / name
            if path in outside:
                continue
            try:
                found = path.lstat()
            except OSError:
                continue
            if (
                stat.S_ISREG(found.st_mode)
                and found.st_mtime >= since
                and found.st_size < FILE_LIMIT
            ):
                yield path


def contents(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield each file's name and content; what cannot be read any more is passed over."""
    for path in paths:
        try:
            yield str(path), path.read_bytes()
        except OSError:
            continue
