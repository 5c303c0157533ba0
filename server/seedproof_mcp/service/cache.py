"""Answers that stay true for as long as ledger, rules and running trainings stay what they are."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from seedproof.ledger.state import State
from seedproof.model.rules import Rules

__all__ = ["Remembered"]

T = TypeVar("T")

# An agent that pages through a campaign asks for a few pages at a time; what is forgotten is made again.
_KEPT = 32


class Remembered:
    """What was made of the newest state, forgotten with it. Use from one thread at a time."""

    def __init__(self) -> None:
        self._basis: Hashable = None
        self._found: dict[Hashable, Any] = {}

    def get(self, state: State, rules: Rules, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, or gave before for the same thing; a refusal is not kept.

        Args:
            state: As it can be seen: the head vouches for the records, the rest is what runs or waits.
            rules: The present ones.
            what: Names the thing with everything else that it depends on, so always of the same type.
        """
        basis = (state.head, rules, tuple((run_id, state.runs[run_id].state) for run_id in state.active))
        if basis != self._basis or len(self._found) >= _KEPT:
            self._basis, self._found = basis, {}
        if what not in self._found:
            self._found[what] = make()
        found: T = self._found[what]
        return found
