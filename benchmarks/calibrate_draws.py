"""Simulated campaigns without effect, under noise of several kinds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from twin import RULES, Campaigns, Floats

__all__ = ["NOISES", "NORMAL", "Noise", "draw"]


def _normal(rng: Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def _heavy(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """t with 3 degrees of freedom, whose variance is 3."""
    return np.asarray(rng.standard_t(3, shape) / np.sqrt(3))


def _tail_worse(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential: seeds that go wrong lie far out (lower is better), skewness 2."""
    return rng.standard_exponential(shape) - 1


def _tail_better(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """Its mirror image: lucky seeds lie far out."""
    return 1 - rng.standard_exponential(shape)


@dataclass(frozen=True, slots=True)
class Noise:
    """How values vary with the seed; the baseline's standard deviation is 1."""

    name: str
    """In words, as in the table."""
    draw: Callable[[Generator, tuple[int, ...]], Floats] = _normal
    """Values with mean 0 and standard deviation 1."""
    spread: float = 1.0
    """Standard deviation of runs with the experiment's flags."""
    correlation: float = 0.0
    """Between two arms at the same seed."""


NORMAL = Noise("normal, independent")
NOISES = (
    NORMAL,
    Noise("heavy tails (t with 3 degrees of freedom)", _heavy),
    Noise("skewed, far outliers are worse (exponential)", _tail_worse),
    Noise("skewed, far outliers are better (exponential)", _tail_better),
    Noise("experiment spreads half as much", spread=0.5),
    Noise("experiment spreads twice as much", spread=2.0),
    Noise("seed correlation .3", correlation=0.3),
    Noise("seed correlation .6", correlation=0.6),
    Noise("seed correlation .9", correlation=0.9),
)


def draw(rng: Generator, count: int, length: int, noise: Noise = NORMAL) -> Campaigns:
    """Campaigns without any effect; each has a baseline of its own."""
    seeds, pairs = len(RULES.baseline_seeds), len(RULES.confirm_seeds)

    def arms(shape: tuple[int, ...], of_seed: Floats) -> Floats:
        values: Floats = np.sqrt(1 - noise.correlation) * noise.draw(rng, shape)
        return values + np.sqrt(noise.correlation) * of_seed if noise.correlation else values

    old, new = noise.draw(rng, (count, 1, seeds)), noise.draw(rng, (count, 1, pairs))
    return Campaigns(
        baseline=arms((count, 1, seeds), old)[:, 0],
        experiments=noise.spread * arms((count, length, seeds), old),
        control=arms((count, length, pairs), new),
        fresh=noise.spread * arms((count, length, pairs), new),
    )
