"""Trainings by a table: what each run prints is written down beforehand, by arm and seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.support.in_process import Training, option
from tests.support.seeds import SEEDS

Key = tuple[str, int]
"""(arm as in the output folder, seed): `baseline`, `exp_a`, `confirm_a`, `control_a`."""


@dataclass
class Table:
    """What every training of a project does; arms that are not in it do as the baseline does."""

    losses: dict[Key, str] = field(default_factory=dict)
    """The last val_loss as printed; `crash` for a run that prints none and fails."""
    walls: dict[Key, float] = field(default_factory=dict)
    """Wall time in seconds; 2 where nothing is said."""
    starts: dict[Key, str] = field(default_factory=dict)
    """val_loss at step 0 as printed; none where nothing is said."""
    steps: dict[Key, int | None] = field(default_factory=dict)
    """The last step as printed; 100 where nothing is said, none at all for None."""
    prints: dict[Key, str] = field(default_factory=dict)
    """Lines that are printed before all others, each with its newline."""
    argvs: list[tuple[str, ...]] = field(default_factory=list)
    """Every command, in the order of the runs."""

    def arm(self, name: str, values: Iterable[float | str], seeds: Sequence[int] = SEEDS) -> "Table":
        """Write down an arm."""
        for seed, value in zip(seeds, values, strict=False):
            self.losses[name, seed] = value if isinstance(value, str) else repr(value)
        return self

    def wall(self, name: str, seconds: Iterable[float], seeds: Sequence[int] = SEEDS) -> "Table":
        """Write down how long the runs of an arm last."""
        self.walls |= {(name, seed): value for seed, value in zip(seeds, seconds, strict=False)}
        return self

    def __call__(self, argv: Sequence[str]) -> Training:
        if not self.argvs or self.argvs[-1] != tuple(argv):
            self.argvs.append(tuple(argv))
        key = self.key(argv)
        text = self.losses.get(key) or self.losses["baseline", key[1]]
        if text == "crash":
            return Training("Traceback: out of memory\n", 1)
        begun = self.prints.get(key, "") + (f"Step 0 | val_loss: {self.starts[key]}\n" if key in self.starts else "")
        exit_code = 1 if text.startswith("fail ") else 0
        step = self.steps.get(key, 100)
        log = f"{begun}{'' if step is None else f'Step {step} | '}val_loss: {text.removeprefix('fail ')} | done\n"
        return Training(log, exit_code, {"model.bin": "x" * 100}, self.walls.get(key, 2.0))

    @staticmethod
    def key(argv: Sequence[str]) -> Key:
        """Arm and seed of a command, from its output folder."""
        name = PurePosixPath(option(argv, "--output_dir")).name
        return name.rpartition("_")[0].rpartition("_")[0], int(option(argv, "--seed"))
