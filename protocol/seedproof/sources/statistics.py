"""Makes one result of the values that a run left."""

import math
from collections import deque
from collections.abc import Iterable

from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.runs import MetricValue, Unread

__all__ = ["result_of"]


def result_of(rule: MetricRule, readings: Iterable[MetricValue | Unread]) -> MetricValue | Unread | None:
    """The result of a run, from its values in order; None where there are none.

    A value that could not be read makes the result unread where it might be the one that counts, and nan or inf makes
    a run diverge where it is among those that count, or the last.

    Args:
        rule: The metric, with its statistic.
        readings: Every value, the first one first.
    """
    if rule.statistic == "best":
        return _best(rule, readings)
    counted = deque(readings, maxlen=rule.n or 1)
    if not counted or rule.n is None:
        return counted[-1] if counted else None
    return _mean(rule.n, counted)


def _best(rule: MetricRule, readings: Iterable[MetricValue | Unread]) -> MetricValue | Unread | None:
    best: MetricValue | None = None
    last: MetricValue | None = None
    count = 0
    for one in readings:
        if isinstance(one, Unread):
            return one
        last, count = one, count + 1
        if one.value is not None and (best is None or rule.sign * one.value > rule.sign * (best.value or 0.0)):
            best = one
    if best is None or best.value is None or last is None or last.value is None:
        return last
    return MetricValue(
        best.value, repr(best.value), best.line, f"best of {count} values: {best.matched}"[:MATCHED_CHARS]
    )


def _mean(n: int, counted: Iterable[MetricValue | Unread]) -> MetricValue | Unread:
    values: list[float] = []
    line = None
    for one in counted:
        if isinstance(one, Unread) or one.value is None:
            return one
        values.append(one.value)
        line = one.line
    if len(values) < n:
        text = ", ".join(map(repr, values))[:MATCHED_CHARS]
        return Unread(line, text, f"is the mean of the last {n} values, and there are {len(values)}")
    mean = math.fsum(values) / n
    return MetricValue(mean, repr(mean), line, f"mean of the last {n} values")
