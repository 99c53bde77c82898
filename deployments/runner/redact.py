"""Replace known secrets, in every form in which programs print them, by dots.

It works on whole lines (a block may hold many), never on read blocks: a value that was cut by a
read or a flush is still found.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from .tail import CUT_MARK, clean

DOTS = "••••••••"
MIN_LENGTH = 8
MIN_PREFIX = 4  # of a secret that ends where a line was cut, so much is enough to hide it

_GRAM = MIN_LENGTH  # no form has fewer bytes than a secret has characters
_MANY = 200
_DOTS = DOTS.encode()
_CUT_MARK = CUT_MARK.encode()
_UNRESERVED = re.compile(rb"[A-Za-z0-9._~-]")  # RFC 3986, 2.3: nobody escapes these


class SecretTooShort(ValueError):
    """A secret of fewer than MIN_LENGTH characters cannot be told from ordinary text."""


class Redactor:
    """Knows the forms of some secrets; `apply` costs a few passes in C when none occurs.

    Forms: plain, JSON-escaped once and twice, URL-encoded, base64 (both alphabets, three
    alignments), and each line of at least MIN_LENGTH characters of a value of several lines.
    Overlapping finds become one. SecretTooShort for a shorter secret.
    """

    def __init__(self, secrets: Iterable[str], by_line: bool = True) -> None:
        needles: set[bytes] = set()
        self._urls: list[tuple[tuple[bytes, ...], re.Pattern[bytes]]] = []
        for secret in set(secrets):
            if len(secret) < MIN_LENGTH:
                raise SecretTooShort(f"a secret has {len(secret)} characters, {MIN_LENGTH} needed")
            for value in {secret, *(_long_lines(secret) if by_line else ())}:
                needles.update(_forms(value))
                self._add_url_pattern(value)
        # Longest first: what hides another one need not be looked for again.
        self._needles = sorted(needles, key=len, reverse=True)

    def apply(self, block: bytes) -> bytes:
        """Return whole lines without the secrets; the very same object when none is in them."""
        spans: list[tuple[int, int]] = []
        for needle in self._needles:
            if needle in block:
                spans += _occurrences(needle, block)
        for signs, pattern in self._urls:
            if any(sign in block for sign in signs):
                spans += [found.span() for found in pattern.finditer(block)]
        if _CUT_MARK in block:
            spans += self._cut_secrets(block)
        return _cover(block, spans) if spans else block

    def narrowed(self, value: object) -> Redactor:
        """Return one that knows only what occurs in a JSON-like value: for clearing its parts.

        A plan may mark a thousand different values as sensitive, and hardly one of them stands
        anywhere else.
        """
        text = "\n".join(set(_strings(value))).encode(errors="surrogatepass")
        few = Redactor(())
        grams: dict[bytes, list[bytes]] = {}
        for needle in self._needles:
            grams.setdefault(needle[:_GRAM], []).append(needle)
        if len(grams) > _MANY:  # one pass over the text instead of one for each needle
            ends = range(len(text) - _GRAM + 1)
            found = {gram for at in ends if (gram := text[at : at + _GRAM]) in grams}
        else:
            found = set(grams)
        candidates = [needle for gram in found for needle in grams[gram] if needle in text]
        few._needles = sorted(candidates, key=len, reverse=True)
        few._urls = [
            (signs, pattern)
            for signs, pattern in self._urls
            if any(sign in text for sign in signs) and pattern.search(text)
        ]
        return few

    def text(self, text: str) -> str:
        """Do the same for a string."""
        plain = text.encode(errors="surrogatepass")
        clear = self.apply(plain)
        return text if clear is plain else clear.decode(errors="surrogatepass")

    def tree(self, value: object) -> object:
        """Return a JSON-like value whose strings, keys too, hold no secret.

        All strings are searched at once first: a plan may have 100,000 of them.
        """
        if not (self._needles or self._urls):
            return value
        everything = "\n".join(_strings(value)).encode(errors="surrogatepass")
        return value if self.apply(everything) is everything else self._clear(value)

    def _clear(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._clear(key): self._clear(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clear(item) for item in value]
        return value

    def _add_url_pattern(self, value: str) -> None:
        """A value with reserved characters is found however many of them were escaped."""
        raw = value.encode(errors="surrogatepass")
        reserved = {byte for byte in raw if not _UNRESERVED.match(bytes((byte,)))}
        if not reserved:
            return
        signs = {b"%%%02X" % byte for byte in reserved} | {b"%%%02x" % byte for byte in reserved}
        if 0x20 in reserved:
            signs.add(b"+")
        parts = {byte: _any_url_form(byte) for byte in set(raw)}
        pattern = re.compile(b"".join(parts[byte] for byte in raw))
        self._urls.append((tuple(signs), pattern))

    def _cut_secrets(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Find beginnings of secrets right before the mark of a line that was cut."""
        for mark, _ in _occurrences(_CUT_MARK, block):
            for needle in self._needles:
                head = block[max(0, mark - len(needle)) : mark]
                for length in range(min(len(needle) - 1, len(head)), MIN_PREFIX - 1, -1):
                    if head.endswith(needle[:length]):
                        yield mark - length, mark
                        break


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _long_lines(secret: str) -> list[str]:
    stripped = (line.strip() for line in secret.splitlines())
    return [line for line in stripped if len(line) >= MIN_LENGTH]


def _forms(value: str) -> Iterator[bytes]:
    """Yield what a program may print for a value; base64 of its escaped forms, too."""
    written = {value, clean(value.encode(errors="surrogatepass")).decode()}
    once = {form for text in written for form in _json_escaped(text)}
    twice = {form for text in once for form in _json_escaped(text)}
    for form in written | once | twice:
        yield form.encode(errors="surrogatepass")
    for form in (quote(value, safe="", errors="replace"), quote_plus(value, errors="replace")):
        yield form.encode()
    for form in written | once:
        yield from _base64_cores(form.encode(errors="surrogatepass"))


def _json_escaped(text: str) -> set[str]:
    """Escape as Go does (with < > & and U+2028), as browsers do, and as pure ASCII."""
    plain, ascii_only = json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]
    forms = {plain, ascii_only}
    for form in (plain, ascii_only):
        for sign in "<>&\u2028\u2029":
            form = form.replace(sign, f"\\u{ord(sign):04x}")
        forms.add(form)
        forms.add(form.replace("\\b", "\\u0008").replace("\\f", "\\u000c"))
    return forms


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    """Yield those characters of the base64 of any text with `raw` in it that only it decides.

    Before it stand 0, 1 or 2 bytes of a group of three; a character holds six bits.
    """
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        first, behind = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        core = coded[first:behind]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def _any_url_form(byte: int) -> bytes:
    plain = re.escape(bytes((byte,)))
    forms = [plain, b"%%%02X" % byte, b"%%%02x" % byte] + ([rb"\+"] if byte == 0x20 else [])
    if _UNRESERVED.match(bytes((byte,))):
        return plain
    return b"(?:" + b"|".join(dict.fromkeys(forms)) + b")"


def _occurrences(needle: bytes, block: bytes) -> Iterator[tuple[int, int]]:
    at = block.find(needle)
    while at >= 0:
        yield at, at + len(needle)
        at = block.find(needle, at + 1)


def _cover(block: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Replace the union of the spans, each joined piece by the same dots: no length is told."""
    pieces, done = [], 0
    spans.sort()
    start, end = spans[0]
    for next_start, next_end in [*spans[1:], (len(block) + 1, 0)]:
        if next_start <= end:
            end = max(end, next_end)
            continue
        pieces += [block[done:start], _DOTS]
        done, start, end = end, next_start, next_end
    return b"".join([*pieces, block[done:]])
