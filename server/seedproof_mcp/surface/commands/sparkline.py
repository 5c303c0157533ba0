"""A row of values as a line of bars that is one character high."""

import math
from collections.abc import Sequence

__all__ = ["sparkline"]

_BARS, _ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def sparkline(values: Sequence[float], width: int, *, is_ascii: bool = False) -> str:
    """The values from left to right, thinned to a width; those that are not finite are gaps."""
    bars = _ASCII if is_ascii else _BARS
    count = min(width, len(values))
    if count < 1:
        return ""
    shown = [values[round(at * (len(values) - 1) / max(1, count - 1))] for at in range(count)]
    finite = [one for one in shown if math.isfinite(one)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return "".join(" " if not math.isfinite(one) else bars[_level(one, low, high, len(bars))] for one in shown)


def _level(value: float, low: float, high: float, levels: int) -> int:
    # Half of each bound first: the difference of two large numbers may not be finite.
    share = 0.0 if high <= low else (value / 2 - low / 2) / (high / 2 - low / 2)
    return min(levels - 1, int(share * levels))
