"""What the benchmarks share: a figure with its target, and two things measured in turn."""

import atexit
import inspect
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import TypeVar

__all__ = ["Figure", "in_rounds", "in_turn", "is_long", "machine", "measured", "median", "show", "table"]

# Slots and registry of their own: what is measured is not to be held up by, or remembered among, a user's projects.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="seedproof-bench-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

K = TypeVar("K")
T = TypeVar("T")
median = statistics.median


@dataclass(frozen=True)
class Figure:
    """One measured cost beside what it is judged against."""

    what: str
    """The cost, in words."""
    value: float
    """The figure that the target is for."""
    unit: str
    """`x`, `s`, `ms`, `MB` or `%`."""
    beside: str
    """What was run in turn with it, and both medians."""
    limit: float | None = None
    """The target: at most this; None where the figure is for information."""

    @property
    def result(self) -> str:
        """Whether the target is reached, in one word."""
        if self.limit is None:
            return "-"
        return "reached" if self.value <= self.limit else "**missed**"

    def number(self, value: float) -> str:
        """A number with this figure's unit."""
        if self.unit == "x":
            return f"{value:.2f}x"
        return f"{value:.3f} s" if self.unit == "s" else f"{value:.1f} {self.unit}"

    @property
    def target(self) -> str:
        """The target in words."""
        return "-" if self.limit is None else f"at most {self.number(self.limit)}"


def in_turn(first: Callable[[], T], second: Callable[[], T], pairs: int) -> tuple[list[T], list[T]]:
    """Both measured `pairs` times in turn, so that a slow moment of the machine strikes both alike."""
    firsts: list[T] = []
    seconds: list[T] = []
    for number in range(pairs):
        # Whoever goes second finds warmer caches: they take turns at that too.
        if number % 2:
            seconds.append(second())
            firsts.append(first())
        else:
            firsts.append(first())
            seconds.append(second())
    return firsts, seconds


def in_rounds(measures: Mapping[K, Callable[[], T]], rounds: int) -> dict[K, list[T]]:
    """Any number of things measured in turn; every round begins with the next one."""
    keys = list(measures)
    found: dict[K, list[T]] = {key: [] for key in keys}
    for number in range(rounds):
        first = number % len(keys)
        for key in [*keys[first:], *keys[:first]]:
            found[key].append(measures[key]())
    return found


def machine() -> str:
    """The kind of machine, without its name."""
    load = "unknown" if not hasattr(os, "getloadavg") else f"{os.getloadavg()[0]:.1f}"
    return (
        f"{date.today().isoformat()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, mcp {version('mcp')}, load before the first figure {load}"
    )


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [f"| {one.what} | {one.number(one.value)} | {one.beside} | {one.target} | {one.result} |" for one in figures]
    return "\n".join(["| cost | figure | beside it | target | |", "| --- | ---: | --- | --- | --- |", *rows])


def is_long() -> bool:
    """Whether the long version was asked for."""
    return "--long" in sys.argv[1:]


def measured(measure: Callable[..., Sequence[Figure]], is_long: bool) -> Sequence[Figure]:
    """The figures of one benchmark, of its long version if it has one and that is asked for."""
    return measure(is_long=True) if is_long and "is_long" in inspect.signature(measure).parameters else measure()


def show(measure: Callable[..., Sequence[Figure]]) -> int:
    """Measure and print: what a benchmark does when it is run alone; `--long` where it has a long version."""
    if sys.platform == "win32":
        print("The benchmarks need Linux or macOS, as Seedproof does.", file=sys.stderr)
        return 2
    print(machine(), end="\n\n")
    print(table(measured(measure, is_long())))
    return 0
