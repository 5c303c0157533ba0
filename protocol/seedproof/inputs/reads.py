"""Reads the lines in which the processes of a run say what they opened, and adds them up by file."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Opened", "Process", "Seen", "Stat", "add_up", "is_unchanged", "read_process"]

Stat = tuple[int, int, int, int]
"""Size in bytes, inode, time of modification and of status change in nanoseconds."""

_HEADER = "# seedproof-reads 1"
_ESCAPED = {"\\\\": "\\", "\\n": "\n", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class Opened:
    """One file that a process opened."""

    kind: Literal["r", "w", "i"]
    """`r`: for reading. `w`: for writing. `i`: a compiled module that was imported."""
    stat: Stat | None
    """What the file was at that moment; None where nobody could tell."""
    path: str
    """Absolute."""


@dataclass(frozen=True, slots=True)
class Process:
    """What one process of a run opened, in its order."""

    pid: int
    """Its number."""
    parent: int
    """The number of the process that started it."""
    executable: str
    """Its program."""
    version: str
    """The version of its Python."""
    opened: tuple[Opened, ...]
    """What it opened."""
    is_whole: bool
    """Whether every line could be read; a last one that was cut off by the end of the process is passed over."""


@dataclass(slots=True)
class Seen:
    """What the processes of a run did with one file."""

    stat: Stat | None = None
    """At the first reading that was not of the run's own writing."""
    found: Stat | None = None
    """As a process found it that opened it for writing; None where the run made it, and where nobody told."""
    is_read: bool = False
    """Whether it was read or imported before the run wrote it."""
    is_written: bool = False
    """Whether the run wrote it."""
    is_read_after: bool = False
    """Whether the run read what it had written itself."""
    is_moving: bool = False
    """Whether two readings saw two states of it, and the run did not write it."""
    opened_as: list[str] = field(default_factory=list)
    """The paths that it was opened under."""

    def is_made_during(self, started_ns: int | None) -> bool:
        """Whether it came into being, or was changed, between the start of the run and its first reading."""
        return started_ns is not None and self.stat is not None and self.stat[3] > started_ns


def is_unchanged(one: Stat, other: Stat) -> bool:
    """Whether a file was the same at two moments, by its size and times.

    Some network file systems give a file a new inode each time that they look it up.
    """
    return (one[0], *one[2:]) == (other[0], *other[2:])


def read_process(text: str) -> Process | None:
    """What a process said; None where its first line is not that of such a file."""
    lines = text.split("\n")
    head = lines[0].split("\t")
    if len(head) != 5 or head[0] != _HEADER or not (head[1].isdecimal() and head[2].isdecimal()):
        return None
    opened = [_read_line(line) for line in lines[1:-1]]
    known = tuple(one for one in opened if one is not None)
    return Process(int(head[1]), int(head[2]), _unescape(head[3]), head[4], known, len(known) == len(opened))


def _read_line(line: str) -> Opened | None:
    parts = line.split("\t")
    if len(parts) != 6 or parts[0] not in ("r", "w", "i") or not parts[5].startswith("/"):
        return None
    numbers = parts[1:5]
    stat = None
    if all(re.fullmatch(r"\d{1,20}", number) for number in numbers):
        stat = (int(numbers[0]), int(numbers[1]), int(numbers[2]), int(numbers[3]))
    return Opened(parts[0], stat, _unescape(parts[5]))  # type: ignore[arg-type]


def _unescape(text: str) -> str:
    return re.sub(r"\\[\\nt]", lambda found: _ESCAPED[found.group()], text) if "\\" in text else text


def add_up(processes: Iterable[Process], real: Callable[[str], str], started_ns: int | None) -> dict[str, Seen]:
    """What all processes together did with each file, by its real path.

    Nothing says in which order two processes opened a file. A file that the run wrote and that had changed since the
    start of the run when another process read it was that process's own side of the run.

    Args:
        processes: The processes of the run.
        real: The path with its links resolved.
        started_ns: When the run began; None where that is not known.
    """
    found: dict[str, Seen] = {}
    foreign: list[tuple[Seen, Stat | None]] = []
    for process in processes:
        wrote: set[str] = set()
        for opened in process.opened:
            path = real(opened.path)
            seen = found.setdefault(path, Seen())
            if opened.path not in seen.opened_as:
                seen.opened_as.append(opened.path)
            if opened.kind == "w":
                wrote.add(path)
                seen.is_written = True
                if opened.stat is not None and started_ns is not None and opened.stat[3] <= started_ns:
                    seen.found = opened.stat
            elif path in wrote:
                seen.is_read_after = True
            elif opened.stat is not None or opened.kind == "i":
                foreign.append((seen, opened.stat))
    for seen, stat in foreign:
        if seen.is_written and stat is not None and started_ns is not None and stat[3] > started_ns:
            seen.is_read_after = True
            continue
        if seen.stat is not None and stat is not None and not seen.is_written:
            seen.is_moving |= not is_unchanged(seen.stat, stat)
        seen.stat = seen.stat or stat
        seen.is_read = True
    return found
