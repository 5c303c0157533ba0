"""Reads metrics from the files of a run: its log, and the JSON files that its training writes."""

import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from seedproof.metrics.curve import CurveReader, curve_document, is_bare
from seedproof.metrics.eval_size import read_counts
from seedproof.metrics.json_file import read_document
from seedproof.metrics.lengths import LengthReading, read_lengths
from seedproof.metrics.lines import BLOCK_BYTES, SEGMENT_LIMIT
from seedproof.metrics.scanner import FirstValues, LogReading, LogScanner, LogTotals, first_values
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = [
    "START_BYTES",
    "keep_curve",
    "read_first_values",
    "read_is_bare",
    "read_length_end",
    "read_log",
    "read_metric_file",
    "read_printed_counts",
]

logger = logging.getLogger(__name__)

MAX_METRIC_FILE = 64 << 20
START_BYTES = 256 << 10
# Steps are printed until the end; what follows them is a summary, or the text of an exception.
LENGTH_BYTES = 128 << 10
# Three lines are shorter.
BARE_BYTES = 4 << 10
# What is searched of the end before all of it is: a metric that is printed at all is mostly printed near the end.
_END_BYTES = (1 << 20, 16 << 20)


def read_log(path: Path, size: int, rules: Rules) -> LogReading:
    """Read the first `size` bytes: what daemons print after the end does not count.

    Only the last value counts, so the log is searched from its end; hashed and counted it is as a whole.
    """
    if not path.exists():
        return LogScanner(rules.metrics).finish()
    with path.open("rb") as log:
        parts = list(_parts(log, size))
        ends = (_read_end(log, parts, end_bytes, rules) for end_bytes in _END_BYTES)
        end = next((one for one in ends if one is not None), None)
        if end is None:
            return _feed(LogScanner(rules.metrics), _chunks(log, parts)).finish()
        return _feed(LogTotals(), _chunks(log, parts)).reading_of(end)


Reader = TypeVar("Reader", LogScanner, LogTotals, CurveReader)


def _feed(reader: Reader, chunks: Iterable[bytes]) -> Reader:
    for chunk in chunks:
        reader.feed(chunk)
    return reader


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a log that was kept."""

    start: int
    end: int
    left_out: int
    """Bytes before it that the log cap left out."""


def _parts(log: BinaryIO, size: int) -> Iterator[_Part]:
    """The parts of the first `size` bytes. Of a line that was cut nothing is read: half a number is another number."""
    seen = 0
    for start, end in files.data_parts(log.fileno(), size):
        first = start if start == seen else _after_first_line_end(log, start, end)
        last = end if end == size else _after_last_line_end(log, first, end)
        yield _Part(first, last, first - seen)
        seen = last


def _chunks(log: BinaryIO, parts: Sequence[_Part]) -> Iterator[bytes]:
    for part in parts:
        if part.left_out:
            yield b"\n[the log cap left out %d bytes here]\n" % part.left_out
        yield from _bytes(log, part.start, part.end)


def _bytes(log: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    log.seek(start)
    while start < end and (chunk := log.read(min(BLOCK_BYTES, end - start))):
        yield chunk
        start += len(chunk)


def _read_end(log: BinaryIO, parts: Sequence[_Part], end_bytes: int, rules: Rules) -> LogReading | None:
    """What the last bytes of a log say; None if something before them could matter."""
    if not parts or parts[-1].end - parts[-1].start <= end_bytes:
        return None
    end = parts[-1].end
    start = _after_first_line_end(log, end - end_bytes, end)
    scanner = _feed(LogScanner(rules.metrics), _bytes(log, start, end))
    found = scanner.finish()
    return found if scanner.is_settled else None


def _after_first_line_end(log: BinaryIO, start: int, end: int) -> int:
    for piece in _bytes(log, start, end):
        found = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
        if found:
            return start + min(found) + 1
        start += len(piece)
    return end


def _after_last_line_end(log: BinaryIO, start: int, end: int) -> int:
    start = max(start, end - SEGMENT_LIMIT)
    log.seek(start)
    piece = log.read(end - start)
    return start + max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1


def read_first_values(path: Path, size: int, rules: Rules) -> FirstValues:
    """The first values of the deciding metric; they stand near the beginning of a log or nowhere."""
    try:
        with path.open("rb") as log:
            return first_values(log.read(min(size, START_BYTES)), rules.metric)
    except FileNotFoundError:
        return FirstValues()


def read_length_end(path: Path, size: int) -> LengthReading:
    """How far the training went; programs print that until they end."""
    try:
        with path.open("rb") as log:
            start = max(0, size - LENGTH_BYTES)
            return read_lengths(b"".join(_bytes(log, _after_first_line_end(log, start, size) if start else 0, size)))
    except FileNotFoundError:
        return read_lengths(b"")


def read_is_bare(path: Path, size: int, rules: Rules) -> bool:
    """Whether the log holds nothing but its metrics."""
    try:
        return size <= BARE_BYTES and is_bare(path.read_bytes()[:size], rules.metrics)
    except FileNotFoundError:
        return False


def keep_curve(folder: RunPaths, size: int, reading: LogReading, rules: Rules) -> None:
    """Write the loss curve into the folder of a run; where that fails, say so in the conductor's log.

    It can be read again from the log, so nothing waits for it.
    """
    try:
        with folder.log.open("rb") as log:
            curves = _feed(CurveReader(rules.metrics), _chunks(log, list(_parts(log, size)))).finish(reading.metrics)
        if not curves:
            return
        files.write_atomic(folder.curve, json.dumps(curve_document(curves), separators=(",", ":")).encode())
    except FileNotFoundError:
        return  # it printed nothing
    except OSError as error:
        logger.warning("the loss curve of %s is not kept: %s", folder.folder.name, error.strerror or error)


def read_printed_counts(path: Path, size: int) -> dict[str, str]:
    """Sizes of the evaluation: programs print them where they begin or where they end, so nothing between is read."""
    try:
        with path.open("rb") as log:
            head = log.read(min(size, START_BYTES))
            log.seek(max(len(head), size - START_BYTES))
            return read_counts(head, log.read(max(0, size - log.tell())))
    except FileNotFoundError:
        return {}


def read_metric_file(source: Path, copy: Path, path: str) -> MetricValue | str | None:
    """Keep a copy of a training's metric file and read the metric from the copy.

    Args:
        source: The file that the training wrote.
        copy: Where the run keeps it; if it is there already, the source is not looked at.
        path: Where in the document the number stands.

    Returns:
        The value; None where the document has no number there; what is wrong with the file, in words.

    Raises:
        OSError: The copy, which is ours, cannot be written: a full disk is waited for, and the run keeps its value.
    """
    try:
        if not copy.exists():
            # A fifo would block the conductor for ever, a link would read what is not the training's.
            seen = os.lstat(source)
            if not stat.S_ISREG(seen.st_mode):
                raise ValueError("is not a regular file")
            if seen.st_size > MAX_METRIC_FILE:
                raise ValueError(f"is larger than {MAX_METRIC_FILE >> 20} MB")
            files.copy_file(source, copy)
        return read_document(copy.read_bytes(), path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and str(error.filename) != str(source):
            raise
        return f"{source.name}: {getattr(error, 'strerror', None) or error}"
