"""Reads the logs of running trainings as they grow: step, last values, elapsed time."""

from dataclasses import dataclass

from seedproof.metrics.scanner import LogReading, LogScanner
from seedproof.model.rules import Rules

from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.system.paths import RunPaths

__all__ = ["LogFollower", "Progress"]

CHUNK = 1 << 20
# One look reads at most this much, so that a call answers in time even where a training prints a lot.
LOOK_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run that has not ended."""

    reading: LogReading
    """Its log so far."""
    elapsed_s: float | None
    """Seconds since it started; None before."""


class LogFollower:
    """Keeps one scanner per run, so that each look reads only what is new."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._scanners: dict[str, tuple[LogScanner, int]] = {}

    def look(self, folder: RunPaths, rules: Rules) -> Progress:
        """Read what a run has printed since the last look; return its progress.

        Raises:
            BadSettings: The run was placed by an engine that this version does not have.
        """
        key, engine = str(folder.folder), self._engines.of(folder)
        scanner, offset = self._scanners.get(key) or (LogScanner(rules.metrics), 0)
        limit = offset + LOOK_LIMIT
        while offset < limit and (chunk := engine.read_log(key, offset, CHUNK)):
            scanner.feed(chunk)
            offset += len(chunk)
        self._scanners[key] = (scanner, offset)
        return Progress(scanner.reading(), engine.elapsed_s(key))

    def forget(self, folder: RunPaths) -> None:
        """Drop the scanner of a run that has ended."""
        self._scanners.pop(str(folder.folder), None)
