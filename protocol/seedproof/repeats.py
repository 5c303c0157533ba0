"""Whether training here repeats itself: measured by runs that had to give the same value, never assumed."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from seedproof.values import Run

__all__ = ["Repeats"]


@dataclass(slots=True)
class Repeats:
    """What pairs of runs with the same code, command, seed and surroundings have shown, by machine."""

    values: dict[Hashable, float] = field(default_factory=dict)
    """By everything that a value may depend on, the first value."""
    same: set[Hashable] = field(default_factory=set)
    """Machines where a value came again."""
    other: set[Hashable] = field(default_factory=set)
    """Machines where another value came."""

    def are_shown_by(self, run: Run) -> bool:
        """Whether on the machine of a run a value has come again, and none ever differed."""
        machine = _machine(run)
        return machine in self.same and machine not in self.other

    def add(self, run: Run, command: Any, metric: str) -> None:
        """Take the result of a run into account.

        Args:
            command: What it was started with, but for seed and output folder.
        """
        value, code = run.value(metric), run.surroundings.get("code_sha256")
        if value is None or code is None or not run.state.is_counted:
            return
        machine = _machine(run)
        env = tuple(sorted(run.surroundings.get("env", {}).items()))
        key = (machine, code, command, run.seed, env)
        if key in self.values:
            (self.same if self.values[key] == value else self.other).add(machine)
        self.values.setdefault(key, value)


def _machine(run: Run) -> Hashable:
    """The host, and what its interpreter had installed: another version of a library may repeat itself or not."""
    return run.host, run.surroundings.get("interpreter"), run.surroundings.get("packages_sha256")
