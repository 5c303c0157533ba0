"""Reads metrics from the log of a run."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from seedproof.metrics.curve import CurveReader, Point, curve_document, is_bare
from seedproof.metrics.eval_size import read_counts
from seedproof.metrics.lengths import LengthReading, read_lengths
from seedproof.metrics.lines import BLOCK_BYTES, SEGMENT_LIMIT
from seedproof.metrics.loss_end import lost_loss
from seedproof.metrics.scanner import FirstValues, LogReading, LogScanner, LogTotals, first_values
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Unread
from seedproof.sources.log_values import log_values
from seedproof.sources.statistics import result_of

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = [
    "START_BYTES",
    "keep_curve",
    "kept_log_size",
    "read_curves",
    "read_first_values",
    "read_is_bare",
    "read_length_end",
    "read_log",
    "read_lost_loss",
    "read_printed_counts",
]

logger = logging.getLogger(__name__)

START_BYTES = 256 << 10
# Steps are printed until the end; what follows them is a summary, or the text of an exception.
LENGTH_BYTES = 128 << 10
# Three lines are shorter.
BARE_BYTES = 4 << 10
# What is searched of the end before all of it is: a metric that is printed at all is mostly printed near the end.
_END_BYTES = (1 << 20, 16 << 20)


def read_log(path: Path, size: int, rules: Rules) -> LogReading:
    """Read the first `size` bytes: what daemons print after the end does not count.

    Where only the last value counts, the log is searched from its end; hashed and counted it is as a whole.
    """
    if not path.exists():
        return LogScanner(rules.metrics).finish()
    with path.open("rb") as log:
        parts = list(_parts(log, size))
        reading = _read_last(log, parts, rules)
        for rule in rules.metrics:
            if isinstance(rule.source, LogPattern) and not rule.is_last_match:
                reading = _with(reading, rule, _read_all(log, parts, rule, rule.source, reading))
        return reading


def _read_last(log: BinaryIO, parts: Sequence["_Part"], rules: Rules) -> LogReading:
    ends = (_read_end(log, parts, end_bytes, rules) for end_bytes in _END_BYTES)
    end = next((one for one in ends if one is not None), None)
    if end is None:
        return _feed(LogScanner(rules.metrics), _chunks(log, parts)).finish()
    return _feed(LogTotals(), _chunks(log, parts)).reading_of(end)


def _read_all(
    log: BinaryIO, parts: Sequence["_Part"], rule: MetricRule, source: LogPattern, reading: LogReading
) -> MetricValue | Unread | None:
    """The result that needs more than the last match, which is read from the beginning of the log."""
    last = reading.unread.get(rule.name) or reading.metrics.get(rule.name)
    if isinstance(last, Unread) or (last is not None and last.value is None):
        return last
    left_out = sum(part.left_out for part in parts)
    if left_out and rule.selects:
        return Unread(None, "", f"is the best of all values, and the log cap left out {left_out} bytes of the log")
    # A name that stands before a hole says nothing of what stands behind it.
    end = [replace(part, left_out=0) for part in parts[-1:]]
    found = result_of(rule, _checked(log_values(source, _chunks(log, end)), last))
    if found is None or found.line is None or not left_out:
        return found
    before = _feed(LogTotals(), _chunks(log, parts)).lines - _feed(LogTotals(), _chunks(log, end)).lines
    return replace(found, line=before + found.line)


def _checked(values: Iterable[MetricValue | Unread], last: MetricValue | None) -> Iterator[MetricValue | Unread]:
    """The values, and behind them one that cannot be read where they do not end in the last one that was read."""
    end: MetricValue | Unread | None = None
    for end in values:
        yield end
    if last is not None and not isinstance(end, Unread) and (end is None or end.text != last.text):
        others = "no value is found" if end is None else f"the values found end in {end.text}"
        yield Unread(last.line, last.matched, f"is {last.text} at the end of the log, and {others} from its beginning")


def _with(reading: LogReading, rule: MetricRule, found: MetricValue | Unread | None) -> LogReading:
    metrics = {name: value for name, value in reading.metrics.items() if name != rule.name}
    unread = {name: one for name, one in reading.unread.items() if name != rule.name}
    if isinstance(found, Unread):
        unread[rule.name] = found
    elif found is not None:
        metrics[rule.name] = found
    return replace(reading, metrics=metrics, unread=unread)


def kept_log_size(run: RunPaths, recorded: int | None = None) -> int:
    """The size of the log when the run ended; daemons may have added to it since.

    The record counts a hole of the log cap as the line that replaces it, so the run's result is read first.

    Args:
        recorded: The size in its record; None where that is not at hand.

    Raises:
        OSError: There is no log.
    """
    try:
        return int(json.loads(run.result.read_bytes())["log_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        status = run.log.stat()
        has_holes = status.st_blocks * 512 < status.st_size
        return status.st_size if has_holes or recorded is None else recorded


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
    if isinstance(rules.metric.source, LogPattern) and rules.metric.source.select is not None:
        return FirstValues()  # the first lines may be of another name
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


def keep_curve(folder: RunPaths, metrics: Mapping[str, MetricValue], rules: Rules) -> None:
    """Write the loss curve into the folder of an ended run; where that fails, say so in the conductor's log.

    Args:
        folder: Its files.
        metrics: The last value of each metric.
        rules: The rules of its generation.
    """
    try:
        curves = read_curves(folder, metrics, rules)
        if not curves:
            return
        # Without a temporary file: nobody comes by later to remove what a kill left of one.
        files.write_expendable(folder.curve, json.dumps(curve_document(curves), separators=(",", ":")).encode())
    except FileNotFoundError:
        return  # it printed nothing
    except OSError as error:
        logger.warning("the loss curve of %s is not kept: %s", folder.folder.name, error.strerror or error)
        with suppress(OSError):
            files.remove_file(folder.curve)


def read_curves(
    folder: RunPaths, metrics: Mapping[str, MetricValue], rules: Rules, *, is_thinned: bool = True
) -> dict[str, list[Point]]:
    """The loss curves that the log of an ended run shows.

    Args:
        folder: Its files.
        metrics: The last value of each metric.
        rules: The rules of its generation.
        is_thinned: Whether at most some thousand points of each are kept; else every value is, in memory.

    Raises:
        OSError: There is no log, or it cannot be read.
    """
    size = kept_log_size(folder)
    with folder.log.open("rb") as log:
        reader = CurveReader(rules.metrics, is_thinned=is_thinned)
        return _feed(reader, _chunks(log, list(_parts(log, size)))).finish(metrics)


def read_printed_counts(path: Path, size: int) -> dict[str, str]:
    """Sizes of the evaluation: programs print them where they begin or where they end, so nothing between is read."""
    try:
        with path.open("rb") as log:
            head = log.read(min(size, START_BYTES))
            log.seek(max(len(head), size - START_BYTES))
            return read_counts(head, log.read(max(0, size - log.tell())))
    except FileNotFoundError:
        return {}


def read_lost_loss(path: Path, size: int) -> str | None:
    """What the log shows of the training loss last, where that is nan or inf."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, size - START_BYTES))
            return lost_loss(log.read(min(size, START_BYTES)))
    except FileNotFoundError:
        return None
