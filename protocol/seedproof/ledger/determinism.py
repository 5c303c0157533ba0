"""Whether training here repeats itself: measured by runs that had to give the same value, never assumed."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from seedproof.model.runs import Run

__all__ = ["Repeats", "conditions"]


@dataclass(slots=True)
class Repeats:
    """What pairs of runs with the same code, command, seed and conditions have shown, by conditions."""

    values: dict[Hashable, float] = field(default_factory=dict)
    """By everything that a value may depend on, the first value."""
    same: set[Hashable] = field(default_factory=set)
    """Conditions under which a value came again."""
    other: set[Hashable] = field(default_factory=set)
    """Conditions under which another value came."""

    def were_shown_for(self, run: Run) -> bool:
        """Whether under the conditions of a run a value has come again, and none ever differed."""
        here = conditions(run)
        return here in self.same and here not in self.other

    def add(self, run: Run, command: Any, metric: str) -> None:
        """Take the result of a run into account.

        Args:
            command: What it was started with, but for seed and output folder.
        """
        value, code = run.value(metric), run.surroundings.get("code_sha256")
        if value is None or code is None or not run.state.is_counted:
            return
        here = conditions(run)
        key = (here, code, command, run.seed)
        if key in self.values:
            (self.same if self.values[key] == value else self.other).add(here)
        self.values.setdefault(key, value)


def conditions(run: Run) -> Hashable:
    """What decides whether a value comes again: the host, what is installed there, devices, threads.

    Another version of a library, another GPU or another number of threads may repeat itself or not.
    """
    seen = run.surroundings
    env = tuple(sorted(seen.get("env", {}).items()))
    return run.host, seen.get("interpreter"), seen.get("packages_sha256"), seen.get("environment_sha256"), env
