"""Numbers as programs print them."""

import math
import re
from collections.abc import Iterable

from seedproof.model.metric_patterns import NUMBER

__all__ = ["finite_value", "parse_number", "printed_resolution", "printed_step"]


_LARGEST = 1e150  # the square of it is still a float, so statistics of such values exist
_NUMBER_CHARS = 100  # a double needs 24, Decimal and numpy.longdouble print up to about 40

_WHOLE_NUMBER = re.compile(NUMBER)
NUMBER_GOES_ON = re.compile(r"[0-9]|\.[0-9]|[eE][+-]?[0-9]")
_DIGITS = re.compile(r"[+-]?[0-9]*\.?(?P<decimals>[0-9]*)(?:[eE](?P<exponent>[+-]?[0-9]+))?")


def parse_number(text: str) -> float | None:
    """Return the number that `text` is, or None when it is not one, strictly.

    `1e-3`, `.5`, `-2.`, `nan` and `-Infinity` are numbers; `4,12`, `1_000`, `0x10` and `4.1.2`
    are not, and neither is `1e999`: no double has that value.
    """
    if len(text) > _NUMBER_CHARS or not _WHOLE_NUMBER.fullmatch(text):
        return None
    value = float(text)
    overflowed = math.isinf(value) and "n" not in text.lower()
    return None if overflowed else value


def printed_resolution(text: str) -> float | None:
    """Return the unit of the last printed digit (`3.7538`: 0.0001), None for nan and inf."""
    value = parse_number(text)
    digits = _DIGITS.fullmatch(text)
    if value is None or digits is None:
        return None
    power = int(digits["exponent"] or 0) - len(digits["decimals"])
    return float(f"1e{power}")


def printed_step(texts: Iterable[str]) -> float:
    """The smallest unit of the last printed digits; 0 where none of them is a finite number."""
    return min((step for text in texts if (step := printed_resolution(text)) is not None), default=0.0)


def finite_value(text: str) -> float | None:
    """The value of a number; None for nan, inf and what is on its way there: then the run has diverged."""
    value = parse_number(text)
    return value if value is not None and abs(value) <= _LARGEST else None
