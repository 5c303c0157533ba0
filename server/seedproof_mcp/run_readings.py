"""What a run's own files say: its log, and the files that its metrics are read from."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from seedproof.counts import read_counts
from seedproof.log import BLOCK_BYTES, SEGMENT_LIMIT
from seedproof.metrics import LogReading, LogScanner, read_document, start_text
from seedproof.rules import Rules
from seedproof.values import MetricValue

from seedproof_mcp import disk

__all__ = ["read_log", "read_metric_file", "read_printed_counts", "read_start"]

MAX_METRIC_FILE = 64 << 20
START_BYTES = 256 << 10


def read_log(path: Path, size: int, rules: Rules) -> LogReading:
    """Read the first `size` bytes: what daemons print after the end does not count."""
    scanner = LogScanner(rules.metrics)
    if path.exists():
        with path.open("rb") as log:
            seen = 0
            for start, end in disk.data_parts(log.fileno(), size):
                # Of the line that the log cap cut nothing is read: half a number is another number.
                first = start if start == seen else _after_first_line_end(log, start, end)
                last = end if end == size else _after_last_line_end(log, first, end)
                if first > seen:
                    scanner.feed(b"\n[the log cap left out %d bytes here]\n" % (first - seen))
                _feed(scanner, log, first, last)
                seen = last
    return scanner.finish()


def _after_first_line_end(log: BinaryIO, start: int, end: int) -> int:
    log.seek(start)
    piece = log.read(min(SEGMENT_LIMIT, end - start))
    found = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
    return start + (min(found) + 1 if found else len(piece))


def _after_last_line_end(log: BinaryIO, start: int, end: int) -> int:
    start = max(start, end - SEGMENT_LIMIT)
    log.seek(start)
    piece = log.read(end - start)
    return start + max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1


def _feed(scanner: LogScanner, log: BinaryIO, start: int, end: int) -> None:
    log.seek(start)
    while start < end and (chunk := log.read(min(BLOCK_BYTES, end - start))):
        scanner.feed(chunk)
        start += len(chunk)


def read_start(path: Path, rules: Rules) -> str | None:
    """The deciding metric at step 0; it stands near the beginning of a log or nowhere."""
    try:
        with path.open("rb") as log:
            return start_text(log.read(START_BYTES), rules.metric)
    except FileNotFoundError:
        return None


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
            _check_metric_file(source)
            disk.copy_file(source, copy)
        return read_document(copy.read_bytes(), path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and str(error.filename) != str(source):
            raise
        return f"{source.name}: {getattr(error, 'strerror', None) or error}"


def _check_metric_file(source: Path) -> None:
    """A fifo would block the conductor for ever, a link would read what is not the training's."""
    seen = os.lstat(source)
    if not stat.S_ISREG(seen.st_mode):
        raise ValueError("is not a regular file")
    if seen.st_size > MAX_METRIC_FILE:
        raise ValueError(f"is larger than {MAX_METRIC_FILE >> 20} MB")
