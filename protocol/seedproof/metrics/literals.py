"""What is known of a pattern without matching it: fixed texts that each match contains, and its group `value`."""

import itertools
import math
import re
from dataclasses import dataclass

__all__ = ["Literals", "ValueGroup", "required_literals", "value_group"]


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


# --- the group `value` ------------------------------------------------------------------------

_OPENING = "(?P<value>"
_ANYTHING = r"(?P<value>\S{1,100})"
_QUANTIFIER = re.compile(r"\{[0-9]*,?[0-9]*\}")
# `loss.*` before the group: what stands there without a number may be anywhere on the line.
_ANYWHERE = re.compile(r"(?:\.|\\[SDW]|\[\^(?:\\.|[^\]\\])+\])(?:[*+]|\{[0-9]*,?[0-9]*\})\??$")
_MAY_BE_SPACE = re.compile(r"(?<!\\)\.(?!\d)|\[\^|\\[sDWnrtxuUN0-9]|[ \t]|\(\?[^:]")
_VERBOSE = re.compile(r"\(\?[a-wyzA-Z]*x")


@dataclass(frozen=True, slots=True)
class ValueGroup:
    """What a pattern says of its value."""

    wide: re.Pattern[str] | None
    """The pattern with any text as its value; None where that would match more than such lines."""
    wide_finds_all: bool
    """No value that the pattern matches holds a space, so `wide` matches wherever the pattern does."""
    commas_are_thousands: bool
    """The group itself names the comma."""
    comma_before: bool
    """The pattern has a comma directly before the value, as between columns."""
    comma_after: bool
    """The pattern has a comma directly after the value."""
    minus_before: bool
    """The pattern has a minus sign directly before the value."""


def value_group(pattern: str) -> ValueGroup:
    """Look at the group `value` of a pattern, which has one."""
    parts = None if _VERBOSE.match(pattern) else _split(pattern)
    if parts is None:
        return ValueGroup(None, False, False, False, False, False)
    before, inner, after = parts
    wide = _widened(pattern, before, after)
    return ValueGroup(
        wide=wide,
        wide_finds_all=wide is not None and _MAY_BE_SPACE.search(inner) is None,
        commas_are_thousands="," in _QUANTIFIER.sub("", re.sub(r"\[\^(?:\\.|[^\]\\])+\]", "", inner)),
        comma_before=re.search(r",(?:\\s|\s)?[*+?]?$", before) is not None,
        comma_after=re.match(r"(?:\(\?[=:])?(?:\\?,|\[[^\]^]*,)", after) is not None,
        minus_before=before.endswith("-"),
    )


def _split(pattern: str) -> tuple[str, str, str] | None:
    """The pattern before, inside and after the group."""
    start = content = depth = position = 0
    for token in _PATTERN_TOKEN.findall(pattern):
        if token == "(" and not content and pattern.startswith(_OPENING, position):
            start, content = position, position + len(_OPENING)
        elif content and token in "()":
            if token == ")" and depth == 0:
                return pattern[:start], pattern[content:position], pattern[position + 1 :]
            depth += 1 if token == "(" else -1
        position += len(token)
    return None


def _widened(pattern: str, before: str, after: str) -> re.Pattern[str] | None:
    labels = required_literals(pattern).texts
    if _ANYWHERE.search(before) or not any(re.search(rb"[A-Za-z]", label) for label in labels):
        return None
    try:
        return re.compile(_any_padding(before) + _ANYTHING + after)
    except (re.error, OverflowError, RecursionError):
        return None  # what follows refers to a group inside the value


def _any_padding(before: str) -> str:
    """Let the spaces before the value be fewer or more, as a sign or another width changes them."""
    after_separator = re.sub(r"(?<=[:=|,>;/%])[ ]{1,40}$", " *", before)
    return re.sub(r"[ ]{2,40}$", " +", after_separator)
