"""Tells what an attempt without a result showed of it all the same, and how its log ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof.metrics.log_end import is_out_of_room, plain_last_line
from seedproof.metrics.run_state import Ending
from seedproof.metrics.scanner import LogReading
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, is_default_pattern
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import TRAINED_S, Draw, MetricValue, NoResult, Unread
from seedproof.sources.near_misses import like_value

from seedproof_mcp.runner.log_reader import read_log

__all__ = ["find_draw", "find_no_result"]

# What is searched of a log's end for lines that look like the metric, and for how it ended.
_LIKE_BYTES = 1 << 20
_END_BYTES = 16 << 10
# A shell's word for a program that SIGKILL ended, as the kernel does where memory is short.
_KILLED = 137


def find_no_result(
    log: Path,
    result: Mapping[str, Any],
    ending: Ending,
    rules: Rules,
    reading: LogReading,
    metrics: Mapping[str, MetricValue],
    unread: Mapping[str, Unread],
) -> NoResult:
    """What is recorded of a run that ended without a result.

    Args:
        log: Its log.
        result: What its supervisor published.
        ending: The same, as the run's state is decided by it.
        rules: The rules of its generation.
        reading: What its log says.
        metrics: The last value of each metric, of logs and files.
        unread: Metrics that were printed, and whose last value could not be read.

    Raises:
        OSError: The log cannot be read.
    """
    size, wall_time_s = int(result["log_bytes"]), result["wall_time_s"]
    draw = find_draw(log, size, rules, reading, metrics, unread)
    if draw is None and wall_time_s is not None and wall_time_s >= TRAINED_S:
        draw = Draw()
    end = _read_end(log, size, _END_BYTES)
    was_killed = ending.signal == "SIGKILL" or ending.exit_code == _KILLED
    is_full = bool(result.get("disk_was_full"))
    says_nothing = ending.end != "exited" or was_killed or is_full or is_out_of_room(end)
    return NoResult(draw, None if draw is not None or says_nothing else plain_last_line(end), is_full)


def find_draw(
    log: Path,
    size: int,
    rules: Rules,
    reading: LogReading,
    metrics: Mapping[str, MetricValue],
    unread: Mapping[str, Unread],
) -> Draw | None:
    """What a run without a result showed of it: by its own metric, by the default pattern, or in a line like these.

    Raises:
        OSError: The log cannot be read.
    """
    metric = rules.metric
    if metric.name in metrics:
        return Draw(metrics[metric.name].text)
    if metric.name in unread:
        return Draw(is_unread=True)
    if not is_default_pattern(metric.pattern):
        # Where the metric is read from a file, the log shows it all the time in the words of most programs.
        found = read_log(log, size, rules.model_copy(update={"metric": _DEFAULT, "extra_metrics": ()}))
        if _DEFAULT.name in found.metrics:
            return Draw(found.metrics[_DEFAULT.name].text)
        if _DEFAULT.name in found.unread:
            return Draw(is_unread=True)
    like = like_value(metric, _read_end(log, size, _LIKE_BYTES))
    return None if like is None else Draw(like[1], is_like=True, label=like[0])


_DEFAULT = MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS)


def _read_end(log: Path, size: int, most: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(0, size - most))
            return file.read(min(size, most))
    except FileNotFoundError:
        return b""
