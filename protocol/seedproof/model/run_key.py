"""The key of a run, and of the runs that one answer waits for: what they are for, and which of that kind."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = ["ArmKey", "Role", "RunKey", "Side"]


class Role(StrEnum):
    """What a run is for."""

    MEASURE = "measure"
    CONTROL = "control"
    CONFIRM = "confirm"
    PROBE = "probe"
    """The conductor's own short repeat of the first baseline seed; never a result."""


class Side(StrEnum):
    """Which side of a comparison a run belongs to."""

    BASELINE = "baseline"
    """Trained without an experiment's flags."""
    EXPERIMENT = "experiment"
    """Trained with them."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """Identifies a run. Equal keys are the same run, so one key never has two runs."""

    generation: int
    """Generation of the baseline, from 1."""
    role: Role
    """What the run is for."""
    side: Side
    """With or without the experiment's flags; the baseline's own runs and controls are without."""
    experiment: str | None
    """The experiment that the run belongs to; None for a run of the baseline."""
    seed: int
    """Seed given to the script."""
    attempt: int
    """Attempt at this seed, from 1."""

    @property
    def is_control(self) -> bool:
        """Whether it is an experiment's run without flags."""
        return self.experiment is not None and self.side is Side.BASELINE

    @property
    def run_id(self) -> str:
        """The name of the run and of its folder: a function of the key."""
        kind = "exp" if self.role is Role.MEASURE else str(self.role)
        # An underscore: after a dash it could be read as the beginning of the experiment's name.
        side = "_control" if self.is_control and self.role is Role.CONFIRM else ""
        own = "probe" if self.role is Role.PROBE else "baseline"
        arm = own if self.experiment is None else f"{kind}{side}-{self.experiment}"
        return f"g{self.generation}-{arm}-s{self.seed}-a{self.attempt}"

    def output_dir(self, label: str, mark: str = "") -> str:
        """The output folder, relative to the project; attempts at one seed share it, but for those of a confirmation.

        Args:
            label: The scale in file names, such as `1M`.
            mark: Of a run of a confirmation: what makes its name its own. Both sides are named alike, so that no script
                knows by its folder on which side it runs.
        """
        is_control = self.is_control and self.role is not Role.CONFIRM
        kind = "control" if is_control else "exp" if self.role is Role.MEASURE else str(self.role)
        own = "probe" if self.role is Role.PROBE else "baseline"
        name = own if self.experiment is None else f"{kind}_{self.experiment}"
        return f"checkpoints/{name}_{label}_seed{self.seed}" + (f"_{mark}" if self.role is Role.CONFIRM else "")

    def flags(self, of_experiment: Sequence[str]) -> tuple[str, ...]:
        """What the run adds to the command: the experiment's flags on its own side, nothing on the baseline's."""
        return () if self.side is Side.BASELINE else tuple(of_experiment)


@dataclass(frozen=True, slots=True)
class ArmKey:
    """Identifies the runs that are judged together: of a baseline, an experiment, or a confirmation."""

    generation: int
    """Generation of the baseline, from 1."""
    role: Role
    """`MEASURE` or `CONFIRM`."""
    experiment: str | None
    """Name of the experiment; None for a baseline."""

    _TEXT: ClassVar[re.Pattern[str]] = re.compile(
        r"g([1-9]\d{0,8})-(?:baseline|(exp|confirm)-([a-z0-9_-]{1,64}))-verdict"
    )

    @property
    def arm_id(self) -> str:
        """The name of the arm: a function of the key, and never that of a run, which ends in its attempt."""
        kind = "exp" if self.role is Role.MEASURE else str(self.role)
        arm = "baseline" if self.experiment is None else f"{kind}-{self.experiment}"
        return f"g{self.generation}-{arm}-verdict"

    @classmethod
    def parse(cls, arm_id: str) -> "ArmKey | None":
        """The key that has this name; None where none can have it."""
        found = cls._TEXT.fullmatch(arm_id)
        if found is None:
            return None
        return cls(int(found[1]), Role.CONFIRM if found[2] == "confirm" else Role.MEASURE, found[3])
