"""Reads metrics from a training run's own output: from its log, or from a JSON document.

The last match of a pattern is the value. A value that is printed as `nan` or `inf` is a value:
the run diverged. Text that is no number (`N/A`, `4,12`, `1e999`) is no value and is passed over.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seedproof.metrics.lines import (
    BLOCK_BYTES,
    SEGMENT_LIMIT,
    SegmentBuffer,
    clean_line,
    count_newlines,
    decode_segment,
    strip_codes,
)
from seedproof.metrics.literals import Literals, required_literals
from seedproof.metrics.numbers import NUMBER_GOES_ON, finite_value, parse_number
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.runs import MetricValue, Unread

__all__ = ["EARLY_VALUES", "FirstValues", "LogReading", "LogScanner", "LogTotals", "first_values"]


_FIRST_PIECE_BYTES = 4 * 1024  # a block is searched from its end in pieces that grow: mostly the
_LAST_PIECE_BYTES = 64 * 1024  # first one has the last match, and without one few pieces are faster
MATCHED_CHARS = 200  # of the matched text, which the ledger keeps

# `Step 100`, `step:1490/1490`, `step=350/390`, `[Step 0]`, `iter 100:`, `{'step': 5}`; not
# `step time 8ms`, `step_avg:59ms`, `eval_steps: 50`.
_STEP = (
    r"(?ia)(?<![a-z0-9_])(?:global[_ ])?(?:step|iter(?:ation)?)['\"]?\s{0,4}[:=#]?\s{0,8}"
    r"(?P<value>[0-9]{1,15})(?![a-z0-9_]|[.,][0-9])"
)


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
    """Metrics that were printed, and whose last value could not be read."""


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
        metrics = {
            name: value if value.line is None else replace(value, line=before + value.line)
            for name, value in end.metrics.items()
        }
        return replace(end, metrics=metrics, lines=self.lines, size=self.size, sha256=self.sha256)


class _Tracker:
    """Remembers the last match of one pattern."""

    def __init__(self, pattern: str, literals: Literals | None = None) -> None:
        self._regex = re.compile(pattern)
        self.literals = literals or required_literals(pattern)
        self.match: re.Match[str] | None = None
        self.line = 0

    def try_line(self, text: str) -> bool:
        """Match one line; remember and report whether it holds a value."""
        matches = [match for match in self._regex.finditer(text) if _holds_number(match)]
        if matches:
            self.match = matches[-1]
        return bool(matches)

    def reading(self) -> MetricValue | None:
        if self.match is None:
            return None
        text = self.match["value"]
        first = max(self.match.start(), self.match.end("value") - MATCHED_CHARS)
        matched = self.match.string[first : self.match.end()][:MATCHED_CHARS]
        return MetricValue(finite_value(text), text, self.line, matched)


def _holds_number(match: re.Match[str]) -> bool:
    """Whether the group `value` is a number, and not a part of a longer one."""
    text, (start, end) = match["value"], match.span("value")
    if text is None or parse_number(text) is None:
        return False
    cut_before = match.string[max(0, start - 1) : start] in set("0123456789.")
    return not cut_before and not NUMBER_GOES_ON.match(match.string, end)


class LogScanner:
    """Reads a log of any size in one pass; how it is cut into chunks makes no difference.

    Only the last match of each pattern counts, so each block is searched from its end, and only
    lines that hold the pattern's fixed text are looked at (see `required_literals`).
    """

    def __init__(self, rules: Sequence[MetricRule]) -> None:
        sources = {rule.name: rule.source for rule in rules if rule.select is None}  # else see `log_values`
        patterns = {name: source.regex for name, source in sources.items() if isinstance(source, LogPattern)}
        self._metrics = {name: _Tracker(pattern) for name, pattern in patterns.items()}
        self._step = _Tracker(_STEP, Literals((b"step", b"iter"), ignore_case=True))
        self._buffer = SegmentBuffer()
        self._totals = LogTotals()

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
        """Whether each pattern has matched, so that what stands before could not change the reading."""
        return all(tracker.match for tracker in (self._step, *self._metrics.values()))

    def _summary(self, lines: int) -> LogReading:
        found = {name: tracker.reading() for name, tracker in self._metrics.items()}
        step = self._step.match
        return LogReading(
            metrics={name: reading for name, reading in found.items() if reading is not None},
            step=int(step["value"]) if step else None,
            lines=lines,
            size=self._totals.size,
            sha256=self._totals.sha256,
        )

    def _scan(self, block: bytes) -> None:
        """Search a block of whole segments from its end, until each pattern has its last match."""
        wanted = [self._step, *self._metrics.values()]
        for start, end in _pieces_backwards(block):
            found = _scan_piece(block[start:end], wanted)
            for tracker, newlines in found:
                # What waits in the buffer comes after the last line end, so all newlines fed stand up to here.
                tracker.line = self._totals.newlines - block.count(b"\n", end) - newlines + 1
                wanted.remove(tracker)
            if not wanted:
                return


def _scan_piece(piece: bytes, wanted: Sequence[_Tracker]) -> list[tuple[_Tracker, int]]:
    """Return the trackers that match in this piece, with the newlines from the match to its end."""
    text = strip_codes(piece)
    lowered = text.lower() if any(tracker.literals.ignore_case for tracker in wanted) else text
    starts = [(tracker, _find_last(tracker, text, lowered)) for tracker in wanted]
    return [(tracker, text.count(b"\n", start)) for tracker, start in starts if start is not None]


def _find_last(tracker: _Tracker, text: bytes, lowered: bytes) -> int | None:
    """Return where the last segment with a match begins."""
    searched = lowered if tracker.literals.ignore_case else text
    for start, end in _candidates_backwards(searched, tracker.literals.texts):
        if tracker.try_line(decode_segment(text[start:end])):
            return start
    return None


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


def _candidates_backwards(text: bytes, literals: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each segment that holds one of the literals, last one first."""
    last_seen = {literal: text.rfind(literal) for literal in literals or (b"",)}
    while (position := max(last_seen.values())) >= 0:
        start, end = _segment_at(text, position)
        yield start, end
        for literal, seen in last_seen.items():
            if seen >= start:
                last_seen[literal] = text.rfind(literal, 0, start - 1) if start else -1


def _segment_at(text: bytes, position: int) -> tuple[int, int]:
    # Carriage returns are looked for only inside the line: where there are none, a search of
    # everything before and after would cost more than all the rest.
    newline_before = text.rfind(b"\n", 0, position)
    start = max(newline_before, text.rfind(b"\r", newline_before + 1, position)) + 1
    newline = text.find(b"\n", position)
    end = newline if newline >= 0 else len(text)
    carriage = text.find(b"\r", position, end)
    return start, carriage if carriage >= 0 else end


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
    tracker, step = _Tracker(pattern), re.compile(_STEP)
    seen: list[tuple[int | None, str]] = []
    for segment in re.split(rb"[\r\n]", head)[:-1]:
        line = clean_line(segment)
        if not tracker.try_line(line) or tracker.match is None:
            continue
        at = step.search(line)
        value = (None if at is None else int(at["value"]), tracker.match["value"])
        if seen[-1:] != [value]:  # a progress bar prints a value again and again
            seen.append(value)
        if sum(one != 0 for one, _ in seen) == EARLY_VALUES:
            break
    start = seen[0][1] if seen and seen[0][0] == 0 else None
    return FirstValues(start, tuple(value for value in seen if value[0] != 0))
