"""Cleaning the bytes of a log, and cutting them into lines."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics.lines import (
    BLOCK_BYTES,
    SEGMENT_LIMIT,
    SegmentBuffer,
    clean_line,
    count_newlines,
    strip_codes,
)

UNHURRIED = settings(deadline=None)  # a busy machine is no failure


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[32mloss: \x1b[1;33m4.12\x1b[0m", "loss: 4.12"),
        (b"\x1b]0;title\x07loss: 4.12\x1b]8;;http://a\x1b\\", "loss: 4.12"),
        (b"\x1b(B\x1b[mloss: 4.12\x0f", "loss: 4.12"),
        (b"loss: 4.12\x1b[K", "loss: 4.12"),
        (b"loss: 4.12\x1b[31", "loss: 4.12"),
        (b"[rank0]:loss: 4.12", "loss: 4.12"),
        (b"\x1b[31m[rank3]: \x1b[0mloss: 4.12", "loss: 4.12"),
        (b"[default0]:[rank0]: loss: 4.12", "loss: 4.12"),
        (b"[Step 0] Loss: 6.3", "[Step 0] Loss: 6.3"),
        (b" 1/9\x08\x08\x08\x082/9 done", "2/9 done"),
        (b"loss: 4.12 |\x08/\x08-", "loss: 4.12 -"),
        (b"\x08\x08loss", "loss"),
        ("größe \u0008ß 🚀".encode(), "größeß 🚀"),
        (b"loss\xff: 4.12", "loss\ufffd: 4.12"),
        (b"[500]\teval-logloss:0.41906", "[500]\teval-logloss:0.41906"),
    ],
)
def test_a_line_reads_as_a_terminal_shows_it(raw: bytes, text: str) -> None:
    assert clean_line(raw) == text


def test_a_hole_of_nul_bytes_does_not_join_the_digits_around_it() -> None:
    assert "12" not in clean_line(b"loss: 4.1\x00\x002")


@UNHURRIED
@given(st.binary())
def test_cleaning_never_raises_and_leaves_no_control_character(raw: bytes) -> None:
    for text in map(clean_line, re.split(rb"[\r\n]", raw)):
        assert all(character.isprintable() or character == "\t" or ord(character) > 0x9F for character in text)


@UNHURRIED
@given(st.lists(st.sampled_from([b"\x1b[1m", b"\x1b]0;x", b"\x08", b"ab", b"\n", b"\r", b"\xff", b"\x1b"])))
def test_stripping_many_lines_at_once_equals_stripping_each(parts: list[bytes]) -> None:
    raw = b"".join(parts)
    whole = strip_codes(raw).replace(b"\r", b"\n").split(b"\n")
    assert whole == [strip_codes(segment) for segment in raw.replace(b"\r", b"\n").split(b"\n")]


@UNHURRIED
@given(st.lists(st.sampled_from([b"\n", b"x" * 40, b"line\n"]), max_size=400))
def test_newlines_are_counted_alike_in_both_ways(parts: list[bytes]) -> None:
    block = b"".join(parts) * 8
    assert count_newlines(block) == block.count(b"\n")


def test_a_segment_that_is_too_long_keeps_its_end_and_says_that_it_was_cut() -> None:
    line = clean_line(b"x" * SEGMENT_LIMIT + b" val_loss: 4.12")
    assert line.startswith("…x")
    assert line.endswith(" val_loss: 4.12")
    assert len(line) == SEGMENT_LIMIT + 1


@pytest.mark.parametrize("length", [SEGMENT_LIMIT - 1, SEGMENT_LIMIT, SEGMENT_LIMIT + 1, SEGMENT_LIMIT + 2])
@pytest.mark.parametrize("size", [1000, SEGMENT_LIMIT, BLOCK_BYTES, 10 * BLOCK_BYTES])
def test_where_a_long_segment_is_cut_does_not_depend_on_the_chunks(length: int, size: int) -> None:
    stream = b"first\n" + b"x" * length + b"\r" + b"y" * length + b"\n" + b"z" * length
    buffer, blocks = SegmentBuffer(), []
    for start in range(0, len(stream), size):
        blocks += [buffer.feed(stream[start : start + size]), buffer.complete()]
    got = (b"".join(blocks) + buffer.rest()).replace(b"\r", b"\n").split(b"\n")
    mark = "…".encode() if length > SEGMENT_LIMIT else b""
    kept = min(length, SEGMENT_LIMIT)
    assert got == [b"first", *(mark + letter * kept for letter in (b"x", b"y", b"z"))]
