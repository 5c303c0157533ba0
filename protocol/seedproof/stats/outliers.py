"""Finds a value that lies too far from the others of a small sample."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["DIXON_Q", "Outlier", "find_outlier"]

K = TypeVar("K", bound=Hashable)

# Dixon's r10 (Q) by number of values, two-sided .5 %, rounded up: from the joint density of the outer three order
# statistics of a normal sample. Definition and smaller tables: Dixon 1950; Rorabacher 1991. A test simulates them.
DIXON_Q = {5: 0.859, 6: 0.781, 7: 0.720, 8: 0.672, 9: 0.634, 10: 0.602, 11: 0.577, 12: 0.555}


@dataclass(frozen=True, slots=True)
class Outlier(Generic[K]):
    """A value far from its neighbour."""

    key: K
    """Which value."""
    q: float
    """Its gap to the neighbour over the width of the sample."""
    limit: float
    """What noise alone exceeds in one of 200 samples."""


def find_outlier(values: Mapping[K, float], step: float = 0.0) -> Outlier[K] | None:
    """The smallest or largest value, if it lies too far from its neighbour by Dixon's Q; None if there is none.

    Args:
        values: By key; fewer than five, or more than the table has, are too few or too many to tell.
        step: Unit that the values are rounded to, which the gap is reduced by: rounding makes neighbours equal.
    """
    limit = DIXON_Q.get(len(values))
    ordered = sorted(values.items(), key=lambda item: item[1])
    if limit is None or ordered[0][1] == ordered[-1][1]:
        return None
    width = ordered[-1][1] - ordered[0][1]
    gaps = {ordered[0][0]: ordered[1][1] - ordered[0][1], ordered[-1][0]: ordered[-1][1] - ordered[-2][1]}
    key = max(gaps, key=lambda one: gaps[one])
    q = (gaps[key] - step) / width
    return Outlier(key, q, limit) if q >= limit else None
