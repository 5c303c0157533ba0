"""Tests and intervals for two arms, and the adjustment for many; each names the source of its formula."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedproof.stats.distributions import t_cdf, t_quantile
from seedproof.stats.summary import SampleError, ratio, summarize

__all__ = ["PairedTest", "TTest", "correlation", "holm", "paired", "welch"]

# Of every interval here.
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class TTest:
    """A t test of experiment minus baseline, in the metric's unit."""

    t: float
    """The statistic; positive where the experiment is higher."""
    df: float
    """Degrees of freedom."""
    p_value: float
    """Two-sided."""
    difference: float
    """Mean of the experiment minus mean of the baseline."""
    low: float
    """Lower limit of the difference's confidence interval."""
    high: float
    """Upper limit."""


@dataclass(frozen=True, slots=True)
class PairedTest(TTest):
    """The same on the differences of common seeds."""

    n: int
    """Number of common seeds."""
    correlation: float | None
    """Pearson's correlation of the two arms over the seeds. None where an arm has no spread."""


def welch(baseline: Sequence[float], experiment: Sequence[float]) -> TTest:
    """Welch's t test and 95 % interval; the arms may differ in spread and size.

    Source: Welch 1947; degrees of freedom after Satterthwaite 1946.

    Raises:
        SampleError: Fewer than two values in an arm, one that is not finite, no spread in either arm.
    """
    base, exp = _two(baseline), _two(experiment)
    errors = [found.std / math.sqrt(found.n) for found in (base, exp)]
    error = math.hypot(*errors)
    _require_spread(error)
    # In shares of the whole, so that tiny spreads do not vanish in the fourth power.
    df = 1 / math.fsum((part / error) ** 4 / (found.n - 1) for part, found in zip(errors, (base, exp), strict=True))
    return TTest(*_t_test(exp.mean - base.mean, error, df))


def paired(baseline_by_seed: Mapping[int, float], experiment_by_seed: Mapping[int, float]) -> PairedTest:
    """The paired t test and 95 % interval over the seeds that both arms have.

    Source: Student 1908, on the differences.

    Raises:
        SampleError: Fewer than two common seeds, a value that is not finite, or equal differences.
    """
    seeds = [seed for seed in baseline_by_seed if seed in experiment_by_seed]
    if len(seeds) < 2:
        raise SampleError(f"{len(seeds)} seeds in common; a paired test needs two")
    base = [baseline_by_seed[seed] for seed in seeds]
    exp = [experiment_by_seed[seed] for seed in seeds]
    _two(base), _two(exp)
    found = _two([after - before for before, after in zip(base, exp, strict=True)])
    # Equal decimals differ in their last bits as floats: that is no spread.
    rounding = 4 * sys.float_info.epsilon * max(map(abs, (*base, *exp)))
    _require_spread(found.std if found.std > rounding else 0.0)
    test = _t_test(found.mean, found.std / math.sqrt(found.n), found.n - 1)
    return PairedTest(*test, n=found.n, correlation=correlation(base, exp))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false claim; in the order given.

    Source: Holm 1979.

    Raises:
        SampleError: A value that is not between 0 and 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise SampleError("a p value lies outside 0 to 1")
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted


@dataclass(frozen=True, slots=True)
class _Sample:
    """A summary whose spread is known."""

    n: int
    mean: float
    std: float


def _two(values: Sequence[float]) -> _Sample:
    found = summarize(values)
    if found.std is None:
        raise SampleError("one value has no spread; a test needs two")
    return _Sample(found.n, found.mean, found.std)


def _require_spread(spread: float) -> None:
    if not spread > 0:
        raise SampleError("the values do not vary, so a test would divide by zero")


def _t_test(difference: float, error: float, df: float) -> tuple[float, float, float, float, float, float]:
    t = ratio(difference, error)
    half = t_quantile((1 + _CONFIDENCE) / 2, df) * error
    low, high = difference - half, difference + half
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SampleError("the interval is too wide for a float")
    return t, df, min(1.0, 2 * t_cdf(-abs(t), df)), difference, low, high


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation of two equally long samples; None where one has no spread.

    Source: Pearson 1896.

    Raises:
        SampleError: Fewer than two values, or one that is not finite.
    """
    one, other = _two(first), _two(second)
    if one.std == 0 or other.std == 0:
        return None
    products = ((a - one.mean) / one.std * ((b - other.mean) / other.std) for a, b in zip(first, second, strict=True))
    return min(1.0, max(-1.0, math.fsum(products) / (one.n - 1)))
