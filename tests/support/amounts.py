"""How much of a long test is done: a sample in `make test`, the whole in `make test-slow`, far more in `make soak`."""

import os
from typing import TypeVar

__all__ = ["IS_SAMPLE", "IS_SOAK", "SHOWN", "amount"]

_Amount = TypeVar("_Amount")

_LEVELS = ("sample", "whole", "soak")
_LEVEL = os.environ.get("SEEDPROOF_AMOUNT", "sample")
if _LEVEL not in _LEVELS:
    raise ValueError(f"SEEDPROOF_AMOUNT is {_LEVEL!r}; allowed: {', '.join(_LEVELS)}")
IS_SAMPLE = _LEVEL == "sample"
IS_SOAK = _LEVEL == "soak"
SHOWN = "shown: "
"""What a test prints with this in front stands in the summary, also where the test passes in another process."""


def amount(*, sample: _Amount, whole: _Amount, soak: _Amount) -> _Amount:
    """The one of the three that this run of the tests takes; the test that uses it is marked `sampled`."""
    return {"sample": sample, "whole": whole, "soak": soak}[_LEVEL]
