"""What one panel of a figure shows: columns of runs, the baseline's spread, and which way is better."""

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Band", "Block", "Column", "Panel", "Point", "Side"]


@dataclass(frozen=True, slots=True)
class Point:
    """One run that is a result."""

    seed: int
    """Its seed."""
    value: float | None
    """Its value; None where the value is not finite."""
    diverged: bool
    """Whether the run diverged; its wall time is still a number."""

    @property
    def said(self) -> str:
        """The value, or why there is none."""
        if self.value is None:
            return "diverged"
        return f"{self.value!r}{' (diverged)' if self.diverged else ''}"


@dataclass(frozen=True, slots=True)
class Column:
    """Runs that stand above each other."""

    name: str
    """What stands below."""
    x: float
    """Its place."""
    points: tuple[Point, ...]
    """Its runs."""
    label_side: int = 0
    """Where the seeds are written: -1 left, 1 right, 0 nowhere."""
    is_experiment: bool = False
    """Whether these runs had the experiment's flags: they are drawn as diamonds, others as dots."""
    mean: float | None = None
    """Mean of its runs; None where one is missing or diverged."""
    count: str = ""
    """How many runs there are, in words; empty for the column of a single run."""
    joins: bool = False
    """Whether lines lead to the runs of the same seeds in the next column."""


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring columns."""

    columns: tuple[Column, ...]
    """From left to right."""
    left: float
    """Where it begins."""
    right: float
    """Where it ends, and the bands with it."""
    has_bands: bool = False
    """Whether the baseline's bands are drawn in it. A confirmation is judged without the old mean."""
    title: str = ""
    """Title above; the first block has none."""
    foot_title: str = ""
    """What the names below the columns are."""

    @property
    def values(self) -> list[float]:
        """All values in it."""
        return [point.value for column in self.columns for point in column.points if point.value is not None]


@dataclass(frozen=True, slots=True)
class Band:
    """The baseline's spread."""

    mean: float
    """Its middle."""
    sigma: float
    """One sigma. Above 0 and finite."""
    multiples: tuple[float, ...]
    """How many sigmas each band reaches, smallest first."""

    def at(self, sigmas: float) -> Decimal:
        """The value that lies so many sigmas above the mean."""
        return Decimal(self.mean) + Decimal(sigmas) * Decimal(self.sigma)

    @property
    def values(self) -> list[Decimal]:
        """Both ends of the widest band."""
        return [self.at(-self.multiples[-1]), self.at(self.multiples[-1])]


@dataclass(frozen=True, slots=True)
class Side:
    """Which way is better, and the words for it."""

    better: str
    """Word for the better side."""
    worse: str
    """Word for the other."""
    better_is_up: bool
    """Whether larger values are better."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What one panel shows."""

    title: str
    """Metric, and how to read it."""
    blocks: tuple[Block, ...]
    """The arms; the pairs of a confirmation."""
    side: Side
    """Which way is better."""
    band: Band | None
    """The baseline's spread; None where there is none."""
    height: float
    """Height of the plot; more is taken where many seeds are to be labelled."""
