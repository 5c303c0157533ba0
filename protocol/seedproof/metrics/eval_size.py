"""Reads the size of an evaluation, such as `val_tokens: 1048576`, from the beginning and the end of a log."""

import re
from collections.abc import Iterator

from seedproof.metrics.lines import after_last_line_end, strip_codes

__all__ = ["read_counts"]

# What is counted, and of what: `val_tokens: 1048576`, `eval_batches=20`, `"num_val_samples": 1,000`.
_COUNT = re.compile(
    rb"(?i)(?<![a-z0-9_\-.])(?P<name>(?:(?:num|n)[_ ])?(?:val|valid|validation|eval|evaluation|test)[_ ]"
    rb"(?:tokens|samples|examples|sequences|batches|documents|bytes|iters|size))['\"]?\s{0,4}[:=]\s{0,4}"
    rb"(?P<value>[0-9]{1,18}(?:[,_][0-9]{3}){0,6})(?![0-9]|[.,_][0-9]|[a-z%])"
)
# In every match, in lower case: 512 kB without it take 3 ms, where the pattern above takes 50.
_HINT = re.compile(rb"[ltn][_ ](?:tokens|samples|examples|sequences|batches|documents|bytes|iters|size)")
# A program may print a count at every step; then the first and the last lines are enough.
_HINTS = 100
# Names of counts that are kept, so that no program fills the ledger with them.
_MOST_NAMES = 16


def read_counts(head: bytes, tail: bytes = b"") -> dict[str, str]:
    """Counts of an evaluation by name, as integers in plain digits; the last one that is printed of each.

    Args:
        head: The beginning of a log; all of it where `tail` is empty.
        tail: Its end, where it is longer; neither part of a line that was cut counts.
    """
    found: dict[str, str] = {}
    parts: tuple[bytes, ...] = (head,)
    if tail:
        first = re.search(rb"[\r\n]", tail)
        parts = (head[: after_last_line_end(head)], tail[first.end() :] if first else b"")
    for part in parts:
        for name, value in _matches(part):
            if name in found or len(found) < _MOST_NAMES:
                found[name] = value
    return found


def _matches(part: bytes) -> Iterator[tuple[str, str]]:
    for line in _lines_with_a_hint(part):
        for match in _COUNT.finditer(strip_codes(line)):
            name, value = match["name"].decode().lower(), match["value"].decode()
            yield name.replace(" ", "_"), value.replace(",", "").replace("_", "")


def _lines_with_a_hint(part: bytes) -> Iterator[bytes]:
    lowered, end = part.lower(), 0
    hints = [hint.start() for hint in _HINT.finditer(lowered)]
    for hint in hints if len(hints) <= 2 * _HINTS else hints[:_HINTS] + hints[-_HINTS:]:
        if hint < end:
            continue
        start = lowered.rfind(b"\n", end, hint) + 1 or end
        newline = lowered.find(b"\n", hint)
        end = len(part) if newline < 0 else newline
        yield part[start:end]
