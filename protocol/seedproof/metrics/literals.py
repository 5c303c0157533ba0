"""Fixed texts that every match of a pattern contains, so that most lines need no regular expression."""

import itertools
import math
import re
from dataclasses import dataclass

__all__ = ["Literals", "required_literals"]


_PATTERN_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?:[*+?]|\{[0-9]*,?[0-9]*\})[*+?]?|.", re.DOTALL)
_GLOBAL_FLAGS = re.compile(r"\(\?([aiLmsux]+)\)")


@dataclass(frozen=True, slots=True)
class Literals:
    """Fixed texts of which every match of a pattern holds one: what grep would look for."""

    texts: tuple[bytes, ...]
    """One of these is in each match; empty when nothing is known, then every line is tried."""
    ignore_case: bool
    """Whether the texts are in lower case and the line has to be lowered first."""


def required_literals(pattern: str) -> Literals:
    """Return the longest text that a match must hold, outside of groups and options.

    Too little found costs time, too much would lose values: whatever is not understood (verbose
    patterns, alternatives, numeric escapes) counts as nothing found.
    """
    flags = _GLOBAL_FLAGS.match(pattern)
    names = flags[1] if flags else ""
    runs = [] if "x" in names or "(?#" in pattern else _literal_runs(pattern[flags.end() if flags else 0 :])
    best = max(runs, key=len, default=[])
    if len(best) < 3 or math.prod(map(len, best)) > 8:
        best = []
    texts = ["".join(letters) for letters in itertools.product(*best)] if best else []
    ignore_case = "i" in names
    return Literals(tuple((text.lower() if ignore_case else text).encode() for text in texts), ignore_case)


def _literal_runs(pattern: str) -> list[list[str]]:
    """Return the unbroken runs of fixed characters; each position lists its possible letters."""
    runs: list[list[str]] = [[]]
    depth = 0
    for token in _PATTERN_TOKEN.findall(pattern):
        if token in "()":
            depth += 1 if token == "(" else -1
            runs.append([])
        elif depth:
            continue
        elif token == "|" or (token[0] == "\\" and token[1] in "xuUN0123456789"):
            return []
        elif token[0] in "*+?{" and (len(token) > 1 or token != "{"):
            if token[0] != "+":  # what stands before may be missing
                del runs[-1][-1:]
            runs.append([])
        elif letters := _letters(token):
            runs[-1].append(letters)
        else:
            runs.append([])
    return runs


def _letters(token: str) -> str:
    """Return the characters that a token of a pattern may stand for; empty when not a few."""
    if token[0] == "[":
        inner = token[1:-1]
        few = len(inner) <= 3 and inner.isascii() and not set(inner) & set("^-\\")
        return inner if few else ""
    if token[0] == "\\":
        return "" if token[1].isalnum() or not token[1].isascii() else token[1]
    return "" if token in ".^$" or not token.isascii() else token
