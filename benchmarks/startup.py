"""Start-up and end: CPU time from nothing to the first tool's answer, and from the end of stdin to nothing."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show
from run_overhead import fresh_project, server_of
from seedproof_mcp.system import files, locks
from wire import BARE, Wire, product

__all__ = ["measure"]

PAIRS = 15
LIMIT = 1.25
ENDS = 7
GONE_LIMIT_S = 2.0


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


def gone_s(is_waiting: bool) -> float:
    """How long a server lives after the end of stdin; with a call that waits for a ledger held by others, if asked."""
    with fresh_project() as paths, Wire.of(server_of(paths)) as server:
        server.initialize()
        files.make_folder(paths.state)
        with locks.lock(paths.ledger_lock):
            if is_waiting:
                server.begin("run_seed", wait_s=0)
            server.call("check_baseline")
            return server.gone_s()


def ends() -> list[Figure]:
    """The slowest ends of both kinds: the limit is a promise for each."""
    times = {is_waiting: [gone_s(is_waiting) for _ in range(ENDS)] for is_waiting in (False, True)}
    return [
        Figure(
            f"server gone after the end of stdin, {'a call waiting' if is_waiting else 'idle'}, the slowest",
            max(found),
            "s",
            f"median {median(found):.2f} s of {ENDS}",
            GONE_LIMIT_S,
        )
        for is_waiting, found in times.items()
    ]


def measure() -> list[Figure]:
    """The ratio of the medians over interleaved pairs, and how servers end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train_llm.py").touch()  # without it every call is refused
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
        *ends(),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
