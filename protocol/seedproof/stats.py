"""The protocol's statistics: pure functions of numbers, each with the source of its formula."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["EffectSize", "SampleError", "Summary", "cohens_d", "effect_size", "percent_change", "summarize"]

EffectSize = Literal["negligible", "small", "medium", "large"]


class SampleError(ValueError):
    """The numbers given cannot answer the question (too few, not finite, no spread)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the reports say of one metric in one arm, in the metric's unit."""

    n: int
    """Number of runs."""
    mean: float
    """Arithmetic mean."""
    std: float | None
    """Sample standard deviation (ddof = 1). None if only one run counts."""
    min: float
    """Smallest value."""
    max: float
    """Largest value."""


def summarize(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation (ddof = 1), minimum and maximum.

    Raises:
        SampleError: No value, or one that is not finite.
    """
    if not values:
        raise SampleError("no value to summarize")
    if not all(math.isfinite(value) for value in values):
        raise SampleError("a value is not finite")
    low, high = min(values), max(values)
    # The clamp keeps min <= mean <= max where rounding would break it (three times 0.1).
    mean = min(max(math.fsum(value / len(values) for value in values), low), high)
    if len(values) == 1:
        return Summary(1, mean, None, low, high)
    # hypot scales, so neither tiny nor huge values under- or overflow in the squares.
    std = math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1)
    return Summary(len(values), mean, 0.0 if low == high else std, low, high)


def percent_change(baseline_mean: float, experiment_mean: float) -> float | None:
    """Change of the mean in percent of the baseline's; None where the baseline's mean is 0."""
    if baseline_mean == 0:
        return None
    return 100.0 * (experiment_mean - baseline_mean) / abs(baseline_mean)


def cohens_d(baseline: Sequence[float], experiment: Sequence[float]) -> float | None:
    """(mean_exp - mean_base) / sqrt((std_base^2 + std_exp^2) / 2), the protocol's formula.

    Source: experiment-runner protocol, phase 3; Cohen 1988, eq. 2.3.2, for equal n.
    None where an arm has fewer than two values or neither has any spread.

    Raises:
        SampleError: An empty arm, or a value that is not finite.
    """
    base, exp = summarize(baseline), summarize(experiment)
    if base.std is None or exp.std is None:
        return None
    pooled = math.hypot(base.std, exp.std) / math.sqrt(2)
    return (exp.mean - base.mean) / pooled if pooled > 0 else None


def effect_size(d: float) -> EffectSize:
    """The protocol's class of |d|: below 0.2, 0.5, 0.8, or large (Cohen 1988, section 2.2.3)."""
    size = abs(d)
    if size < 0.2:
        return "negligible"
    if size < 0.5:
        return "small"
    return "medium" if size < 0.8 else "large"
