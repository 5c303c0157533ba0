"""Tests at several looks at one arm: the screening design, and the sequential one of earlier ledgers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from seedproof.stats.distributions import t_tail
from seedproof.stats.power import OperatingPoint, Sizes
from seedproof.stats.summary import pooled_std, reaches, summarize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Decision", "Stage", "look_p", "screening_effect", "screening_power", "stages"]

Design = Literal["screening", "sequential"]
Decision = Literal["WINNER", "LOSER", "dropped", "continue"]

WINNER_P = 0.02
"""The one-sided p of a WINNER: with the stops below, 3.0 % of experiments without effect (docs/calibration.md)."""
# The fewest seeds of a WINNER, by the protocol.
_LEAST_SEEDS = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """One look at an arm, after `seeds` seeds."""

    seeds: int
    """Seeds of the experiment."""
    dropped_above: float
    """An experiment with a larger one-sided p ends here."""
    has_losers: bool = False
    """Whether a p of 1 - WINNER_P is a LOSER."""

    def decide(self, p_better: float) -> Decision:
        """What the p of this look says; a limit within 1e-9 counts as reached."""
        if self.seeds >= _LEAST_SEEDS and reaches(WINNER_P, p_better):
            return "WINNER"
        if self.has_losers and reaches(p_better, 1 - WINNER_P):
            return "LOSER"
        return "continue" if reaches(self.dropped_above, p_better) else "dropped"


# One seed that is not better than the baseline's mean, two with t below .559, three with t below .906: each would end
# as a WINNER too rarely to pay for its runs. Source: futility stops, Lan, Simon and Halperin 1982; Pocock 1977 for the
# equal levels.
_DROPPED_ABOVE = {1: 0.5, 2: 0.3}
_DROPPED_ABOVE_FIRST = 0.2
_SEQUENTIAL_FUTILITY = 0.3


def stages(design: Design, first: int, every: int) -> tuple[Stage, ...]:
    """The looks of a design, in order; at the last one whatever is no WINNER ends.

    Args:
        first: Seeds of the first look of the protocol.
        every: Seeds with the extra ones.
    """
    if design == "sequential":
        limits = {first: _SEQUENTIAL_FUTILITY}
    else:
        limits = {**{n: p for n, p in _DROPPED_ABOVE.items() if n < first}, first: _DROPPED_ABOVE_FIRST}
    has_losers = design == "sequential"
    return tuple(Stage(n, WINNER_P if n == every else limits.get(n, 0), has_losers) for n in {**limits, every: 0.0})


def look_p(baseline: Sequence[float], experiment: Sequence[float], sign: int) -> float:
    """One-sided p that the experiment is better, by Student's t with the variance pooled over both arms.

    Source: Student 1908; Fisher 1925. The p that it is worse is 1 minus this.

    Args:
        baseline: Values of the baseline.
        experiment: Values of the experiment; one is enough.
        sign: +1 where larger is better, -1 where smaller is better.

    Raises:
        SampleError: An empty arm, a value that is not finite, no spread or no degree of freedom.
    """
    base, exp = summarize(baseline), summarize(experiment)
    spread, df = pooled_std((base, exp))
    return t_tail(sign * (exp.mean - base.mean) / spread / math.sqrt(1 / base.n + 1 / exp.n), df)


# --- how often it errs, and what it finds -------------------------------------------------------

# Their standard error is a tenth of a per cent of experiments, below what is printed.
_STUDIES = 200_000


@lru_cache(maxsize=256)
def screening_power(effect_sigma: float, sizes: Sizes, design: Design = "screening") -> OperatingPoint:
    """What a design does with a true effect, in 200,000 seeded simulated studies with independent normal noise.

    Args:
        effect_sigma: True improvement in sigmas; negative is worse.
        sizes: Numbers of seeds.
        design: The screening design, or the sequential one of earlier ledgers.
    """
    ends = _ends(effect_sigma, sizes, design)
    return OperatingPoint(*(sum(getattr(one, name) for one in ends) / _STUDIES for name in _ENDS))


@lru_cache(maxsize=64)
def screening_effect(power: float, sizes: Sizes, design: Design = "screening") -> float:
    """The true improvement, in sigmas, that a design calls WINNER with this probability, to two decimals."""
    from scipy.optimize import brentq

    found = brentq(lambda effect: screening_power(effect, sizes, design).p_winner - power, 0.0, 20.0, xtol=2e-3)
    return round(float(found), 2)


@dataclass(frozen=True, slots=True)
class _Ends:
    """How many studies ended at one look, and the runs of their experiments."""

    winners: int
    losers: int
    runs: int


_ENDS = ("winners", "losers", "runs")


def _ends(effect: float, sizes: Sizes, design: Design) -> list[_Ends]:
    import numpy as np
    from scipy.special import stdtrit

    (mean, squares), values = _draws(sizes)
    is_open = np.ones(_STUDIES, dtype=bool)
    found = []
    for stage in stages(design, sizes.first, sizes.all):
        n, df = stage.seeds, sizes.baseline + stage.seeds - 2
        part = values[is_open, :n]
        own = part.mean(axis=1)
        pooled = squares[is_open] + np.square(part - own[:, None]).sum(axis=1)
        t = (own + effect - mean[is_open]) / np.sqrt(pooled / df * (1 / n + 1 / sizes.baseline))
        at_winner, at_drop = (float(stdtrit(df, 1 - p)) for p in (WINNER_P, stage.dropped_above))
        winners = (t >= at_winner) & (n >= _LEAST_SEEDS)
        losers = (t <= -at_winner) & stage.has_losers
        ends = winners | losers | (t < at_drop) | (n == sizes.all)
        found.append(_Ends(int(winners.sum()), int(losers.sum()), n * int(ends.sum())))
        is_open[is_open] = ~ends
    return found


@lru_cache(maxsize=4)
def _draws(sizes: Sizes) -> tuple[tuple["NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float64]"]:
    """Mean and sum of squares of each baseline, and the values of each experiment; the same draws for every effect."""
    import numpy as np

    rng = np.random.default_rng(42)
    baseline = rng.standard_normal((_STUDIES, sizes.baseline))
    mean = baseline.mean(axis=1)
    return (mean, np.square(baseline - mean[:, None]).sum(axis=1)), rng.standard_normal((_STUDIES, sizes.all))
