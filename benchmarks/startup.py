"""Start-up and end: CPU time to the list of tools and to the first answer, and from the end of stdin to nothing."""

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
LIMIT = 1.15
ENDS = 7
GONE_LIMIT_S = 2.0


@dataclass(frozen=True)
class Start:
    """One start of a server."""

    cpu_s: float
    """User and system time of the process until it had answered."""
    wall_s: float
    """Time from the start to the answer."""


def start(command: Sequence[str], tool: str | None = None) -> Start:
    """Start a server, shake hands, list or call a tool, and end it at once: what comes after is not start-up."""
    began = time.perf_counter()
    with Wire(command) as server:
        server.initialize()
        if tool is None:
            server.list_tools()
        else:
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


def beside(what: str, found: Sequence[Start], bare: Sequence[Start], limit: float | None) -> list[Figure]:
    """CPU and wall time of starts beside those of a bare server, as the medians of the ratios of pairs."""
    figures = []
    for name, field, most in ((f"{what}, CPU time", "cpu_s", limit), ("the same, wall time", "wall_s", None)):
        ours, theirs = ([getattr(one, field) for one in starts] for starts in (found, bare))
        ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
        words = f"{median(ours):.2f} s; a bare server {median(theirs):.2f} s (medians of {PAIRS})"
        figures.append(Figure(name, ratio, "x", words, most))
    return figures


def measure() -> list[Figure]:
    """Interleaved pairs with a bare server of as many tools, and how servers end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train_llm.py").touch()  # without it every call is refused
        ours = product(Path(folder))
        start(ours, "check_baseline"), start(BARE, "ping")  # writes the bytecode and warms the file cache
        listed, bare_listed = in_turn(lambda: start(ours), lambda: start(BARE), PAIRS)
        called, bare_called = in_turn(lambda: start(ours, "check_baseline"), lambda: start(BARE, "ping"), PAIRS)
    return [
        *beside("start to the list of tools", listed, bare_listed, LIMIT),
        *beside("start to the first tool's answer", called, bare_called, None),
        *ends(),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
