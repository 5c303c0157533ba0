"""Draws the difference of an experiment with its interval, and that of its fresh pairs, on an axis with zero."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from seedproof.model.arms import Baseline
from seedproof.model.results import Comparison
from seedproof.report import svg
from seedproof.report.axis import Axis, fit_axis
from seedproof.report.drawing import EDGE
from seedproof.report.head import primary_interval
from seedproof.report.summary import Digits
from seedproof.verdict.evidence import Evidence

__all__ = ["Difference", "differences_of", "draw_differences"]

_LEFT, _RIGHT = 116.0, 450.0  # of the axis; what is measured stands left of it, numbers right
_ROW = 20.0
# A longer number is written with three digits, so that a row fits.
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """One measured difference, experiment minus baseline."""

    name: str
    """What measured it."""
    value: float
    """The difference, in the metric's unit."""
    low: float | None
    """End of its interval at the lower side; None where that is open or not known."""
    high: float | None
    """End at the upper side; likewise."""
    words: str
    """The numbers."""


def differences_of(comparison: Comparison, evidence: Evidence | None) -> list[Difference]:
    """What the arms and the fresh pairs measured; empty where a seed diverged."""
    if comparison.delta is None:
        return []
    number, interval, found = Digits(comparison.baseline).signed, primary_interval(evidence), comparison.confirmation
    value = comparison.delta if interval is None else interval.difference
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    words = _short(value, number)
    if interval is not None:
        words += f" (95 % {_short(interval.low, number)} to {_short(interval.high, number)})"
    rows = [Difference("measured", value, low, high, words)]
    if found is not None and found.difference is not None:
        rows.append(_fresh(comparison.baseline, found.difference, found.at_least, number))
    return rows


def _fresh(baseline: Baseline, value: float, at_least: float | None, number: Callable[[float], str]) -> Difference:
    """The difference of the fresh pairs with the end of its one-sided interval; the other end is open."""
    sign = baseline.rules.metric.sign
    bound = None if at_least is None else sign * at_least
    side = "<" if sign < 0 else ">"
    words = _short(value, number) + ("" if bound is None else f" ({side} {_short(bound, number)})")
    low, high = (None, bound) if sign < 0 else (bound, None)
    return Difference("fresh pairs", value, low, high, words)


def _short(value: float, number: Callable[[float], str]) -> str:
    text = number(value)
    return text if len(text) <= _LONGEST else f"{value:+.3g}"


def draw_differences(rows: list[Difference], name: str, top: float) -> tuple[list[str], float]:
    """The shapes, and the height at which they end.

    Args:
        name: The deciding metric.
        top: Base line of the title.
    """
    values = [0.0, *(one for row in rows for one in (row.value, row.low, row.high) if one is not None)]
    # Heights of an axis grow downwards, so its bottom is the left end here.
    axis = fit_axis(values, _RIGHT, _LEFT)
    first, bottom = top + 14, top + 14 + _ROW * len(rows)
    shapes = [svg.text(EDGE, top, f"Difference in {name} (experiment minus baseline)", "panel")]
    shapes += [svg.rect(_LEFT, first, _RIGHT, bottom, "frame")]
    shapes += [svg.line(axis.y(0), first, axis.y(0), bottom, "middle"), *_ends(axis, bottom)]
    for place, row in enumerate(rows):
        shapes += _row(axis, row, first + _ROW * (place + 0.5))
    return shapes, bottom + 16


def _ends(axis: Axis, bottom: float) -> Iterator[str]:
    """Zero, and the tick that lies farthest from it: labels of neighbours could touch."""
    for tick in dict.fromkeys((Decimal(0), max(axis.ticks, key=abs))):
        yield svg.text(axis.y(tick), bottom + 13, axis.label(tick), "tick faint", "middle")


def _row(axis: Axis, row: Difference, y: float) -> Iterator[str]:
    left, right = (
        axis.y(axis.low if row.low is None else row.low),
        axis.y(axis.high if row.high is None else row.high),
    )
    yield svg.text(_LEFT - 8, y + 4, row.name, "name", "end")
    if row.low is not None or row.high is not None:
        yield svg.line(left, y, right, y, "mean experiment")
    yield svg.diamond(axis.y(row.value), y, "mark experiment", f"{row.name}: {row.words}")
    yield svg.text(_RIGHT + 8, y + 4, row.words, "")
