"""Values as replies say them: numbers of six significant digits, nothing empty, and in words for the text."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["in_words", "rounded", "trimmed"]

# Entries of these are data, not fields: a null says that nan or inf was printed, or that nothing was read.
_OF_DATA = ("metrics", "values")


def rounded(value: float) -> float:
    """The number with six significant digits, never minus zero; integers (counts, seeds, bytes) are exact."""
    return value if isinstance(value, int) else float(f"{value:.6g}") + 0.0


def trimmed(value: Any) -> Any:
    """A JSON value with short numbers, and without the fields that have nothing to say; `next` stays as it is."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, list):
        return [trimmed(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, one in value.items():
        if name == "next":
            found[name] = one
        elif name in _OF_DATA and isinstance(one, dict) and one:
            found[name] = {key: trimmed(entry) for key, entry in one.items()}
        elif (short := trimmed(one)) not in (None, "", [], {}):
            found[name] = short
    return found


def in_words(fields: Mapping[str, Any]) -> str:
    """The fields of a trimmed structure in one line: `generation 1; metrics (val_loss (n 5, mean 4.1))`."""
    return "; ".join(f"{name} {_words(value)}" for name, value in fields.items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {_words(one)}' for name, one in value.items())})"
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return value if isinstance(value, str) else json.dumps(value)
