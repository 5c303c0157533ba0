"""A numbered axis: where values stand, how its ticks are written, and where labels beside it have room."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

__all__ = ["EXACT", "MEAN_DIGITS", "Axis", "fit_axis", "spread"]

# Decimals, because floats overflow in `high - low` near their limit and write ticks such as 0.30000000000000004.
# 50 digits hold a float's 17 and any difference of neighbours.
EXACT = Context(prec=50)
# Digits that a mean has beyond those of the ticks.
MEAN_DIGITS = 2
# Longer labels touch their neighbours; then values are written as distances from one of the ticks.
_LONGEST_LABEL = 11
# Powers of ten that are written out; outside of them `1.5e+07` is easier to read.
_PLAIN_POWERS = range(-3, 6)


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis; larger values stand higher."""

    low: Decimal
    """Value at the bottom."""
    high: Decimal
    """Value at the top. Above `low`."""
    step: Decimal
    """Distance of two ticks: 1, 2 or 5 times a power of ten."""
    top: float
    """Height of `high` in the picture; heights grow downwards."""
    bottom: float
    """Height of `low` in the picture."""

    def y(self, value: float | Decimal) -> float:
        """The height at which a value stands."""
        share = (Decimal(value) - self.low) / (self.high - self.low)
        return self.bottom - float(share) * (self.bottom - self.top)

    @property
    def ticks(self) -> list[Decimal]:
        """The round values on the axis, lowest first."""
        first = int((self.low / self.step).to_integral_value(ROUND_CEILING))
        last = int((self.high / self.step).to_integral_value(ROUND_FLOOR))
        return [number * self.step for number in range(first, last + 1)]

    @property
    def base(self) -> Decimal | None:
        """The roundest tick, where labels are distances from it; None where they are the values themselves."""
        longest = max(len(self._absolute(tick, MEAN_DIGITS)) for tick in self.ticks)
        roundest = min(self.ticks, key=lambda tick: len(tick.normalize().as_tuple().digits))
        return roundest if longest > _LONGEST_LABEL else None

    def label(self, value: float | Decimal, more_digits: int = 0) -> str:
        """A value as a tick label: as many digits as the ticks need, and `more_digits` more."""
        exact, base = Decimal(value), self.base
        if base is None:
            return self._absolute(exact, more_digits)
        distance = self._format(exact - base, max(base - self.low, self.high - base), more_digits)
        return f"+{distance}" if exact > base else distance

    def _absolute(self, value: Decimal, more_digits: int) -> str:
        return self._format(value, max(abs(self.low), abs(self.high)), more_digits)

    def _format(self, value: Decimal, largest: Decimal, more_digits: int) -> str:
        """A number down to the last digit of the step; with a power of ten if `largest` is very large or small."""
        if not value:
            return "0"
        last = self.step.adjusted() - more_digits
        if largest.adjusted() in _PLAIN_POWERS:
            return f"{value:.{max(0, -last)}f}"
        return f"{value:.{max(0, value.adjusted() - last)}e}"


def fit_axis(values: Sequence[float | Decimal], top: float, bottom: float) -> Axis:
    """An axis that holds all values, with a margin at both ends."""
    low, high = Decimal(min(values)), Decimal(max(values))
    margin = (high - low) * Decimal("0.06")
    if not margin:  # all values are equal: they stand in the middle
        margin = abs(low) * Decimal("0.05") or Decimal(1)
    low, high = low - margin, high + margin
    return Axis(low, high, _round_step((high - low) / 5), top, bottom)


def _round_step(about: Decimal) -> Decimal:
    """1, 2 or 5 times a power of ten, at least 2/3 and less than 5/3 of the step wished for."""
    power = Decimal(1).scaleb(about.adjusted())
    lead = about / power
    factor = 1 if lead < Decimal("1.5") else 2 if lead < 3 else 5 if lead < Decimal("7.5") else 10
    return (factor * power).normalize()


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights of labels: as close as possible to `heights`, in the same order, and at least `gap` apart.

    Isotonic least squares (pool adjacent violators; Barlow et al. 1972, section 1.2), then clipped to the bounds.
    """
    if not heights:
        return []
    gap = min(gap, (high - low) / len(heights))
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[tuple[float, int]] = []  # labels that touch: mean of their heights less rank x gap, and their number
    for rank, index in enumerate(order):
        pools.append((heights[index] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (first, many), (second, few) = pools[-2:]
            pools[-2:] = [((first * many + second * few) / (many + few), many + few)]
    last = high - (len(heights) - 1) * gap
    placed = [min(max(mean, low), last) for mean, count in pools for _ in range(count)]
    found = [0.0] * len(heights)
    for rank, index in enumerate(order):
        found[index] = placed[rank] + rank * gap
    return found
