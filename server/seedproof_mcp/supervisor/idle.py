"""Notices a training that neither prints anything nor uses a processor, as one that hangs in its clean-up."""

import json
from collections.abc import Callable
from contextlib import suppress

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = ["IDLE_AFTER_S", "IdleWatch"]

IDLE_AFTER_S = 60.0
"""Seconds of idleness after which it is written down: longer than a program waits for data or another process."""

_EVERY_S = 10.0
# A process that only waits wakes up now and then.
_CPU_SHARE = 0.01


class IdleWatch:
    """Keeps idle.json in a run's folder while the training is idle."""

    def __init__(self, run: RunPaths, cpu_s: Callable[[], float | None]) -> None:
        """Watch a training that has just begun.

        Args:
            run: Its files.
            cpu_s: Processor time of its processes in seconds; None where the system does not tell it.
        """
        self._run = run
        self._cpu_s = cpu_s
        self._looked_at_s = 0.0
        self._log_bytes = 0
        self._since: tuple[float, float] | None = None
        """When the training was last seen to do something, and its processor time then."""
        self._is_said = False

    def look(self, elapsed_s: float, log_bytes: int) -> None:
        """Look at the training, now and then; a file that cannot be written is passed over.

        Args:
            elapsed_s: Seconds since it began.
            log_bytes: What it has printed.
        """
        if elapsed_s < self._looked_at_s + _EVERY_S:
            return
        self._looked_at_s = elapsed_s
        cpu_s = self._cpu_s() if log_bytes == self._log_bytes else None
        self._log_bytes = log_bytes
        if cpu_s is None:
            self._since = None
        elif self._since is None or abs(cpu_s - self._since[1]) > _CPU_SHARE * (elapsed_s - self._since[0]):
            self._since = (elapsed_s, cpu_s)
        with suppress(OSError):
            self._say(elapsed_s)

    def _say(self, elapsed_s: float) -> None:
        is_idle = self._since is not None and elapsed_s - self._since[0] >= IDLE_AFTER_S
        if is_idle and not self._is_said and self._since is not None:
            files.write_expendable(self._run.idle, json.dumps({"since_elapsed_s": self._since[0]}).encode())
        elif self._is_said and not is_idle:
            files.remove_file(self._run.idle)
        self._is_said = is_idle
