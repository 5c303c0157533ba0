"""Numbers as programs print them."""

import math
import re
from collections.abc import Iterable

from seedproof.model.metric_patterns import NUMBER

__all__ = ["NUMBER_GOES_ON", "finite_value", "parse_number", "printed_resolution", "printed_step", "read_number"]


_LARGEST = 1e150  # the square of it is still a float, so statistics of such values exist
_NUMBER_CHARS = 100  # a double needs 24, Decimal and numpy.longdouble print up to about 40

_WHOLE_NUMBER = re.compile(NUMBER)
# What makes the digits before it a part of another number: more digits, an exponent (`e-5`, Fortran's `D-5`, `x10^-5`),
# `0x1f`, separators of thousands, `7.6k`.
NUMBER_GOES_ON = re.compile(
    r"[0-9]|\.[0-9]|[eEdD][+-]?[0-9]|[xX][0-9a-fA-F]|_[0-9]|['’\u00a0\u2009\u202f][0-9]{3}(?![0-9])"
    r"|[kKMGT](?![A-Za-z0-9_])|\s?[x×*·]\s?10(?:\^|\*\*|[⁰¹²³⁴-⁹⁺⁻])|\^|\*\*[0-9-]"
)
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?P<groups>(?:,[0-9]{3}){1,18})(?P<decimals>\.[0-9]{1,60})?")
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


def read_number(text: str, *, commas_are_thousands: bool = False) -> float | None:
    """Return the number that `text` is, which may have commas between its thousands.

    `1,012.4` and `1,234,567` can be nothing else; `7,618` may be 7.618 with a decimal comma.

    Args:
        text: The value as printed.
        commas_are_thousands: Whether `7,618` is 7618; otherwise it is no number.
    """
    match = _THOUSANDS.fullmatch(text)
    if match is None:
        return parse_number(text)
    is_clear = commas_are_thousands or match["decimals"] is not None or len(match["groups"]) > 4
    return parse_number(text.replace(",", "")) if is_clear else None


def printed_resolution(text: str) -> float | None:
    """Return the unit of the last printed digit (`3.7538`: 0.0001), None for nan and inf."""
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
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
    """The value of a number as printed; None for nan, inf and what is on its way there: then the run has diverged."""
    value = read_number(text, commas_are_thousands=True)
    return value if value is not None and abs(value) <= _LARGEST else None
