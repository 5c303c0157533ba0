"""Measures how long a training was kept from running: stopped by a signal, or waiting for a processor."""

import resource
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seedproof_mcp.supervisor.processes import fields_of, read_proc

__all__ = ["Usage"]

# Looking for processes takes milliseconds on a large machine; looking at known ones does not.
_FIRST_AT_S = (0.3, 1.0, 3.0)
_EVERY_S = 10.0
_STOPPED = ([b"T"], [b"t"])
_NANOSECOND = 1e-9


class Usage:
    """What was seen of the processes of one run. Nothing, on systems without /proc or its schedstat."""

    def __init__(self, leader: int, processes: Callable[[], Iterable[int]]) -> None:
        """Watch a training that has just begun.

        Args:
            leader: Its main process.
            processes: Finds its live processes.
        """
        self._stopped_s = 0.0
        self._leader, self._processes = leader, processes
        self._pids = {leader}
        self._waited_s: dict[int, float] = {}
        self._looked_at_s = 0.0
        self._due = _due_times()
        self.next_s = next(self._due)
        """When it looks for more processes, in seconds after the start."""

    def measured(self) -> dict[str, Any]:
        """Return what a result says of it, with the processor time of the children that were waited for.

        Several processes wait at the same time, so it is the one that waited longest.
        """
        spent, waited_s = resource.getrusage(resource.RUSAGE_CHILDREN), max(self._waited_s.values(), default=None)
        return {
            "cpu_s": round(spent.ru_utime + spent.ru_stime, 3),
            "waited_s": None if waited_s is None else round(waited_s, 3),
            "stopped_s": round(self._stopped_s, 3),
        }

    def look(self, elapsed_s: float) -> None:
        """Look at the known processes, and now and then for more.

        Args:
            elapsed_s: Seconds since the training began.
        """
        if elapsed_s >= self.next_s:
            self._pids = {self._leader, *self._processes()}
            while self.next_s <= elapsed_s:
                self.next_s = next(self._due)
        if any(fields_of(read_proc(pid, "stat"))[:1] in _STOPPED for pid in self._pids):
            self._stopped_s += elapsed_s - self._looked_at_s
        self._looked_at_s = elapsed_s
        for pid in self._pids:
            # Documentation/scheduler/sched-stats.rst: time on a processor, time waiting for one, both in nanoseconds.
            fields = read_proc(pid, "schedstat").split()
            if len(fields) > 1:
                self._waited_s[pid] = int(fields[1]) * _NANOSECOND


def _due_times() -> Iterator[float]:
    yield from _FIRST_AT_S
    at_s = _EVERY_S
    while True:
        yield at_s
        at_s += _EVERY_S
