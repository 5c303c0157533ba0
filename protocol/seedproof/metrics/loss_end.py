"""Finds out whether the training loss of a log ended in nan or inf."""

import re

from seedproof.metrics.lines import clean_line
from seedproof.metrics.numbers import finite_value
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.metric_patterns import NUMBER

__all__ = ["lost_loss"]

# `iter 300: loss nan`, `train_loss=inf`, `'loss': 'nan'`; not that of an evaluation, or the best one.
_EVALUATION = "".join(
    rf"(?<!{word}[ _/.-])" for word in ("val", "valid", "validation", "eval", "evaluation", "test", "dev", "best")
)
_LOSS = re.compile(
    rf"(?i){_EVALUATION}(?:(?<![a-z0-9])|(?<=train_)|(?<=training_))loss(?![a-z0-9_])"
    rf"['\"]?\s{{0,4}}[:=]?\s{{0,8}}['\"]?(?P<value>{NUMBER})(?![a-z0-9]|\.[0-9])"
)


def lost_loss(tail: bytes) -> str | None:
    """What was printed of the training loss last, where that is nan or inf; None where it is a number, or is not shown.

    Args:
        tail: The end of a log.
    """
    for segment in reversed(re.split(rb"[\r\n]", tail)):
        if b"loss" not in segment.lower():
            continue
        matches = list(_LOSS.finditer(clean_line(segment)))
        if matches:
            value = matches[-1]["value"]
            is_lost = finite_value(value) is None and not value[-1].isdigit()
            return matches[-1].group()[:MATCHED_CHARS] if is_lost else None
    return None
