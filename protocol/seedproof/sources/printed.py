"""Holds a value from a file against what the log prints of the same metric."""

import math
import re

from seedproof.metrics.numbers import printed_resolution
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, NUMBER
from seedproof.model.metric_rule import MetricRule
from seedproof.model.runs import MetricValue

__all__ = ["is_printed_value", "log_rule"]


def log_rule(rule: MetricRule, *, best: bool = False) -> MetricRule:
    """What reads a metric whose source is a file from the log, under its own name.

    Args:
        best: Whether the best of the printed values is wanted, in place of the last one.
    """
    named = rf"(?i)(?<![\w.]){re.escape(rule.name)}\s{{0,4}}[:=]\s{{0,4}}(?P<value>{NUMBER})(?![\w.])"
    pattern = DEFAULT_VAL_LOSS if rule.name == "val_loss" else named
    return MetricRule(name=rule.name, direction=rule.direction, pattern=pattern, statistic="best" if best else "last")


def is_printed_value(value: MetricValue, printed: MetricValue) -> bool:
    """Whether a value is the printed one, rounded or cut as it was printed; as a share or in percent."""
    if value.value is None or printed.value is None:
        return value.value is printed.value
    step = max(printed_resolution(text) or 0.0 for text in (value.text, printed.text))
    # A cut number lies up to one step away, and floats a little more.
    forms = (value.value, value.value * 100, value.value / 100)
    return any(abs(one - printed.value) <= step * (1 + 1e-9) + math.ulp(printed.value) for one in forms)
