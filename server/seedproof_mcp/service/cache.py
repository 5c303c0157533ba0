"""Cache of read results, keyed by ledger head, rules and active runs."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from seedproof.phases.study import Study

__all__ = ["ResultCache"]

T = TypeVar("T")

# An agent reads a few pages of a campaign at a time; a dropped result is computed again.
_MOST_RESULTS = 32


class ResultCache:
    """Results of the newest state; emptied when the state changes. Use from one thread at a time."""

    def __init__(self) -> None:
        self._basis: Hashable = None
        self._found: dict[Hashable, Any] = {}

    def get(self, study: Study, what: Hashable, make: Callable[[], T]) -> T:
        """The result of `make`, cached by key; a refusal is not stored.

        Args:
            what: The key: the kind of result, and everything else that it depends on.
        """
        state = study.state
        basis = (state.head, study.rules, tuple((run_id, state.runs[run_id].state) for run_id in state.active))
        if basis != self._basis or len(self._found) >= _MOST_RESULTS:
            self._basis, self._found = basis, {}
        if what not in self._found:
            self._found[what] = make()
        found: T = self._found[what]
        return found
