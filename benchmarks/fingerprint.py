"""What a run's fingerprint costs: with an interpreter that has to be asked, and with one that has answered."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import Figure, in_turn, median, show
from seedproof.model.code import Code
from seedproof.model.rules import Rules
from seedproof_mcp.host import environment
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

ROUNDS = 15
FIRST_MS, CACHED_MS = 300.0, 20.0
# The code is hashed when an arm is declared, not with each run.
CODE = Code("0" * 64, "snapshot", "0" * 40)


def take(paths: ProjectPaths, config: Config) -> None:
    """One fingerprint of a run in this Python; the packages must be in it."""
    found = Surroundings(paths, config, ThisMachine()).fingerprint(CODE)
    if found["packages_sha256"] is None:
        raise SystemExit("the interpreter did not answer")


def start_python() -> None:
    """The same interpreter, started and ended: the least that asking can cost."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def milliseconds(act: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)


def measure() -> list[Figure]:
    """The first fingerprint in an environment, and the following ones."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder))
        config = Config(rules=Rules(), settings=Settings(python=sys.executable))

        def first() -> float:
            environment._answers.clear()  # as in a process that has asked nobody
            return milliseconds(lambda: take(paths, config))

        firsts, starts = in_turn(first, lambda: milliseconds(start_python), ROUNDS)
        take(paths, config)
        following = [milliseconds(lambda: take(paths, config)) for _ in range(ROUNDS)]
    beside = f"`python -c pass` {median(starts):.1f} ms (medians of {ROUNDS})"
    return [
        Figure("fingerprint, the first in an environment", median(firsts), "ms", beside, FIRST_MS),
        Figure("fingerprint, the interpreter's answer known", median(following), "ms", beside, CACHED_MS),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
