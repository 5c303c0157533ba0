"""What `seedproof init` finds in a project, as values."""

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Interface", "Line", "Metric", "Option", "SeedFound", "Setup", "Style", "last_word"]


class Style(StrEnum):
    """How a value is given to a program."""

    OPTIONS = "options"  # --seed 1
    EQUALS = "equals"  # --seed=1
    OVERRIDES = "overrides"  # seed=1
    PAIRS = "pairs"  # SEED 1
    VARIABLES = "variables"  # SEED=1 before the program


@dataclass(frozen=True, slots=True)
class Option:
    """One option, key or variable that a program knows."""

    names: tuple[str, ...]
    """As they are typed: `--seed` and `-s`, `trainer.seed`, `SEED`."""
    where: str
    """File and line, such as `train.py:14`."""
    default: object = None
    """The value it has by default, where that is written in the source."""
    is_required: bool = False
    takes_value: bool = True
    stands_first: bool = False
    """Whether it belongs before a subcommand."""
    dest: str | None = None
    """The name under which the script reads it, where it says one."""

    @property
    def name(self) -> str:
        """The name that is written into a command: the first long one."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


@dataclass(frozen=True, slots=True)
class Interface:
    """How a program is told its settings."""

    framework: str
    """In words for a reader: `argparse`, `Hydra`."""
    style: Style
    options: tuple[Option, ...] = ()
    subcommand: tuple[str, ...] = ()
    """What stands behind the script before other options, such as `fit`."""
    positionals: tuple[str, ...] = ()
    """Names of arguments without a name that it cannot do without."""
    takes_rest: bool = False
    """Whether one argument takes everything that follows it."""
    adds: tuple[str, ...] = ()
    """Parts that such a program always has, as Hydra's folder of a run."""
    seed: Option | None = None
    """The option that the script seeds itself with, where its name does not say so."""
    seed_why: str = ""


@dataclass(frozen=True, slots=True)
class SeedFound:
    """How a script gets its seed where no option gives it one."""

    way: str
    """A value of `rules.seed`."""
    why: str
    replaced: int | None = None
    variable: str | None = None
    libraries: tuple[str, ...] = ()
    """Those of `random`, numpy and torch that the script uses."""
    check: str | None = None
    """What a person must look at."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that was found in a log, in a file or in the source."""

    name: str
    why: str
    """Where, and what stands there."""
    settings: tuple[str, ...] = ()
    """The lines of `[rules.metric]`; none where the default reads it."""
    check: str | None = None
    """What a person must look at."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of the file, with what was found."""

    table: str
    text: str
    """`name = value`."""
    why: tuple[str, ...] = ()
    is_active: bool = True
    """Whether it holds, or stands as a comment for a person to choose."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is written, and what a person is told."""

    lines: tuple[Line, ...]
    said: tuple[str, ...] = ()
    """One sentence for each thing that was found."""
    checks: tuple[str, ...] = field(default=())
    """One sentence for each thing that a person must check."""


def last_word(name: str) -> str:
    """The name of an option without dashes, groups and spelling: `--trainer.random-seed` is `random_seed`."""
    return name.lstrip("-+").rpartition(".")[2].casefold().replace("-", "_")
