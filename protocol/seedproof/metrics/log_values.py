"""Reads every value of a pattern from a log, in order: for statistics, and for values that stand under a name."""

import re
from collections.abc import Iterable, Iterator

from seedproof.metrics.lines import SegmentBuffer, count_newlines, decode_segment, strip_codes
from seedproof.metrics.literals import Literals, required_literals
from seedproof.metrics.numbers import NUMBER_GOES_ON, finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.metric_rule import LogPattern
from seedproof.model.runs import MetricValue, Unread

__all__ = ["log_values"]


def log_values(source: LogPattern, chunks: Iterable[bytes]) -> Iterator[MetricValue | Unread]:
    """Yield each value that a pattern matches, the first one first; what is no number is `Unread`.

    A match of the group `name` without a value names the values that follow, up to the next name.
    The scanner reads the last match from the end of a log; this goes through all of it, which takes several times as
    long where many lines match.

    Args:
        source: The pattern, and the name whose values are wanted.
        chunks: The log.
    """
    regex, literals = re.compile(source.regex), required_literals(source.regex)
    has_names = "name" in regex.groupindex
    name: str | None = None
    for number, segment in _segments(chunks, literals):
        text = decode_segment(strip_codes(segment))
        for match in regex.finditer(text):
            if has_names and match["name"] is not None:
                name = match["name"]
            if match["value"] is not None and source.select in (None, name):
                yield _reading(match, number)


def _reading(match: re.Match[str], line: int) -> MetricValue | Unread:
    text, (start, end) = match["value"], match.span("value")
    is_part = match.string[max(0, start - 1) : start] in set("0123456789.") or NUMBER_GOES_ON.match(match.string, end)
    if is_part or parse_number(text) is None:
        return Unread(line, match.string[:MATCHED_CHARS], f"is printed as {text[:40]}, which is no number")
    first = max(match.start(), end - MATCHED_CHARS)
    return MetricValue(finite_value(text), text, line, match.string[first : match.end()][:MATCHED_CHARS])


def _segments(chunks: Iterable[bytes], literals: Literals) -> Iterator[tuple[int, bytes]]:
    """Each segment that may match, with the number of its line."""
    number = 1
    for block in _blocks(chunks):
        if _may_match(block, literals):
            for line, segments in enumerate(block.split(b"\n"), number):
                yield from ((line, one) for one in segments.split(b"\r") if one and _may_match(one, literals))
        number += count_newlines(block)


def _may_match(text: bytes, literals: Literals) -> bool:
    # Escape codes inside a fixed text would hide it.
    if not literals.texts or b"\x1b" in text or b"\x08" in text:
        return True
    searched = text.lower() if literals.ignore_case else text
    return any(literal in searched for literal in literals.texts)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = SegmentBuffer()
    for chunk in chunks:
        yield buffer.feed(chunk)
    yield buffer.complete()
    yield buffer.rest()
