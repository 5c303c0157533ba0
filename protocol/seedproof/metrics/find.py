"""A value that a pattern has on one line of a log, and where it stands."""

from dataclasses import dataclass

from seedproof.metrics.prefixes import Source, split_prefix
from seedproof.model.runs import MetricValue, Unread

__all__ = ["MATCHED_CHARS", "Find", "Place"]


MATCHED_CHARS = 200  # of the matched text, and of a line that is quoted: the ledger keeps them


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment of a log stands."""

    line: int
    """Its line, from 1."""
    source: Source | None = None
    """The process that the beginning of its line names."""
    is_redraw: bool = False
    """It overwrites what stood on its line before, as bars do."""
    prefix: str = ""
    """What its launcher put before it."""

    def split(self, line: str) -> tuple[str, "Place"]:
        """A line without its launcher's prefix, and its place with the process that the prefix names."""
        text, source = split_prefix(line)
        return text, Place(self.line, source or self.source, self.is_redraw, line[: len(line) - len(text)])


@dataclass(frozen=True, slots=True)
class Find:
    """The last value that a pattern has on one segment of a log."""

    place: Place
    """Where it stands; its source is that of the segment itself, if it names one."""
    text: str
    """The value as printed."""
    value: float | None
    """The number; None for nan, inf, and for a value that cannot be read."""
    fault: str | None
    """Why it cannot be read, phrased to follow the metric's name; None for a value."""
    matched: str
    """The text that matched, from the beginning of its first word."""
    before: str
    """The line up to the value, without its launcher's prefix."""
    clause: str
    """Of that, what stands behind the value before it on the line."""
    rest: str
    """The line from the value on."""
    earlier: "Find | None" = None
    """The value before it on the line."""
    is_word: bool = False
    """The pattern matches a word or the like there: no value, unless the metric is found nowhere else."""

    @property
    def reading(self) -> MetricValue:
        """It as the value of its metric."""
        return MetricValue(self.value, self.text, self.place.line, self.matched)

    @property
    def result(self) -> MetricValue | Unread:
        """It as the value of its metric, or what is wrong with it."""
        return self.reading if self.fault is None else Unread(self.place.line, self.shown, self.fault)

    @property
    def is_main(self) -> bool:
        """Whether rank 0 printed it, or a process without a prefix."""
        return self.place.source is None or self.place.source.rank == 0

    @property
    def is_unranked(self) -> bool:
        """Whether no value of rank 0 can count in its place: it is of rank 0, or of a process without a rank."""
        return self.place.source is None or not self.place.source.rank

    @property
    def shown(self) -> str:
        """The line as printed, cut to what is kept of it."""
        line = (self.place.prefix + self.before).lstrip()
        room = max(MATCHED_CHARS - len(self.rest.rstrip()), MATCHED_CHARS // 2)
        return (line[-room:] + self.rest)[:MATCHED_CHARS].rstrip()
