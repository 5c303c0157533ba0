"""Records whether training is deterministic, from runs that should have given the same value."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from seedproof.model.runs import Run

__all__ = ["Repeats", "conditions"]


@dataclass(slots=True)
class Repeats:
    """Under which conditions runs with equal code, command and seed gave equal values."""

    values: dict[Hashable, float] = field(default_factory=dict)
    """The first value for each combination of conditions, code, command and seed."""
    repeated: set[Hashable] = field(default_factory=set)
    """Conditions under which a later run gave the same value."""
    varied: set[Hashable] = field(default_factory=set)
    """Conditions under which a later run gave another value."""

    def were_shown_for(self, run: Run) -> bool:
        """Whether a value was repeated under the conditions of this run, and none ever varied."""
        key = conditions(run)
        return key in self.repeated and key not in self.varied

    def add(self, run: Run, command: Any, metric: str) -> None:
        """Add the result of a run.

        Args:
            command: Its command without seed and output folder.
        """
        value, code = run.value(metric), run.surroundings.get("code_sha256")
        if value is None or code is None or not run.state.is_counted:
            return
        run_conditions = conditions(run)
        key = (run_conditions, code, command, run.seed)
        if key in self.values:
            (self.repeated if self.values[key] == value else self.varied).add(run_conditions)
        self.values.setdefault(key, value)

    def forget(self, run: Run, command: Any, metric: str) -> None:
        """Drop the value of a run whose output was read again; what its value has shown stays known."""
        key = (conditions(run), run.surroundings.get("code_sha256"), command, run.seed)
        if key in self.values and self.values[key] == run.value(metric):
            del self.values[key]


def conditions(run: Run) -> Hashable:
    """What determinism may depend on: host, interpreter, packages, devices and environment variables."""
    found = run.surroundings
    env = tuple(sorted(found.get("env", {}).items()))
    names = ("interpreter", "packages_sha256", "environment_sha256")
    return run.host, *(found.get(name) for name in names), run.trained_with, env
