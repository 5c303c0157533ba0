"""Samples: what one arm's values are, and how two arms differ in the protocol's own terms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "EFFECT_SIZES",
    "EffectSize",
    "SampleError",
    "Summary",
    "cohens_d",
    "effect_size",
    "percent_change",
    "pooled_std",
    "ratio",
    "reaches",
    "summarize",
]

# (0.3 - 0.1) / 0.1 is a last bit below 2, and that must not cost a verdict. Such errors are near 1e-15; distances that
# are measured hardly lie within 1e-9 of a threshold by chance.
_TIE = 1e-9

# Its square is a float.
_LARGEST_RATIO = 1e150

EffectSize = Literal["negligible", "small", "medium", "large"]

EFFECT_SIZES: Mapping[EffectSize, float] = {"negligible": 0.0, "small": 0.2, "medium": 0.5, "large": 0.8}
"""The protocol's classes of |d|, and where each begins (Cohen 1988, section 2.2.3)."""


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
        SampleError: No value, one that is not finite, or values too far apart for a float.
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
    if not math.isfinite(std):
        raise SampleError("the values are too far apart for a float")
    return Summary(len(values), mean, 0.0 if low == high else std, low, high)


def pooled_std(arms: Sequence[Summary]) -> tuple[float, int]:
    """Standard deviation within arms, pooled by degrees of freedom, and those.

    Source: Fisher 1925.

    Raises:
        SampleError: No arm has two values, or none has any spread.
    """
    df = sum(arm.n - 1 for arm in arms)
    if df < 1:
        raise SampleError("no arm has two values, so the spread is unknown")
    pooled = math.hypot(*((arm.std or 0.0) * math.sqrt(arm.n - 1) for arm in arms)) / math.sqrt(df)
    if not pooled > 0:
        raise SampleError("the values do not vary, so a test would divide by zero")
    return pooled, df


def percent_change(baseline_mean: float, experiment_mean: float) -> float | None:
    """Change of the mean in percent of the baseline's; None where the baseline's mean is (all but) 0.

    Raises:
        SampleError: A mean is not finite.
    """
    if not (math.isfinite(baseline_mean) and math.isfinite(experiment_mean)):
        raise SampleError("a mean is not finite")
    if baseline_mean == 0:
        return None
    change = 100.0 * ((experiment_mean - baseline_mean) / abs(baseline_mean))
    return change if math.isfinite(change) else None


def cohens_d(baseline: Sequence[float], experiment: Sequence[float]) -> float | None:
    """(mean_exp - mean_base) / sqrt((std_base^2 + std_exp^2) / 2), the protocol's formula.

    Source: experiment-runner protocol, phase 3; Cohen 1988, eq. 2.3.2, for equal n.
    None where an arm has fewer than two values or neither has any spread.

    Raises:
        SampleError: An empty arm, a value that is not finite, or values too far apart for a float.
    """
    base, exp = summarize(baseline), summarize(experiment)
    if base.std is None or exp.std is None:
        return None
    pooled = math.hypot(base.std, exp.std) / math.sqrt(2)
    return ratio(exp.mean - base.mean, pooled) if pooled > 0 else None


def effect_size(d: float) -> EffectSize:
    """The class of |d| in `EFFECT_SIZES`.

    Raises:
        SampleError: d is not a number.
    """
    size = abs(d)
    if math.isnan(size):
        raise SampleError("d is not a number")
    reached: list[EffectSize] = [name for name, least in EFFECT_SIZES.items() if size >= least]
    return reached[-1]


def reaches(distance: float, threshold: float) -> bool:
    """Whether a distance is at least the threshold; a tie counts, even after rounding."""
    return distance >= threshold - _TIE


def ratio(difference: float, error: float) -> float:
    """A difference in units of a spread above 0.

    Raises:
        SampleError: So large that what follows would overflow; such a ratio is made by rounding alone.
    """
    t = difference / error
    if not abs(t) < _LARGEST_RATIO:
        raise SampleError("the difference is too large, or the spread too small, for a float")
    return t
