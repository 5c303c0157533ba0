"""What a figure shows: points in columns, columns in blocks, and the baseline's spread."""

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
    def text(self) -> str:
        """The value, or why there is none."""
        if self.value is None:
            return "diverged"
        return f"{self.value!r}{' (diverged)' if self.diverged else ''}"


@dataclass(frozen=True, slots=True)
class Column:
    """Runs that stand above each other."""

    name: str
    """Its caption."""
    x: float
    """Where it stands."""
    points: tuple[Point, ...]
    """Its runs."""
    label_side: int = 0
    """Where its seeds are written: -1 left, 1 right, 0 nowhere."""
    is_experiment: bool = False
    """Whether these runs had the experiment's flags: they are drawn as diamonds, others as dots."""
    mean: float | None = None
    """Mean of its runs; None where one is missing or diverged."""
    count: str = ""
    """How many runs there are, as a caption; empty for the column of a single run."""

    @property
    def style(self) -> str:
        """Style class of its marks."""
        return "experiment" if self.is_experiment else "baseline"

    @property
    def description(self) -> str:
        """What it shows, for readers who cannot see it."""
        if not self.count:
            return f"{self.name} {self.points[0].text}"
        mean = "no mean" if self.mean is None else f"mean {self.mean:.10g}"
        return f"{self.name} {mean} ({self.count})"


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
    """Title of the captions, such as `seed`."""

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
    """Which way is better, and what both sides are called."""

    better: str
    """Name of the better side."""
    worse: str
    """Name of the other."""
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
    """Least height of the plot; many seeds need more."""

    @property
    def description(self) -> str:
        """What it shows, for readers who cannot see it."""
        blocks = []
        for block in self.blocks:
            columns = ", ".join(column.description for column in block.columns if column.points)
            blocks.append(f"{block.title}: {columns}" if block.title else columns)
        return f"{self.title}: {'; '.join(filter(None, blocks)) or 'not measured'}."
