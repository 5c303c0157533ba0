"""The last value under each label of a log, and a pattern that reads it."""

import re

from seedproof.metrics.lines import clean_line
from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_rule import MetricRule

__all__ = ["last_labelled", "pattern_for"]

_LAST_LINES = 5_000  # of a log: what is printed at all is mostly printed near the end
_MOST_LABELS = 200
# `valid_loss: 0.31`, `validation loss = 0.31`, `"val/loss": 0.31`, `Validation loss 0.31`.
_LABELLED = re.compile(
    r"(?P<label>[A-Za-z][A-Za-z0-9_./]{0,40}(?:[ -][A-Za-z][A-Za-z0-9_./]{0,40}){0,3})"
    r"(?P<separator>['\"]?\s{0,8}(?:[:=]|\s)\s{0,40}['\"]?)"
    r"(?P<value>[+-]?(?:[0-9.][0-9.,_]{0,80}(?:[eE][+-]?[0-9]{1,5})?(?<![,_])|nan|inf(?:inity)?))"
    r"(?=$|[\s;|)\]}%'\"]|,(?![0-9]))",
    re.IGNORECASE,
)
# As the default pattern does, a pattern passes over what stands behind such a word: `Best val_acc: 0.8`.
_PASSED_OVER = r"(?i:(?<!new )\bbest\b(?!\.).*)"
_BEST = re.compile(_PASSED_OVER)


def last_labelled(log: bytes) -> dict[str, tuple[re.Match[str], str]]:
    """The last value under each label with its line; one behind `best` only where the label has no other."""
    found: dict[str, tuple[re.Match[str], str]] = {}
    behind_best: dict[str, tuple[re.Match[str], str]] = {}
    for segment in reversed(re.split(rb"[\r\n]", log)[-_LAST_LINES:]):
        line = clean_line(segment)
        best = _BEST.search(line)
        for match in reversed(list(_LABELLED.finditer(line))):
            if len(found) < _MOST_LABELS:
                is_behind = best is not None and best.start() <= match.start("label")
                (behind_best if is_behind else found).setdefault(match["label"].lower(), (match, line))
    return {**behind_best, **found}


def pattern_for(metric: MetricRule, match: re.Match[str], line: str, log: bytes) -> tuple[str, int | None] | None:
    """A pattern that reads this value of the log, and no later one, with its line; None where the simple ones do not.

    It passes over lines that tell the best value so far, unless this is one.
    """
    words = r"\s+".join(re.escape(word) for word in match["label"].split())
    separator = match["separator"].strip()
    middle = r"\s*".join(re.escape(sign) for sign in separator.replace(" ", ""))
    middle = rf"\s*{middle}\s*" if middle else r"\s+"
    best = _BEST.search(line)
    before = f"{_PASSED_OVER}|" if best is None or best.start() > match.start() else ""
    for value in (r"\S+", r"""[^\s,;|)\]}%'"]+"""):
        pattern = rf"{before}(?<![\w./-]){words}{middle}(?P<value>{value})"
        scanner = LogScanner((MetricRule(name=metric.name, direction=metric.direction, pattern=pattern),))
        scanner.feed(log)
        read = scanner.finish().metrics.get(metric.name)
        if read is not None and read.text == match["value"]:
            return pattern, read.line
    return None
