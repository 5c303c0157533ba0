"""Verifies a ledger's lines one by one and against each other, and says what was done to them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from seedproof.ledger.event import Record
from seedproof.ledger.records import EMPTY_HASH, canonical, damaged, read_line
from seedproof.model.refusals import LedgerDamaged

from seedproof_mcp.ledger.damage import is_conflict_mark

__all__ = ["Chain", "first_difference", "read_chain", "whole_lines"]


@dataclass(frozen=True, slots=True)
class Chain:
    """The records of a ledger, and what is wrong with them."""

    records: list[Record]
    """By number; of a damaged ledger, those that can be read and have a number and a hash."""
    faults: list[str]
    """One sentence for each damage."""

    @property
    def hashes(self) -> dict[int, str]:
        """The hash of each record by its number."""
        return {record["seq"]: record["hash"] for record in self.records}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a damaged ledger."""

    place: int
    """Its number in the file, from 1 on."""
    record: Record | None
    """None if it cannot be read, or has no number or no hash."""
    fault: str | None
    """What is wrong with the line by itself, as the end of a sentence."""


def whole_lines(data: bytes) -> bytes:
    """A ledger without what a crash may leave at its end: half a line, or zeros."""
    data = data[: data.rfind(b"\n") + 1]
    end = len(data.rstrip(b"\0\n"))
    is_zeros = data[end : end + 1] == b"\n" and b"\0" in data[end:]
    return data[: end + 1] if is_zeros else b"" if end == 0 else data


def first_difference(one: bytes, other: bytes) -> int:
    """The number of the first record in which two ledgers differ."""
    lines = zip(one.split(b"\n"), other.split(b"\n"), strict=False)
    return next((number for number, (left, right) in enumerate(lines, 1) if left != right), 0)


def read_chain(data: bytes) -> Chain:
    """Read whole lines and verify form, hash, place and chain of each.

    Raises:
        LedgerNewer: Written by a newer Seedproof.
    """
    lines = data.split(b"\n")[:-1]
    records: list[Record] = []
    prev = EMPTY_HASH
    try:
        for seq, line in enumerate(lines, 1):
            records.append(_read_strictly(line, seq, prev))
            prev = records[-1]["hash"]
    except LedgerDamaged as damage:
        found = [_examine(place, line) for place, line in enumerate(lines, 1)]
        faults = [*_line_faults(found), *_order_faults(found), *_gaps(found), *_broken_links(found)]
        by_number = {line.record["seq"]: line.record for line in reversed(found) if line.record is not None}
        return Chain([by_number[seq] for seq in sorted(by_number)], faults or [f"record #{damage.seq} {damage.fault}"])
    return Chain(records, [])


def _read_strictly(line: bytes, seq: int, prev: str) -> Record:
    """Read one record, and require its canonical form: other verifiers make its bytes from its fields.

    Raises:
        LedgerDamaged, LedgerNewer: As `read_line`.
    """
    record = read_line(line, seq, prev)
    try:
        is_canonical = canonical(record) == line
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise damaged(seq, "is not written canonically")
    return record


def _examine(place: int, line: bytes) -> _Line:
    """Verify one line without its neighbours."""
    try:
        claimed = json.loads(line)
        seq, prev, own = claimed["seq"], claimed["prev"], claimed["hash"]
    except (ValueError, RecursionError, KeyError, TypeError):
        if is_conflict_mark(line):
            return _Line(place, None, "is the mark of a merge conflict, which git left")
        return _Line(place, None, "is not a record: it cannot be read")
    if type(seq) is not int or not isinstance(own, str):
        return _Line(place, None, "is not a record: it has no number or no hash")
    try:
        _read_strictly(line, seq, prev)
    except LedgerDamaged as damage:
        return _Line(place, claimed, damage.fault)
    return _Line(place, claimed, None)


def _line_faults(lines: Sequence[_Line]) -> Iterator[str]:
    for line in lines:
        if line.record is None:
            yield f"line {line.place} {line.fault}"
        elif line.fault == "does not match its hash":
            yield f"record #{line.record['seq']} was edited: it does not match its own hash"
        elif line.fault is not None:
            yield f"record #{line.record['seq']} {line.fault}"


def _order_faults(lines: Sequence[_Line]) -> Iterator[str]:
    numbers = [line.record["seq"] for line in lines if line.record is not None]
    for one, following in pairwise(numbers):
        if following < one:
            yield f"record #{one} stands before #{following}: lines were swapped"
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            yield f"record #{number} stands there twice"
        seen.add(number)


def _gaps(lines: Sequence[_Line]) -> Iterator[str]:
    """Missing numbers. An unreadable line counts as the one after the line before it."""
    present, last = {0}, 0
    for line in lines:
        last = last + 1 if line.record is None else line.record["seq"]
        present.add(last)
    for one, following in pairwise(sorted(present)):
        first, end = one + 1, following - 1
        if first == end:
            yield f"record #{first} is missing: its line was deleted"
        elif first < end:
            yield f"records #{first} to #{end} are missing: their lines were deleted"


def _broken_links(lines: Sequence[_Line]) -> Iterator[str]:
    """Neighbours whose hashes are right and do not follow from each other."""
    by_number = {line.record["seq"]: line.record for line in lines if line.record is not None}
    for seq in sorted(by_number):
        before = EMPTY_HASH if seq == 1 else by_number.get(seq - 1, {}).get("hash")
        if before is not None and by_number[seq].get("prev") != before:
            yield f"record #{seq} does not follow from the one before it: that one was rewritten with a hash of its own"
