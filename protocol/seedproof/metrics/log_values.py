"""Reads every value of a pattern from a log, in order: for statistics, and for values that stand under a name."""

import re
from collections.abc import Iterable, Iterator

from seedproof.metrics.lines import SegmentBuffer, decode_segment, strip_codes
from seedproof.metrics.literals import Literals, required_literals
from seedproof.metrics.numbers import NUMBER_GOES_ON, finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.metric_rule import LogPattern
from seedproof.model.runs import MetricValue, Unread

__all__ = ["log_values"]


def log_values(source: LogPattern, chunks: Iterable[bytes]) -> Iterator[MetricValue | Unread]:
    """Yield each value that a pattern matches, the first one first; what is no number is `Unread`.

    A match of the group `name` without a value names the values that follow, up to the next name.
    The scanner reads the last match from the end of a log; this goes through all of it: 100 MB with a million lines
    take 1 s where one line in a hundred has the pattern's fixed text, and 18 s where every line is matched.

    Args:
        source: The pattern, and the name whose values are wanted.
        chunks: The log.
    """
    regex, literals = re.compile(source.regex), required_literals(source.regex)
    has_names = "name" in regex.groupindex
    name: str | None = None
    for number, segment in _segments(chunks, literals):
        for match in regex.finditer(decode_segment(segment)):
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
    searched_for = re.compile(b"|".join(map(re.escape, literals.texts)) or rb"[^\r\n]")
    number = 1
    for block in _blocks(chunks):
        text = strip_codes(block)
        searched = text.lower() if literals.ignore_case else text
        end = 0
        while found := searched_for.search(searched, end):
            place = found.start()
            start = max(text.rfind(b"\n", end, place), text.rfind(b"\r", end, place)) + 1 or end
            number += text.count(b"\n", end, start)
            newline = text.find(b"\n", place)
            end = newline if newline >= 0 else len(text)
            carriage = text.find(b"\r", place, end)
            end = carriage if carriage >= 0 else end
            yield number, text[start:end]
        number += text.count(b"\n", end)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = SegmentBuffer()
    for chunk in chunks:
        yield buffer.feed(chunk)
    yield buffer.complete()
    yield buffer.rest()
