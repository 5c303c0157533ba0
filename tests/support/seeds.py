"""The seeds that the rules use where a project says nothing else, and a source of fresh ones that tests can foresee."""

import itertools
from collections.abc import Callable

__all__ = ["FRESH", "FRESH_SIX", "SEEDS", "foreseen"]

SEEDS = (42, 137, 256, 512, 1024)
FRESH_SIX = (100_003, 100_019, 100_043, 100_049, 100_057, 100_069)
"""The first seeds that `foreseen` draws."""
FRESH = FRESH_SIX[:3]
"""Those of the first stage of a confirmation."""


def foreseen() -> Callable[[int], int]:
    """A random source that draws `FRESH_SIX` first, then 100,100 and on."""
    drawn = itertools.chain((seed - 100_000 for seed in FRESH_SIX), itertools.count(100))
    return lambda below: next(drawn) % below
