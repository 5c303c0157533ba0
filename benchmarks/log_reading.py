"""Reading the metric from a large log, as the conductor does after a run, beside `grep -c val_loss`."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show
from seedproof.metrics.curve import CurveReader
from seedproof.metrics.lines import BLOCK_BYTES
from seedproof.model.rules import Rules
from seedproof_mcp.runner.log_reader import read_log  # what is measured is the conductor's own reading

__all__ = ["measure"]

ROUNDS = 7
MEGABYTES, LONG_MEGABYTES = 256, 1024
CURVE_ROUNDS = 3
LIMIT = 2.0
# One line in so many shows the metric; a training that evaluates at every step shows it on each.
SPARSE, DENSE = 50, 1
LINES = 5_000


@dataclass(frozen=True)
class Cost:
    """One reading."""

    cpu_s: float
    """User and system time."""
    wall_s: float
    """Time that it took."""


def some_lines(every: int) -> bytes:
    """Lines as trainings print them."""
    lines = []
    for step in range(1, LINES + 1):
        shown = f" | val_loss: {4 - step / LINES:.4f}" if step % every == 0 else ""
        lines.append(f"Step {step} | loss: {4.1 - step / LINES:.4f}{shown} | lr: 0.000300 | 12.31 ms | 84211 tok/s\n")
    return "".join(lines).encode()


def write_log(path: Path, megabytes: int, every: int) -> int:
    """A log of about so many megabytes that ends with a line of its own; its size."""
    lines = some_lines(every)
    with path.open("wb") as log:
        for _ in range((megabytes << 20) // len(lines)):
            log.write(lines)
        log.write(b"Step 999999 | loss: 3.0000 | val_loss: 3.1416 | lr: 0.000000 | 12.31 ms | 84211 tok/s\n")
    return path.stat().st_size


def _cost(act: Callable[[], None], who: int) -> Cost:
    before, began = resource.getrusage(who), time.perf_counter()
    act()
    wall_s, after = time.perf_counter() - began, resource.getrusage(who)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s)


def read(path: Path, size: int) -> Cost:
    """The conductor's reading; it must find the last value."""

    def act() -> None:
        found = read_log(path, size, Rules()).metrics["val_loss"]
        if found.text != "3.1416":
            raise SystemExit(f"read {found}")

    return _cost(act, resource.RUSAGE_SELF)


def grep(path: Path) -> Cost:
    """`grep -c val_loss` in the C locale, its fastest."""
    env = {**os.environ, "LC_ALL": "C"}
    command = ["grep", "-c", "val_loss", str(path)]

    def act() -> None:
        # Into a pipe: with /dev/null for its output, grep would stop at the first match.
        subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)

    return _cost(act, resource.RUSAGE_CHILDREN)


def curve(path: Path) -> Cost:
    """What the loss curve costs, which the conductor reads after the values."""

    def act() -> None:
        reader = CurveReader(Rules().metrics)
        with path.open("rb") as log:
            while chunk := log.read(BLOCK_BYTES):
                reader.feed(chunk)
        assert reader.finish({})

    return _cost(act, resource.RUSAGE_SELF)


def figures(what: str, megabytes: int, every: int, limit: float | None) -> list[Figure]:
    """One kind of log: the ratio of the CPU times, and of the wall times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output.log"
        size = write_log(path, megabytes, every)
        read(path, size), grep(path)  # from now on the file is in memory
        ours, theirs = in_turn(lambda: read(path, size), lambda: grep(path), ROUNDS)
        curves, _ = in_turn(lambda: curve(path), lambda: grep(path), CURVE_ROUNDS)
    found = []
    for name, clock, target in (("cpu_s", "CPU time", limit), ("wall_s", "wall time", None)):
        mine, other = median(getattr(one, name) for one in ours), median(getattr(one, name) for one in theirs)
        beside = f"{mine:.2f} s; `grep -c val_loss` {other:.2f} s (medians of {ROUNDS})"
        found.append(Figure(f"metric from {megabytes} MB of log, {what}, {clock}", mine / other, "x", beside, target))
    mine, other = median(one.cpu_s for one in curves), median(one.cpu_s for one in theirs)
    beside = f"{mine:.2f} s (median of {CURVE_ROUNDS}); `grep -c val_loss` {other:.2f} s"
    return [*found, Figure(f"loss curve from {megabytes} MB of log, {what}, CPU time", mine / other, "x", beside)]


def measure(is_long: bool = False) -> list[Figure]:
    """A log with the metric on one line in fifty, and one with it on every line."""
    megabytes = LONG_MEGABYTES if is_long else MEGABYTES
    return [
        *figures(f"on 1 line in {SPARSE}", megabytes, SPARSE, LIMIT),
        *figures("on every line", megabytes, DENSE, LIMIT),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
