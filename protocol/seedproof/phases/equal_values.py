"""Whether equal values of two seeds may be chance, before anything is known of the spread."""

import math
import re
from collections.abc import Sequence

from seedproof.metrics.numbers import finite_value, printed_step
from seedproof.model.metric_rule import MetricRule

__all__ = ["may_be_equal", "significant_digits"]

# Two honest values of so few digits may well be equal.
_FEW_DIGITS = 3
# With more decimals than shares of so many cases need, a value that is one anyway is one.
_MOST_CASES = 20_000
_CERTAIN_DIGITS = 9
# Metrics that are shares of cases and fall.
_ERRORS = re.compile(r"(?:^|_)(?:err|error|errors|wer|cer|mer|miss|misses|fnr|fpr|eer|rate)(?:_|$)")


def significant_digits(text: str) -> int:
    """How many digits a printed number has, without zeros before them."""
    return len(re.sub(r"[eE].*|[^0-9]", "", text).lstrip("0"))


def may_be_equal(texts: Sequence[str], metric: MetricRule) -> bool:
    """Whether two honest runs may print these values, which are equal.

    Whole numbers, few digits, and what may be a share of a number of cases, such as an accuracy, are equal by chance.
    """
    value, step = finite_value(texts[0]), printed_step(texts)
    digits = max(significant_digits(text.rstrip("0") if "." in text else text) for text in texts)
    if value is None or value.is_integer() or digits <= _FEW_DIGITS:
        return True
    is_share = metric.direction == "maximize" or _ERRORS.search(metric.name) is not None
    if not 0 <= value <= (100 if is_share else 1) or not (is_share or digits >= _CERTAIN_DIGITS):
        return False
    return any(_is_share(value / top, step / top) for top in ((1.0, 100.0) if value <= 1 else (100.0,)))


def _is_share(value: float, step: float) -> bool:
    """Whether a number is one of so many cases, as far as its printed digits tell."""
    from fractions import Fraction

    nearest = Fraction(value).limit_denominator(_MOST_CASES)
    return abs(float(nearest) - value) <= 0.5001 * step + math.ulp(value)
