"""Reads every value of a pattern from a log, in order: for statistics, and for values that stand under a name."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from seedproof.metrics.find import Find, Place
from seedproof.metrics.line_reader import LineReader, SameLine
from seedproof.metrics.lines import SegmentBuffer, decode_segment, strip_codes
from seedproof.metrics.literals import Literals, required_literals
from seedproof.metrics.prefixes import Source
from seedproof.metrics.tracker import HEAD_BYTES, Piece
from seedproof.model.metric_rule import LogPattern
from seedproof.model.runs import MetricValue, Unread

__all__ = ["log_values"]


def log_values(source: LogPattern, chunks: Iterable[bytes]) -> Iterator[MetricValue | Unread]:
    """Yield each value that a pattern matches, the first one first; what cannot be read is `Unread`.

    A match of the group `name` without a value names the values that follow, up to the next name.
    Where ranks print, the values are those of rank 0. The scanner reads the last match from the end of a log; this
    goes through all of it.

    Args:
        source: The pattern, and the name whose values are wanted.
        chunks: The log.
    """
    return _of_main(_with_sure_ranks(_finds(source, chunks)))


def _finds(source: LogPattern, chunks: Iterable[bytes]) -> Iterator[Find]:
    """Every value; behind the last one, what a later line has in its place, as for the scanner."""
    reader, same = LineReader(source.regex), SameLine()
    name: str | None = None
    number: Find | None = None  # the last one that could be read
    later: Find | None = None
    word: Find | None = None  # counts only where nothing else is found
    has_found = False
    for line, place in _lines(chunks, required_literals(source.regex)):
        is_passed = True
        for named, find in reader.read_all(line, place):
            name = name if named is None else named
            if find is None or source.select not in (None, name):
                continue
            if find.is_word:
                word = find
                continue
            is_passed, has_found, later = False, True, None
            number = find if find.fault is None else number
            yield find
        if is_passed and number is not None and source.select is None:
            later = same.unread(line, place, number) or later
    last = later if has_found else word
    if last is not None:
        yield last


def _with_sure_ranks(finds: Iterable[Find]) -> Iterator[Find]:
    """The values with the processes that printed them; `0: `, `1: ` may count epochs, which only grow."""
    held: list[Find] = []
    highest, are_ranks = -1, False
    for find in finds:
        source = find.place.source
        if source is not None and not source.is_sure and not are_ranks:
            are_ranks, highest = (source.rank or 0) < highest, source.rank or 0
            held.append(find)
            if are_ranks:
                yield from held
                held.clear()
        elif held:
            held.append(find)
        else:
            yield find
    for find in held:
        source = find.place.source
        yield find if source is None or source.is_sure else replace(find, place=replace(find.place, source=None))


def _of_main(finds: Iterable[Find]) -> Iterator[MetricValue | Unread]:
    """The values of rank 0 and of processes without a prefix; without any, those that every process printed alike."""
    others: dict[Source | None, list[Find]] = {}
    has_main = False
    for find in finds:
        if find.is_main:
            has_main = True
            yield find.result
        elif not has_main:
            others.setdefault(find.place.source, []).append(find)
    if has_main or not others:
        return
    first, *rest = others.values()
    if any([find.text for find in one] != [find.text for find in first] for one in rest):
        last = max((one[-1] for one in others.values()), key=lambda find: find.place.line)
        why = "differs between processes, and nothing says which is rank 0"
        yield Unread(last.place.line, last.shown, why)
    else:
        yield from (find.result for find in first)


def _lines(chunks: Iterable[bytes], literals: Literals) -> Iterator[tuple[str, Place]]:
    """Each segment that may match, and where it stands."""
    searched_for = re.compile(b"|".join(map(re.escape, literals.texts)) or rb"[^\r\n]")
    number, head = 1, None
    for block in _blocks(chunks):
        text = strip_codes(block)
        piece = Piece(text, text.lower() if literals.ignore_case else text, number, head)
        end = 0
        while found := searched_for.search(piece.lowered, end):
            position = found.start()
            start = max(text.rfind(b"\n", end, position), text.rfind(b"\r", end, position)) + 1 or end
            number += text.count(b"\n", end, start)
            newline = text.find(b"\n", position)
            end = newline if newline >= 0 else len(text)
            carriage = text.find(b"\r", position, end)
            end = carriage if carriage >= 0 else end
            yield decode_segment(text[start:end]), piece.place(start, number)
        number += text.count(b"\n", end)
        head = _head_after(text, head)


def _head_after(text: bytes, head: bytes | None) -> bytes | None:
    """The beginning of the line that a block leaves unfinished; None where a line begins behind it."""
    start = text.rfind(b"\n") + 1
    if start == 0 and head is not None:
        return head
    return text[start : start + HEAD_BYTES] or None


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = SegmentBuffer()
    for chunk in chunks:
        yield buffer.feed(chunk)
    yield buffer.complete()
    yield buffer.rest()
