"""Reads metrics from a training run's own output.

The last match of a pattern is the value. A value that is printed as `nan` or `inf` is a value: the run diverged.
Where a later line has text in its place that is no number (`N/A`, `4,12`), or a number that the pattern does not read
(`-0.5` where it matches digits), the metric is unread: an older value is not what the training ended with.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from seedproof.metrics.find import MATCHED_CHARS, Place
from seedproof.metrics.last_value import last_value
from seedproof.metrics.line_reader import LineReader
from seedproof.metrics.lines import (
    BLOCK_BYTES,
    SEGMENT_LIMIT,
    SegmentBuffer,
    clean_line,
    count_newlines,
    strip_codes,
)
from seedproof.metrics.literals import Literals, required_literals
from seedproof.metrics.steps import STEP, StepTracker
from seedproof.metrics.tracker import HEAD_BYTES, HORIZON_LINES, WINDOW, Piece, Tracker
from seedproof.model.metric_patterns import DEFAULT_TEXTS, DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.runs import MetricValue, Unread

__all__ = [
    "EARLY_VALUES",
    "MATCHED_CHARS",
    "FirstValues",
    "LogReading",
    "LogScanner",
    "LogTotals",
    "first_values",
]


_FIRST_PIECE_BYTES = 4 * 1024  # a block is searched from its end in pieces that grow: mostly the
_LAST_PIECE_BYTES = 64 * 1024  # first one has the last match, and without one few pieces are faster


@dataclass(frozen=True, slots=True)
class LogReading:
    """What a log says, up to the bytes that were fed."""

    metrics: Mapping[str, MetricValue]
    """The last value of each metric that has a pattern and was printed at least once."""
    step: int | None
    """The step that was printed last; None when no step was recognised."""
    lines: int
    """Lines so far; after the end, an unfinished last line counts as one."""
    size: int
    """Bytes fed."""
    sha256: str
    """SHA-256 of all bytes fed, in hexadecimal."""
    unread: Mapping[str, Unread] = field(default_factory=dict)
    """Metrics that were printed and whose last value cannot be read; none of them is in `metrics`."""
    last_numbers: Mapping[str, MetricValue] = field(default_factory=dict)
    """The last number that each pattern reads, whatever comes after it: what records of format 1 took as the value."""


Told = TypeVar("Told", MetricValue, Unread)


class LogTotals:
    """Size, lines and hash of a log."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes fed."""
        self.newlines = 0
        self._digest = hashlib.sha256()
        self._has_unfinished_line = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        self._digest.update(chunk)
        self.size += len(chunk)
        self.newlines += count_newlines(chunk)
        if chunk:
            self._has_unfinished_line = chunk[-1:] != b"\n"

    @property
    def lines(self) -> int:
        """Lines fed; an unfinished last line counts as one."""
        return self.newlines + self._has_unfinished_line

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes fed, in hexadecimal."""
        return self._digest.hexdigest()

    def reading_of(self, end: LogReading) -> LogReading:
        """The reading of the whole log with these totals, from the reading of its end.

        Args:
            end: What the end of it says, from the beginning of a line.
        """
        before = self.lines - end.lines

        def moved(one: Told) -> Told:
            return one if one.line is None else replace(one, line=before + one.line)

        return replace(
            end,
            metrics={name: moved(value) for name, value in end.metrics.items()},
            unread={name: moved(value) for name, value in end.unread.items()},
            last_numbers={name: moved(value) for name, value in end.last_numbers.items()},
            lines=self.lines,
            size=self.size,
            sha256=self.sha256,
        )


class LogScanner:
    """Reads a log of any size in one pass; how it is cut into chunks makes no difference.

    Only the last match of each pattern counts, so each block is searched from its end, and only
    lines that hold the pattern's fixed text are looked at (see `required_literals`).
    """

    def __init__(self, rules: Sequence[MetricRule]) -> None:
        patterned = [rule for rule in rules if rule.select is None]  # else see `log_values`
        self._patterns = {rule.name: rule.source.regex for rule in patterned if isinstance(rule.source, LogPattern)}
        self._metrics = {name: Tracker(pattern, _literals(pattern)) for name, pattern in self._patterns.items()}
        self._steps = StepTracker()
        self._buffer = SegmentBuffer()
        self._totals = LogTotals()
        self._head: bytes | None = None  # of the line that the last block left unfinished

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        for start in range(0, len(chunk), BLOCK_BYTES):
            part = chunk[start : start + BLOCK_BYTES]
            self._totals.feed(part)
            self._scan(self._buffer.feed(part))

    def reading(self) -> LogReading:
        """Return what the log says so far; its unfinished last line does not count yet."""
        self._scan(self._buffer.complete())
        return self._summary(self._totals.newlines)

    def finish(self) -> LogReading:
        """Return what the whole log says; a last line without newline counts."""
        self._scan(self._buffer.complete())
        self._scan(self._buffer.rest())
        return self._summary(self._totals.lines)

    @property
    def is_settled(self) -> bool:
        """Whether what stands before what was fed could not change the reading."""
        trackers = self._metrics.values()
        covers = len(self._steps.marks) == WINDOW or all(
            tracker.finds[-1].place.line > HORIZON_LINES for tracker in trackers if tracker.finds
        )
        return covers and self._steps.step is not None and all(tracker.is_settled for tracker in trackers)

    def _summary(self, lines: int) -> LogReading:
        found = {
            name: last_value(tracker, self._steps.marks, has_labels=self._patterns[name] == DEFAULT_VAL_LOSS)
            for name, tracker in self._metrics.items()
        }
        numbers = {name: tracker.number for name, tracker in self._metrics.items()}
        return LogReading(
            metrics={name: value for name, value in found.items() if isinstance(value, MetricValue)},
            unread={name: value for name, value in found.items() if isinstance(value, Unread)},
            last_numbers={name: find.reading for name, find in numbers.items() if find is not None},
            step=self._steps.step,
            lines=lines,
            size=self._totals.size,
            sha256=self._totals.sha256,
        )

    def _scan(self, block: bytes) -> None:
        """Search a block of whole segments from its end, until each pattern has its last values."""
        trackers: list[StepTracker | Tracker] = [self._steps, *self._metrics.values()]
        wanted = list(trackers)
        is_lowered = any(tracker.literals.ignore_case for tracker in wanted)
        for start, end in _pieces_backwards(block):
            # What waits in the buffer comes after the last line end, so all newlines fed stand up to here.
            last_line = self._totals.newlines - block.count(b"\n", end) + 1
            text = strip_codes(block[start:end])
            piece = Piece(text, text.lower() if is_lowered else text, last_line, self._head_before(block, start))
            wanted = [tracker for tracker in wanted if not tracker.search(piece)]
            if not wanted:
                break
        for tracker in trackers:
            tracker.end_block()
        self._head = self._head_before(block, len(block))

    def _head_before(self, block: bytes, position: int) -> bytes | None:
        """The beginning of the line that is unfinished at a position of a block; None where a line begins there."""
        line_start = block.rfind(b"\n", 0, position) + 1
        if line_start == 0 and self._head is not None:
            return self._head
        return None if line_start == position else strip_codes(block[line_start : line_start + HEAD_BYTES])


def _literals(pattern: str) -> Literals:
    if pattern == DEFAULT_VAL_LOSS:
        return Literals(DEFAULT_TEXTS, ignore_case=True)
    found = required_literals(pattern)
    # Spaces around a label may be fewer where the value is longer.
    return replace(found, texts=tuple(text.strip() or text for text in found.texts))


def _pieces_backwards(block: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of growing pieces of whole segments, last piece first."""
    end, size = len(block), _FIRST_PIECE_BYTES
    while end > 0:
        start = _piece_start(block, end - size, end)
        yield start, end
        end, size = start, min(size * 4, _LAST_PIECE_BYTES)


def _piece_start(block: bytes, aim: int, end: int) -> int:
    if aim <= 0:
        return 0
    # The line end at `end - 1` belongs to this piece, so a cut there would leave it empty.
    cut = block.find(b"\n", aim, end - 1)
    if cut < 0:
        cut = block.find(b"\r", aim, end - 1)
    if cut < 0:  # one segment longer than a piece: it begins at most one limit before
        earliest = max(0, aim - SEGMENT_LIMIT - 8)
        cut = max(block.rfind(b"\n", earliest, aim), block.rfind(b"\r", earliest, aim))
    return cut + 1


@dataclass(frozen=True, slots=True)
class FirstValues:
    """The first values of the deciding metric that a log shows."""

    start_text: str | None = None
    """The first one as printed, if its line is one of step 0."""
    early: tuple[tuple[int | None, str], ...] = ()
    """The first three after step 0 as printed, each with its step; None where the line names none."""


EARLY_VALUES = 3


def first_values(head: bytes, rule: MetricRule) -> FirstValues:
    """What the first lines with the deciding metric show.

    Args:
        head: The beginning of a log; its last line counts if it is complete.
        rule: The metric; one that is read from a file is looked for with the default pattern.
    """
    pattern = rule.source.regex if isinstance(rule.source, LogPattern) else DEFAULT_VAL_LOSS
    reader = LineReader(pattern)
    seen: list[tuple[int | None, str]] = []
    for number, segment in enumerate(re.split(rb"[\r\n]", head)[:-1], start=1):
        line = clean_line(segment)
        found = reader.read(line, Place(number))
        if found is None or found.fault is not None or found.is_word:
            continue
        at = STEP.search(line)
        value = (None if at is None else int(at["value"]), found.text)
        if seen[-1:] != [value]:  # a progress bar prints a value again and again
            seen.append(value)
        if sum(one != 0 for one, _ in seen) == EARLY_VALUES:
            break
    start = seen[0][1] if seen and seen[0][0] == 0 else None
    return FirstValues(start, tuple(value for value in seen if value[0] != 0))
