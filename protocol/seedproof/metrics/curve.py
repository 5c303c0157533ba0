"""Reads the loss curve from a log: step, time and value of each metric, thinned, in one pass."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from seedproof.metrics.find import Place
from seedproof.metrics.lengths import COUNTED_STEP
from seedproof.metrics.line_reader import LineReader
from seedproof.metrics.lines import BLOCK_BYTES, SegmentBuffer, decode_segment, segment_at, strip_codes
from seedproof.metrics.literals import Literals, required_literals
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, NUMBER
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.runs import MetricValue

__all__ = ["MOST_POINTS", "CurveReader", "Point", "curve_document", "is_bare", "thin"]

MOST_POINTS = 2000
"""Points that are kept of a metric: more than a screen has columns."""

# A curve has steps, not lines.
_ANYWHERE = Place(0)
# More values than these are never equal by chance.
_MOST_BARE_LINES = 3
# Lines that hold a metric's fixed text and no value; after so many, ever fewer of them are tried.
_MANY_MISSES = 20_000
# Blocks at the end in which the last value is looked for; before them, its step is not known.
_LAST_BLOCKS = 2
# `train_time:88324ms` (modded-nanogpt), `elapsed: 12.5s`, `elapsed_time=12`; tqdm's `[00:36<00:01`.
_ELAPSED = re.compile(
    r"(?ia)(?<![a-z])(?:train_time|elapsed(?:[_ ]time)?|time[_ ]elapsed)['\"]?\s{0,3}[:=]\s{0,3}"
    r"(?P<value>[0-9]{1,12}(?:\.[0-9]{1,6})?)\s?(?P<unit>ms|s|sec|seconds|min)(?![a-z0-9:])"
    r"|\[(?P<clock>(?:[0-9]{1,4}:)?[0-9]{1,2}:[0-9]{2})<"
)
_SECONDS = {"ms": 0.001, "min": 60.0}
# The loss of the training beside the metrics of the rules; not `val_loss`, `best loss`, `aux_loss`.
_LOSSES = {
    "train_loss": rf"(?ia)(?<![a-z0-9_])train(?:ing)?[_ /]loss['\"]?\s{{0,3}}[:=]?\s{{0,3}}(?P<value>{NUMBER})",
    "loss": rf"(?ia)(?<![a-z0-9_/])(?<![a-z][ _/.\-])loss['\"]?\s{{0,3}}[:=]?\s{{0,3}}(?P<value>{NUMBER})",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric."""

    step: int | None
    """The step on its line; None where it names none."""
    seconds: float | None
    """Seconds since the start of the training; None where the line does not tell them."""
    value: float | None
    """The value; None where nan or inf was printed."""


@dataclass(slots=True)
class _Series:
    """The points of one metric, kept at least so many bytes apart that they stay few."""

    reader: LineReader
    literals: Literals
    is_thinned: bool
    """Whether points are left out so that they stay few; else every value is kept."""
    points: list[Point] = field(default_factory=list)
    apart: int = 0
    """Bytes of the log from one point to the next one that is looked for."""
    next_at: int = 0
    """Where in the log the next point is looked for."""
    misses: int = 0

    def add(self, text: str, at: int) -> None:
        """Take a line at a place of the log, if it holds a value."""
        point = _point(self.reader, text)
        if point is None:
            self.misses += 1
            is_rare = self.is_thinned and self.misses > _MANY_MISSES
            self.next_at = at + (at // _MANY_MISSES if is_rare else 0)
            return
        self.points.append(point)
        if self.is_thinned and len(self.points) == 2 * MOST_POINTS:
            self.points = self.points[::2]
            self.apart = max(1, at // MOST_POINTS)
        self.next_at = at + self.apart


class CurveReader:
    """Reads the curves of a log of any size in bounded memory; most of a long one is only counted."""

    def __init__(self, rules: Sequence[MetricRule], *, is_thinned: bool = True) -> None:
        """Read the metrics whose values a log shows, and the loss of the training.

        Args:
            rules: The metrics; a `val_loss` that is read from a file is looked for with the default pattern.
            is_thinned: Whether points are left out of a long log; else every value is kept, in memory as well.
        """
        self._is_thinned = is_thinned
        patterns = {rule.name: _pattern(rule) for rule in rules}
        found = {name: pattern for name, pattern in {**_LOSSES, **patterns}.items() if pattern is not None}
        self._series = {
            name: _Series(LineReader(pattern), _literals(name, pattern, patterns), is_thinned)
            for name, pattern in found.items()
        }
        self._buffer = SegmentBuffer()
        self._size = 0
        self._last: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        for start in range(0, len(chunk), BLOCK_BYTES):
            self._scan(self._buffer.feed(chunk[start : start + BLOCK_BYTES]))

    def finish(self, last: Mapping[str, MetricValue]) -> dict[str, list[Point]]:
        """The points of each metric that has any, in the order of the log, the first and the last one among them.

        Args:
            last: The last value of each metric of the rules.
        """
        self._scan(self._buffer.complete())
        self._scan(self._buffer.rest())
        return {
            name: self._few([*series.points, *self._last_point(name, series, last)])
            for name, series in self._series.items()
            if series.points
        }

    def so_far(self) -> dict[str, list[Point]]:
        """The points of each metric that has any in the complete lines up to now; the log may go on."""
        self._scan(self._buffer.complete())
        return {name: self._few(series.points) for name, series in self._series.items() if series.points}

    def _few(self, points: Sequence[Point]) -> list[Point]:
        return thin(points) if self._is_thinned else list(points)

    def _scan(self, block: bytes) -> None:
        if not block:
            return
        start, self._size = self._size, self._size + len(block)
        self._last = [*self._last, block][-_LAST_BLOCKS:]
        due = [one for one in self._series.values() if one.next_at < self._size]
        if not due:
            return
        text = strip_codes(block)
        lowered = text.lower() if any(one.literals.ignore_case for one in due) else text
        for series in due:
            _scan_block(series, text, lowered if series.literals.ignore_case else text, start)

    def _last_point(self, name: str, series: _Series, last: Mapping[str, MetricValue]) -> list[Point]:
        """The last point, if it was passed over."""
        if not series.is_thinned or (not series.apart and series.misses <= _MANY_MISSES):
            return []
        for block in reversed(self._last):
            text = strip_codes(block)
            searched = text.lower() if series.literals.ignore_case else text
            for start, end in _segments_backwards(searched, series.literals.texts):
                point = _point(series.reader, decode_segment(text[start:end]))
                if point is not None:
                    return [] if point == series.points[-1] else [point]
        found = last.get(name)
        if found is None or found.value == series.points[-1].value:
            return []
        return [Point(None, None, found.value)]


def is_bare(log: bytes, rules: Sequence[MetricRule]) -> bool:
    """Whether a log is one line, or two or three that each hold a value of a metric: then it is no more than that.

    Args:
        log: All of it.
        rules: The metrics.
    """
    lines = [line for line in strip_codes(log).replace(b"\r", b"\n").split(b"\n") if line.strip()]
    readers = [LineReader(pattern) for rule in rules if (pattern := _pattern(rule)) is not None]
    if len(lines) <= 1:
        return bool(lines)
    return len(lines) <= _MOST_BARE_LINES and all(
        any(_point(reader, decode_segment(line)) is not None for reader in readers) for line in lines
    )


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most so many points, evenly by their place, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(number * (len(points) - 1) / (most - 1))] for number in range(most)]


def curve_document(curves: Mapping[str, Sequence[Point]]) -> dict[str, list[list[float | None]]]:
    """The curves as a JSON object: by metric, a list of step, seconds and value of each point."""
    return {name: [[one.step, one.seconds, one.value] for one in points] for name, points in curves.items()}


def _pattern(rule: MetricRule) -> str | None:
    if isinstance(rule.source, LogPattern):
        return rule.source.regex
    return DEFAULT_VAL_LOSS if rule.name == "val_loss" else None


def _literals(name: str, pattern: str, patterns: Mapping[str, str | None]) -> Literals:
    return Literals((b"loss",), ignore_case=True) if name not in patterns else required_literals(pattern)


def _point(reader: LineReader, line: str) -> Point | None:
    """The last value of a line, with the step and the time that the line tells; of several ranks, rank 0 counts."""
    found = reader.read(line, _ANYWHERE)
    if found is None or found.fault is not None or not found.is_unranked:
        return None
    step = COUNTED_STEP.search(line)
    return Point(None if step is None else int(step["value"].replace(",", "")), _seconds(line), found.value)


def _seconds(text: str) -> float | None:
    match = _ELAPSED.search(text)
    if match is None:
        return None
    if match["clock"]:
        parts = [int(part) for part in match["clock"].split(":")]
        return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))
    return round(float(match["value"]) * _SECONDS.get(match["unit"].lower(), 1.0), 6)


def _scan_block(series: _Series, text: bytes, searched: bytes, start: int) -> None:
    """Take the lines of a block that hold one of the fixed texts, at least `apart` bytes apart."""
    position = max(0, series.next_at - start)
    # Where each text comes next: one that does not come is looked for once, not for each line.
    places = dict.fromkeys(series.literals.texts or (b"",), -1)
    while position < len(searched):
        for literal, place in places.items():
            if place < position:
                found = searched.find(literal, position)
                places[literal] = found if found >= 0 else len(searched)
        nearest = min(places.values())
        if nearest == len(searched):
            return
        begin, end = segment_at(text, nearest)
        series.add(decode_segment(text[begin:end]), start + end)
        position = max(end + 1, series.next_at - start)


def _segments_backwards(searched: bytes, literals: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    end = len(searched)
    for _ in range(MOST_POINTS):
        found = max(searched.rfind(one, 0, end) for one in literals or (b"",)) if end > 0 else -1
        if found < 0:
            return
        start, stop = segment_at(searched, found)
        yield start, stop
        end = start - 1
