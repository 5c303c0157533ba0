"""Start-up: CPU time from nothing to the first tool's answer, beside a bare server of the same SDK."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show
from wire import BARE, Wire, product

__all__ = ["measure"]

PAIRS = 15
LIMIT = 1.25


@dataclass(frozen=True)
class Start:
    """One start of a server."""

    cpu_s: float
    """User and system time of the process until it had answered."""
    wall_s: float
    """Time from the start to the answer."""


def start(command: Sequence[str], tool: str) -> Start:
    """Start a server, shake hands, call a tool, and end it at once: what comes after is not start-up."""
    began = time.perf_counter()
    with Wire(command) as server:
        server.initialize()
        server.call(tool)
        wall_s = time.perf_counter() - began
    return Start(server.cpu_s, wall_s)


def measure() -> list[Figure]:
    """The ratio of the medians over interleaved pairs."""
    with tempfile.TemporaryDirectory() as folder:
        ours = product(Path(folder))
        start(ours, "check_baseline"), start(BARE, "ping")  # writes the bytecode and warms the file cache
        found, bare = in_turn(lambda: start(ours, "check_baseline"), lambda: start(BARE, "ping"), PAIRS)
    cpu_s, bare_cpu_s = median(one.cpu_s for one in found), median(one.cpu_s for one in bare)
    wall_s, bare_wall_s = median(one.wall_s for one in found), median(one.wall_s for one in bare)
    return [
        Figure(
            "start to the first tool's answer, CPU time",
            cpu_s / bare_cpu_s,
            "x",
            f"{cpu_s:.2f} s; a bare server {bare_cpu_s:.2f} s (medians of {PAIRS})",
            LIMIT,
        ),
        Figure(
            "the same, wall time",
            wall_s / bare_wall_s,
            "x",
            f"{wall_s:.2f} s; a bare server {bare_wall_s:.2f} s",
        ),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
