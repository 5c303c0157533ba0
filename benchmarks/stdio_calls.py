"""Raw stdio calls: `check_baseline` and `list_experiments` on long ledgers, beside an empty tool."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from figures import Figure, in_rounds, median, show
from large_ledger import write_campaign
from seedproof.ledger.study_events import Resumed
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system.paths import ProjectPaths
from wire import BARE, Wire, product

__all__ = ["measure"]

RUNS, LONG_RUNS = 1_000, 100_000
CALLS = 101
NEW_RECORDS = 7
ROWS = 20
CHECK_LIMIT, LIST_LIMIT = 1.5, 2.5
# How much more the same call may cost on a hundred times the runs.
GROWTH = 1.2


def timed(servers: dict[int, Wire], bare: Wire) -> dict[tuple[str, int], Callable[[], float]]:
    """Each call by its tool and the runs of its ledger; the empty tool has none."""
    calls: dict[tuple[str, int], Callable[[], float]] = {("ping", 0): lambda: bare.call_ms("ping")}
    for runs, server in servers.items():
        calls["check_baseline", runs] = lambda server=server: server.call_ms("check_baseline")  # type: ignore[misc]
        calls["list_experiments", runs] = lambda server=server: server.call_ms("list_experiments", limit=ROWS)  # type: ignore[misc]
    return calls


def first_answers(servers: dict[int, Wire], bare: Wire) -> dict[int, float]:
    """Seconds of each server's first call, which reads the whole ledger; not what is judged here."""
    bare.initialize()
    bare.call("ping")
    first_s = {}
    for runs, server in servers.items():
        server.initialize()
        first_s[runs] = server.call_ms("check_baseline") / 1000
        server.call("list_experiments", limit=ROWS)
    return first_s


def after_a_record_ms(project: Path, server: Wire) -> float:
    """Median milliseconds of the first list after each of a few new records, when every experiment is looked at."""
    ledger, found = Ledger(ProjectPaths(project)), []
    for _ in range(NEW_RECORDS):
        with ledger.writing() as writer:
            writer.append(Resumed(reason="a benchmark", failures=1))
        found.append(server.call_ms("list_experiments", limit=ROWS))
    return median(found)


def measured(sizes: Sequence[int]) -> tuple[dict[tuple[str, int], float], dict[int, float], dict[int, float]]:
    """Median milliseconds of each call, seconds of each first one, milliseconds of a list after a new record."""
    with ExitStack() as stack:
        servers, folders = {}, {}
        for runs in sizes:
            folder = folders[runs] = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            write_campaign(ProjectPaths(folder), runs, is_judged=True)
            servers[runs] = stack.enter_context(Wire(product(folder)))
        bare = stack.enter_context(Wire(BARE))
        first_s = first_answers(servers, bare)
        times = in_rounds(timed(servers, bare), CALLS)
        new_ms = {runs: after_a_record_ms(folders[runs], servers[runs]) for runs in sizes}
        return {key: median(found) for key, found in times.items()}, first_s, new_ms


def measure(is_long: bool = False) -> list[Figure]:
    """The ratios at 1,000 runs; with `--long` also at 100,000, held to those at 1,000."""
    sizes = (RUNS, LONG_RUNS) if is_long else (RUNS,)
    found, first_s, new_ms = measured(sizes)
    empty = found["ping", 0]
    figures = []
    for tool, limit in (("check_baseline", CHECK_LIMIT), ("list_experiments", LIST_LIMIT)):
        for runs in sizes:
            allowed = limit if runs == RUNS else GROWTH * found[tool, RUNS] / empty
            beside = f"{found[tool, runs]:.2f} ms; an empty tool {empty:.2f} ms (medians of {CALLS})"
            figures.append(
                Figure(f"`{tool}` over stdio, {runs:,} runs", found[tool, runs] / empty, "x", beside, allowed)
            )
    figures += [
        Figure(f"`list_experiments` after a new record, {runs:,} runs", ms, "ms", f"medians of {NEW_RECORDS}")
        for runs, ms in new_ms.items()
    ]
    figures += [
        Figure(f"a server's first call on {runs:,} runs", seconds, "s", "reads and verifies the whole ledger")
        for runs, seconds in first_s.items()
    ]
    return figures


if __name__ == "__main__":
    sys.exit(show(measure))
