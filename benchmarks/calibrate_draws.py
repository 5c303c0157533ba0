"""Draws of campaigns without effect under noise of several kinds, in blocks; means over them with their errors."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from twin import PAIRS, RULES, Campaigns, Floats

__all__ = ["BLOCK", "NOISES", "NORMAL", "SAME_SEED", "SPREADS", "STUDY_BLOCK", "Estimate", "Noise", "draw", "in_blocks"]

# A block is one task with its own stream of numbers, small enough for the caches; a multiple of the portfolio's 20.
BLOCK = 1_000
# Studies of one experiment are smaller than campaigns.
STUDY_BLOCK = 20_000
WORKERS = 2
OUTLIER_SHARE, OUTLIER_SPREAD = 0.05, 5.0

Drawn = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over independent units and its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Any) -> "Estimate":
        """From one value for each independent campaign or study."""
        each = np.asarray(values, dtype=float)
        return cls(float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))))

    @classmethod
    def ratio(cls, above: Any, below: Any) -> "Estimate":
        """Of two sums over them; the error is that of the linearised ratio (Cochran 1977, section 2.11)."""
        one, other = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
        value = float(one.sum() / other.sum())
        rest = one - value * other
        return cls(value, float(rest.std(ddof=1) / other.mean() / np.sqrt(len(one))))


def in_blocks(task: Callable[[Generator], Drawn], units: int, seed: int, size: int = BLOCK) -> dict[str, Floats]:
    """What the task finds for each unit, joined over all blocks.

    Args:
        task: Finds named arrays for the units of one block.
        units: How many, rounded up to whole blocks.
        seed: The blocks' streams are spawned from it, so threads change nothing.
        size: Units of a block.
    """
    streams = [np.random.default_rng(each) for each in SeedSequence(seed).spawn(-(-units // size))]
    with ThreadPoolExecutor(WORKERS) as pool:
        blocks = list(pool.map(task, streams))
    return {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}


# --- noise ------------------------------------------------------------------------------------


def _normal(rng: Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def _heavy(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """t with 3 degrees of freedom, whose variance is 3."""
    return np.asarray(rng.standard_t(3, shape) / np.sqrt(3))


def _lucky(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential, mirrored: lucky seeds lie far out (lower is better), skewness 2."""
    return 1 - rng.standard_exponential(shape)


def _outliers(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """One run in twenty spreads five times as much; the other runs' standard deviation is 1."""
    return rng.standard_normal(shape) * np.where(rng.random(shape) < OUTLIER_SHARE, OUTLIER_SPREAD, 1.0)


@dataclass(frozen=True, slots=True)
class Noise:
    """How values vary with the seed."""

    name: str
    """In words, as in the table."""
    draw: Callable[[Generator, tuple[int, ...]], Floats] = _normal
    """Values of the baseline."""
    spread: float = 1.0
    """Standard deviation of runs with an experiment's flags, in those of the baseline."""
    correlation: float = 0.0
    """Between two arms at the same seed."""
    drift: float = 0.0
    """How much better every run after the baseline is, whatever its flags."""


NORMAL = Noise("independent normal noise")
SAME_SEED = Noise("the same seed moves both sides alike, correlation .9", correlation=0.9)
SPREADS = (
    NORMAL,
    Noise("experiments spread 2 times as much", spread=2.0),
    Noise("experiments spread 3 times as much", spread=3.0),
    Noise("experiments spread 10 times as much", spread=10.0),
)
NOISES = (
    *SPREADS,
    Noise("heavy tails: t with 3 degrees of freedom", _heavy),
    Noise("lucky outliers: exponential, far values are better", _lucky),
    Noise("5 % outliers: one run in 20 spreads five times as much", _outliers),
    Noise("drift: all runs after the baseline are .5 true sigma better", drift=0.5),
    SAME_SEED,
)


def draw(rng: Generator, count: int, length: int, noise: Noise = NORMAL) -> Campaigns:
    """Campaigns without any effect; each has a baseline of its own."""
    seeds = len(RULES.baseline_seeds)
    shared = np.sqrt(noise.correlation)
    old, new = (noise.draw(rng, (count, 1, n)) if shared else np.zeros(()) for n in (seeds, PAIRS))

    def arms(shape: tuple[int, ...], of_seed: Floats) -> Floats:
        values = noise.draw(rng, shape)
        return np.sqrt(1 - noise.correlation) * values + shared * of_seed if shared else values

    base = arms((count, 1, seeds), old)[:, 0]
    return Campaigns(
        baseline=base,
        experiments=noise.spread * arms((count, length, seeds), old) - noise.drift,
        control=arms((count, length, PAIRS), new) - noise.drift,
        fresh=noise.spread * arms((count, length, PAIRS), new) - noise.drift,
    )
