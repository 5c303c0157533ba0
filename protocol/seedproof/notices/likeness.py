"""How like two lists of flags are: the same, or the same options with values close by."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from seedproof.model.command import normalise_flags

__all__ = ["Likeness", "likeness"]

Likeness = Literal["same", "near"]
# Of the earlier value. A learning rate a tenth up or down is the same idea tried again; a factor of two is another one.
NEAR_SHARE = 0.2
# 1.2 x 0.01 is not 0.012 to a float.
_TIE = 1e-9


def likeness(flags: Sequence[str], earlier: Sequence[str]) -> Likeness | None:
    """`same` for the same normalised list, `near` for the same options with all numbers within 20 %; else None.

    Lists without flags have nothing to be alike in.
    """
    one, other = _groups(tuple(flags)), _groups(tuple(earlier))
    if not one or len(one) != len(other):
        return None
    if one == other:
        return "same"
    return "near" if all(_are_near(group, before) for group, before in zip(one, other, strict=True)) else None


# A long campaign compares each new experiment with all before it.
@lru_cache(maxsize=65536)
def _groups(flags: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return normalise_flags(flags)


def _are_near(group: Sequence[str], before: Sequence[str]) -> bool:
    """Whether an option has the name that the other has, and values close by."""
    if _spelling(group[0]) != _spelling(before[0]) or len(group) != len(before):
        return False
    return all(_is_near(value, was) for value, was in zip(group[1:], before[1:], strict=True))


def _spelling(option: str) -> str:
    return option.casefold().replace("-", "_")


def _is_near(value: str, was: str) -> bool:
    """Number by number in `0.9,0.95` and `lr=0.01`; everything else has to be equal."""
    parts, before = (text.replace("=", ",").split(",") for text in (value, was))
    if len(parts) != len(before):
        return False
    return all(_is_close(part, old) for part, old in zip(parts, before, strict=True))


def _is_close(part: str, old: str) -> bool:
    new, earlier = _number(part), _number(old)
    if new is None or earlier is None:
        return part == old
    return abs(new - earlier) <= NEAR_SHARE * abs(earlier) * (1 + _TIE)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
