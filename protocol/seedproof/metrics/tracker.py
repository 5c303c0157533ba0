"""Keeps the last values that one pattern has in a log, which is searched block by block, each from its end."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedproof.metrics.find import Find, Place
from seedproof.metrics.line_reader import LineReader, SameLine
from seedproof.metrics.lines import decode_segment, segment_at
from seedproof.metrics.literals import Literals
from seedproof.metrics.prefixes import Source, split_prefix

__all__ = ["HEAD_BYTES", "HORIZON_LINES", "WINDOW", "Piece", "Tracker"]


# Values that are looked at together, and the lines on which they stand: whether several ranks or tasks print a metric
# shows in fewer.
WINDOW = 8
HORIZON_LINES = 1000
HEAD_BYTES = 200
"""Of a line, which may hold its launcher's prefix."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a block: whole segments of a log, without escape sequences."""

    text: bytes
    """The segments."""
    lowered: bytes
    """The same in lower case, where a pattern asks for it; otherwise as it is."""
    last_line: int
    """The line on which the piece ends, from 1."""
    head: bytes | None
    """The beginning of the line in whose middle the piece begins; None where it begins a line."""

    def candidates(self, literals: Literals) -> Iterator[tuple[str, Place]]:
        """Each segment that holds one of the texts, last one first."""
        line, counted = self.last_line, len(self.text)
        searched = self.lowered if literals.ignore_case else self.text
        for start, end in _candidates_backwards(searched, literals.texts):
            line -= self.text.count(b"\n", start, counted)
            counted = start
            yield decode_segment(self.text[start:end]), self.place(start, line)

    def place(self, start: int, line: int) -> Place:
        """The place of the segment that begins there, on that line of the log."""
        line_start = self.text.rfind(b"\n", 0, start) + 1
        if line_start == start and (start or self.head is None):
            return Place(line)
        head = self.text[line_start : line_start + HEAD_BYTES] if line_start or self.head is None else self.head
        return Place(line, _source_of(head), is_redraw=True)


def _source_of(head: bytes) -> Source | None:
    return split_prefix(decode_segment(head.partition(b"\r")[0]))[1]


class Tracker:
    """The last values of one pattern, and what later lines have in their place."""

    def __init__(self, pattern: str, literals: Literals) -> None:
        self.literals = literals
        self.finds: deque[Find] = deque(maxlen=WINDOW)
        self.main: Find | None = None
        """The last of them that rank 0 printed, or a process without a prefix."""
        self.number: Find | None = None
        """The last value that could be read, whoever printed it."""
        self.later: Find | None = None
        """Behind all of these, the last line that is like that of `number`, but for a value that the pattern reads."""
        self.later_main: Find | None = None
        """The last such line of rank 0, or without a prefix."""
        self.refused: Find | None = None
        """The last match of a word or the like, which counts only where nothing else was found."""
        self._reader = LineReader(pattern)
        self._same = SameLine()
        self._refused: Find | None = None
        self._found: list[Find] = []
        self._has_number = self._has_main = self._has_unranked = False  # among those of this block
        self._passed: list[tuple[str, Place, bool]] = []  # the last: whether it stands behind all that was found

    def search(self, piece: Piece) -> bool:
        """Look through the next piece towards the beginning of a block; whether none before it is needed."""
        for line, place in piece.candidates(self.literals):
            find = self._reader.read(line, place)
            if find is not None and find.is_word:
                self._refused = self._refused or find
                find = None
            if find is not None:
                # Behind the newest, only the first number and the first value of rank 0 can matter.
                is_number, is_main = find.fault is None and not self._has_number, find.is_main and not self._has_main
                if len(self._found) < WINDOW or is_number or is_main:
                    self._found.append(find)
                self._has_number |= find.fault is None
                self._has_main |= find.is_main
                self._has_unranked |= find.is_unranked
                if len(self._found) >= WINDOW and self._has_number and self._has_unranked:
                    return True
            elif not self._has_main:
                self._passed.append((line, place, not self._found))
        return False

    def end_block(self) -> None:
        """Add what was found in a block to what was found before."""
        found, passed = self._found[::-1], self._passed
        self._found, self._passed = [], []
        self._has_number = self._has_main = self._has_unranked = False
        self.finds.extend(found)
        for find in found:
            self.later = None
            self.number = find if find.fault is None else self.number
            if find.is_main:
                self.main, self.later_main = find, None
        if self.number is not None:
            self._add_later(passed, self.number)
        self.refused, self._refused = self._refused or self.refused, None

    def _add_later(self, passed: Sequence[tuple[str, Place, bool]], number: Find) -> None:
        last = None
        for line, place, is_last in passed:
            find = self._same.unread(line, place, number)
            last = last or (find if is_last else None)
            if find is not None and find.is_main:
                self.later_main = find
                break
        self.later = last or self.later

    @property
    def is_settled(self) -> bool:
        """Whether what stands before what was fed could not change the reading."""
        covers = len(self.finds) == WINDOW or (len(self.finds) > 0 and self.finds[-1].place.line > HORIZON_LINES)
        has_unranked = self.main is not None or any(find.is_unranked for find in self.finds)
        return covers and self.number is not None and has_unranked


def _candidates_backwards(text: bytes, literals: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each segment that holds one of the literals, last one first."""
    last_seen = {literal: text.rfind(literal) for literal in literals or (b"",)}
    while (position := max(last_seen.values())) >= 0:
        start, end = segment_at(text, position)
        yield start, end
        for literal, seen in last_seen.items():
            if seen >= start:
                last_seen[literal] = text.rfind(literal, 0, start - 1) if start else -1
