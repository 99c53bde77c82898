"""A raw log is read by whole lines, once each, however its bytes arrive."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.runner import tail as module
from deployments.runner.tail import LINE_LIMIT, Tail, clean


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw.log"


def read_all(tail):
    text = b""
    while lines := tail.read(ended=True)[1]:
        text += lines
    return text


def test_file_that_is_not_there_yet_gives_nothing(raw):
    assert Tail(raw).read() == (0, b"")


def test_line_is_given_when_it_is_whole(raw):
    with Tail(raw) as tail, open(raw, "wb", buffering=0) as file:
        file.write(b"one\ntw")
        assert tail.read() == (4, b"one\n")
        assert tail.read() == (4, b"")
        file.write(b"o\n")
        assert tail.read() == (8, b"two\n")


def test_last_line_without_newline_is_given_at_the_end(raw):
    raw.write_bytes(b"one\ntwo")
    with Tail(raw) as tail:
        assert tail.read() == (4, b"one\n")
        assert tail.read(ended=True) == (7, b"two\n")
        assert tail.read(ended=True) == (7, b"")


def test_reading_goes_on_from_an_offset(raw):
    raw.write_bytes(b"one\ntwo\n")
    with Tail(raw, offset=4) as tail:
        assert tail.read() == (8, b"two\n")


def test_nothing_behind_the_end_is_read(raw):
    raw.write_bytes(b"one\ntwo\n")
    with Tail(raw, end=4) as tail:
        assert read_all(tail) == b"one\n"


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("length", [LINE_LIMIT - 1, LINE_LIMIT, LINE_LIMIT + 1, LINE_LIMIT + 2])
def test_line_is_cut_behind_the_limit_and_not_before(raw, length, is_whole):
    raw.write_bytes(b"a\n" + b"x" * length + (b"\n" if is_whole else b""))
    with Tail(raw) as tail:
        text = read_all(tail)
        assert tail.offset == raw.stat().st_size
    line = text.splitlines()[1]
    assert (b"[line cut," in line) == (length > LINE_LIMIT)
    assert line.startswith(b"x" * min(length, LINE_LIMIT))


@pytest.mark.parametrize("read_bytes", [1, 70_000, 1 << 20])
def test_long_line_is_cut_the_same_however_the_reads_fall(raw, read_bytes):
    raw.write_bytes(b"a\n" + "ü".encode() * 100_000 + b"\nb\n" + b"y" * 70_000 + b"\nc")
    with Tail(raw, read_bytes=read_bytes) as tail:
        lines = read_all(tail).decode().splitlines()
    assert [line[:1] for line in lines] == ["a", "ü", "b", "y", "c"]
    assert lines[1].endswith("ü … [line cut, 200000 bytes]")
    assert lines[3].endswith("y … [line cut, 70000 bytes]")


def test_long_line_that_still_grows_gives_nothing_and_keeps_the_offset(raw):
    with Tail(raw) as tail, open(raw, "wb", buffering=0) as file:
        for _ in range(3):
            file.write(b"x" * 50_000)
            assert tail.read() == (0, b"")
        file.write(b"\nnext\n")
        offset, line = tail.read()
        assert (offset, line[-28:]) == (150_001, " … [line cut, 150000 bytes]\n".encode()[-28:])
        assert tail.read() == (150_006, b"next\n")


def test_endless_line_does_not_hold_the_reader(raw, monkeypatch):
    monkeypatch.setattr(module, "LOOKS", 4)
    with open(raw, "wb") as file:
        os.ftruncate(file.fileno(), 100 << 20)
    with Tail(raw) as tail:
        assert tail.read() == (0, b"")
        assert tail._scanned == 4 * (LINE_LIMIT + 1)


@given(
    text=st.binary(max_size=400),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=6),
)
def test_same_text_whenever_it_is_read(tmp_path_factory, text, cuts):
    raw = tmp_path_factory.mktemp("tail") / "raw.log"
    got, offsets = b"", [0]
    with Tail(raw) as tail, open(raw, "wb", buffering=0) as file:
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True):
            file.write(text[start:end])
            offset, lines = tail.read()
            got += lines
            offsets.append(offset)
            assert offset == 0 or text[offset - 1 : offset] == b"\n"
        got += read_all(tail)
        assert tail.offset == len(text)
    whole = text if text.endswith(b"\n") or not text else text + b"\n"
    assert got == b"".join(clean(line + b"\n") for line in whole.split(b"\n")[:-1])
    assert offsets == sorted(offsets)


@given(st.binary(max_size=300))
def test_clean_text_is_valid_and_controls_nothing(block):
    text = clean(block)
    text.decode()
    assert not set(text) & (set(range(32)) - {9, 10, 27} | {127})
    assert clean(text) == text
    assert text.count(b"\n") == block.count(b"\n")


@pytest.mark.parametrize(
    ("raw_text", "shown"),
    [
        (b"plain\ttab\n", "plain\ttab\n"),
        ("grün ✓ 😀\n".encode(), "grün ✓ 😀\n"),
        (b"\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
        (b"\x1b[2J\x1b]0;title\x07\n", "␛[2J␛]0;title␇\n"),
        (b"dos\r\n50%\r60%\n", "dos\n50%␍60%\n"),
        (b"nul\0 del\x7f\n", "nul␀ del␡\n"),
        (b"bad \xff\xc3( end\n", "bad ��( end\n"),
        (b"c1 \xc2\x9b31m\n", "c1 �31m\n"),
    ],
)
def test_what_is_shown_for_what_was_written(raw_text, shown):
    assert clean(raw_text).decode() == shown


def test_clean_block_is_not_copied():
    block = b"2026 nothing special\n" * 100
    assert clean(block) is block
