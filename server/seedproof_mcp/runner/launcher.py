"""Starts the conductor of a project unless one runs, starts or has just crashed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["ensure_conductor"]

# A conductor holds its lock 0.3 s after its start; on a very busy machine it takes longer.
STARTING_S = 10.0
# One that dies at once would die again: the pause between two doubles from the first to the second.
CRASH_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


def ensure_conductor(paths: ProjectPaths) -> None:
    """Start a conductor unless one lives, or one of ours is just starting or has just crashed.

    Raises:
        OSError: The state folder cannot be written, or no process can be started.
    """
    if locks.is_locked(paths.conductor_lock):
        return
    last = _last_starts.get(paths.root)
    if last is not None and last.is_recent_enough(time.monotonic(), locks.signature(paths.conductor_lock)):
        return
    log = files.open_output(paths.conductor_log)
    try:
        process = spawn.start(
            [sys.executable, "-P", "-m", "seedproof_mcp.runner.conductor", str(paths.root)],
            stdout=log,
            stderr=log,
            new_session=True,
        )
    finally:
        os.close(log)
    _children[:] = [*(child for child in _children if child.poll() is None), process]
    crashes = 0 if last is None or not last.has_crashed else last.crashes + 1
    _last_starts[paths.root] = _Start(process, time.monotonic(), crashes)


@dataclass
class _Start:
    """A conductor that this process started."""

    process: subprocess.Popen[bytes]
    at_s: float
    """When, by the monotonic clock."""
    crashes: int
    """How many before it crashed in a row."""

    @property
    def has_crashed(self) -> bool:
        # A signal ended it, not a fault of its own: the next request must not wait.
        return self.process.poll() not in (None, 0, -signal.SIGTERM, -signal.SIGHUP)

    def is_recent_enough(self, now_s: float, last_holder: str | None) -> bool:
        """Whether another one would come too early.

        Args:
            last_holder: Who had the conductor's lock, which is free now; if this one, it is on its way out.
        """
        if self.process.poll() is None:
            return last_holder != str(self.process.pid) and now_s - self.at_s < STARTING_S
        return self.has_crashed and now_s - self.at_s < min(CRASH_PAUSE_S * 2**self.crashes, LONGEST_PAUSE_S)


# Conductors that this process started, kept so that they can be reaped.
_children: list[subprocess.Popen[bytes]] = []
# By project: the newest conductor that this process started.
_last_starts: dict[Path, _Start] = {}
