"""Pieces of the log that need no database: cutting, offsets, ranges, colours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.consumers import parse_offset
from deployments.logs import split_lines
from deployments.views import logs


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 64))
def test_split_lines_keeps_every_byte_and_only_cuts_at_line_ends(parts, limit):
    text = b"".join(part.replace(b"\n", b" ") + b"\n" for part in parts)
    pieces = split_lines(text, limit)
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= limit or piece.count(b"\n") == 1 for piece in pieces)


@pytest.mark.parametrize(
    ("query", "offset"),
    [
        (b"", 0),
        (b"after=0", 0),
        (b"after=17", 17),
        (b"x=1&after=17", 17),
        (b"after=-1", None),
        (b"after=", None),
        (b"after=abc", None),
        (b"after=1e3", None),
        (b"after=99999999999999999999", None),
    ],
)
def test_an_offset_is_digits_and_nothing_else(query, offset):
    assert parse_offset(query) == offset


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("0", "", (0, 10)),
        ("3", "5", (3, 6)),
        ("3", "99", (3, 10)),
        ("", "4", (6, 10)),
        ("", "99", (0, 10)),
        ("10", "", None),
        ("5", "4", None),
        ("", "0", None),
        ("", "", None),
    ],
)
def test_a_range_of_ten_bytes(first, last, found):
    assert logs._range(first, last, 10) == found


def test_colours_become_classes_and_text_is_escaped():
    html = logs.coloured("\x1b[1m\x1b[31m<b>\x1b[0m & plain")
    assert '<span class="ansi1 ansi31">&lt;b&gt;</span>' in html
    assert html.endswith("&amp; plain")
    assert "style=" not in html


def test_colours_end_with_their_line():
    assert logs.coloured("\x1b[31mred") == '<span class="ansi31">red</span>'


def test_a_link_of_a_program_is_shown_as_its_text():
    html = logs.coloured("\x1b]8;;https://elsewhere.example/\x07click\x1b]8;;\x07 me")
    assert html == "click me"


def test_a_line_of_a_megabyte_is_cut_and_says_so():
    text = logs.shown(b"x" * 1_000_000)
    assert len(text) < 21_000
    assert "980000 more characters" in text


def test_bytes_that_are_no_utf8_are_shown_as_replacement_characters():
    assert logs.shown(b"a\xff\xfeb\r") == "a\ufffd\ufffdb"
