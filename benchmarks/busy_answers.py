"""Busy answers: 8 and 32 servers on one project while it trains, all of them called at the same time."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain

from figures import Figure, median, show
from memory import HELD, held_training
from run_overhead import fresh_project, server_of
from wire import Wire

__all__ = ["measure"]

CLIENTS = (8, 32)
ROUNDS = 15
LIMIT_S = 1.0
# What every client asks in each round; the training is that of seed 137.
CALLS: dict[str, Callable[[Wire], float]] = {
    "`check_baseline`": lambda server: server.call_ms("check_baseline"),
    "`list_experiments`": lambda server: server.call_ms("list_experiments"),
    "`run_seed(wait_s=0)`": lambda server: server.call_ms("run_seed", seed=137, wait_s=0),
}


@contextmanager
def busy_servers(count: int) -> Iterator[list[Wire]]:
    """So many servers, each a process with its client, on one project that trains."""
    with fresh_project(HELD) as paths, ExitStack() as stack:
        servers = [stack.enter_context(Wire.of(server_of(paths, idle_s=30))) for _ in range(count)]
        for server in servers:
            server.initialize()
        stack.enter_context(held_training(paths, servers[0]))
        yield servers


def at_once_s(servers: Sequence[Wire], ask: Callable[[Wire], float]) -> list[float]:
    """How long each server takes for the same call, all called in the same moment."""
    together = threading.Barrier(len(servers))

    def one(server: Wire) -> float:
        together.wait()
        return ask(server) / 1000

    with ThreadPoolExecutor(len(servers)) as pool:
        return list(pool.map(one, servers))


def one_size(count: int) -> list[Figure]:
    """The worst answer of each call, the median beside it; and that of a server's first call of its kind."""
    with busy_servers(count) as servers:
        first = {what: at_once_s(servers, ask) for what, ask in CALLS.items()}
        later = {what: list(chain(*(at_once_s(servers, ask) for _ in range(ROUNDS)))) for what, ask in CALLS.items()}
    return [
        Figure(
            f"{what} by {count} clients at once, the worst answer",
            max(times),
            "s",
            f"median {median(times):.3f} s of {len(times)}; the worst first call of its kind {max(first[what]):.3f} s",
            LIMIT_S,
        )
        for what, times in later.items()
    ]


def measure() -> list[Figure]:
    """Both sizes."""
    return [figure for count in CLIENTS for figure in one_size(count)]


if __name__ == "__main__":
    sys.exit(show(measure))
