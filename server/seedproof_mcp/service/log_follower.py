"""Follows the logs of running trainings: step, last value, time."""

import json
import time
from dataclasses import dataclass
from datetime import datetime

from seedproof.metrics.scanner import LogReading, LogScanner
from seedproof.model.rules import Rules

from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.system.paths import RunPaths

__all__ = ["Sight", "Watch"]

CHUNK = 1 << 20
# One look reads at most this much, so that a call answers in time beside a very chatty training.
LOOK_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen of a run that has not ended."""

    started: bool
    """Whether the training process exists."""
    reading: LogReading
    """Its log so far."""
    elapsed_s: float | None
    """Seconds since it started; None before."""


class Watch:
    """Keeps one scanner per run, so that each look reads only what is new."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._scanners: dict[str, tuple[LogScanner, int]] = {}

    def look(self, folder: RunPaths, rules: Rules) -> Sight:
        """The newest sight of a run."""
        key = str(folder.folder)
        scanner, offset = self._scanners.get(key) or (LogScanner(rules.metrics), 0)
        limit = offset + LOOK_LIMIT
        while offset < limit and (chunk := self._engine.read_log(key, offset, CHUNK)):
            scanner.feed(chunk)
            offset += len(chunk)
        self._scanners[key] = (scanner, offset)
        elapsed = _elapsed_s(folder)
        return Sight(elapsed is not None, scanner.reading(), elapsed)

    def forget(self, folder: RunPaths) -> None:
        """The run has ended."""
        self._scanners.pop(str(folder.folder), None)


def _elapsed_s(folder: RunPaths) -> float | None:
    """How long the training runs, by the clock that nobody sets; None before its start."""
    try:
        started = json.loads(folder.started.read_bytes())
        if "started_monotonic_s" in started:
            return max(0.0, time.monotonic() - float(started["started_monotonic_s"]))
        # Started by an earlier Seedproof.
        return max(0.0, time.time() - datetime.fromisoformat(started["started_at"]).timestamp())
    except (OSError, ValueError, KeyError, TypeError):
        return None
