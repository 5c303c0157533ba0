"""What a change of a settings file must leave as it is."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CannotEdit", "rest_of"]


class CannotEdit(Exception):
    """A settings file that would lose something by a change; says why in a few words that follow its name."""


def rest_of(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The values without the one at a path of keys, and without tables on the way that are empty then."""
    rest = dict(values)
    inner = rest.pop(path[0], {})
    if len(path) > 1 and isinstance(inner, dict):
        kept = rest_of(inner, path[1:])
        if kept:
            rest[path[0]] = kept
    return rest
