"""Draws panels of points, means and bands beside a numbered axis."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from seedproof.report import svg

__all__ = [
    "Axis",
    "Band",
    "Block",
    "Column",
    "EXACT",
    "MEAN_DIGITS",
    "Panel",
    "Point",
    "Side",
    "draw_panel",
    "fit_axis",
    "spread",
]


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


# Decimals, because floats overflow in `high - low` near their limit and write ticks such as 0.30000000000000004.
# 50 digits hold a float's 17 and any difference of neighbours.
EXACT = Context(prec=50)


# Digits that a mean has beyond those of the ticks.
MEAN_DIGITS = 2


# More letters do not fit beside their neighbours; then values are written as distances from one of the ticks.
_LONGEST_LABEL = 11


# Powers of ten that are written out; outside of them `1.5e+07` is easier to read.
_PLAIN_POWERS = range(-3, 6)


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis; larger values stand higher."""

    low: Decimal
    """Value at the bottom."""
    high: Decimal
    """Value at the top. Above `low`."""
    step: Decimal
    """Distance of two ticks: 1, 2 or 5 times a power of ten."""
    top: float
    """Height of `high` in the picture; heights grow downwards."""
    bottom: float
    """Height of `low` in the picture."""

    def y(self, value: float | Decimal) -> float:
        """The height at which a value stands."""
        share = (Decimal(value) - self.low) / (self.high - self.low)
        return self.bottom - float(share) * (self.bottom - self.top)

    @property
    def ticks(self) -> list[Decimal]:
        """The round values on the axis, lowest first."""
        first = int((self.low / self.step).to_integral_value(ROUND_CEILING))
        last = int((self.high / self.step).to_integral_value(ROUND_FLOOR))
        return [number * self.step for number in range(first, last + 1)]

    @property
    def base(self) -> Decimal | None:
        """The roundest tick, from which the labels count; None where they are the values themselves."""
        longest = max(len(self._absolute(tick, MEAN_DIGITS)) for tick in self.ticks)
        roundest = min(self.ticks, key=lambda tick: len(tick.normalize().as_tuple().digits))
        return roundest if longest > _LONGEST_LABEL else None

    def label(self, value: float | Decimal, more_digits: int = 0) -> str:
        """A value as its tick label: as many digits as the ticks need, and `more_digits`."""
        exact, base = Decimal(value), self.base
        if base is None:
            return self._absolute(exact, more_digits)
        words = self._written(exact - base, max(base - self.low, self.high - base), more_digits)
        return f"+{words}" if exact > base else words

    def _absolute(self, value: Decimal, more_digits: int) -> str:
        return self._written(value, max(abs(self.low), abs(self.high)), more_digits)

    def _written(self, value: Decimal, largest: Decimal, more_digits: int) -> str:
        """A number, down to the last digit of the step; as a power of ten if the largest ones need it."""
        if not value:
            return "0"
        last = self.step.adjusted() - more_digits
        if largest.adjusted() in _PLAIN_POWERS:
            return f"{value:.{max(0, -last)}f}"
        return f"{value:.{max(0, value.adjusted() - last)}e}"


def fit_axis(values: Sequence[float | Decimal], top: float, bottom: float) -> Axis:
    """An axis on which all the values have their place, with a margin at both ends."""
    low, high = Decimal(min(values)), Decimal(max(values))
    margin = (high - low) * Decimal("0.06")
    if not margin:  # equal values stand in the middle
        margin = abs(low) * Decimal("0.05") or Decimal(1)
    low, high = low - margin, high + margin
    return Axis(low, high, _round_step((high - low) / 5), top, bottom)


def _round_step(about: Decimal) -> Decimal:
    """1, 2 or 5 times a power of ten, at least 2/3 and less than 5/3 of the step wished for."""
    power = Decimal(1).scaleb(about.adjusted())
    lead = about / power
    factor = 1 if lead < Decimal("1.5") else 2 if lead < 3 else 5 if lead < Decimal("7.5") else 10
    return (factor * power).normalize()


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights for labels: as close to those wished for as a gap between neighbours allows, in the same order.

    Least squares under the order (pool adjacent violators; Barlow et al. 1972, section 1.2), then kept within bounds.
    """
    if not heights:
        return []
    gap = min(gap, (high - low) / len(heights))
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[tuple[float, int]] = []  # mean of what the labels wish for, less their rank's share; how many they are
    for rank, index in enumerate(order):
        pools.append((heights[index] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (first, many), (second, few) = pools[-2:]
            pools[-2:] = [((first * many + second * few) / (many + few), many + few)]
    last = high - (len(heights) - 1) * gap
    placed = [min(max(mean, low), last) for mean, count in pools for _ in range(count)]
    found = [0.0] * len(heights)
    for rank, index in enumerate(order):
        found[index] = placed[rank] + rank * gap
    return found


_EDGE = 24


_ROW = 13  # height of a line of small text


_STRIP_ROW = 15  # height of a mark of a diverged seed, at the worse end of the axis


_LONG_SEED = 999_999


_LETTER = 6.6  # width of a letter of small text, 0.6 em: wide for a sans serif


@dataclass(frozen=True, slots=True)
class _Plot:
    """The rectangle of the values, and where each of them stands."""

    panel: Panel
    axis: Axis
    top: float
    bottom: float
    strip: float  # how much of it, at the worse end, is kept for diverged seeds

    def heights(self, column: Column) -> list[float]:
        """The height of each point; diverged seeds stand below each other at the worse end."""
        up = self.panel.side.better_is_up
        found, lost = [], 0
        for point in column.points:
            if point.value is not None:
                found.append(self.axis.y(point.value))
                continue
            inwards = 10 + lost * _STRIP_ROW
            found.append(self.bottom - inwards if up else self.top + inwards)
            lost += 1
        return found


def draw_panel(panel: Panel, top: float) -> tuple[list[str], float]:
    """The shapes of a panel whose title's base line is at `top`, and the height at which it ends."""
    title = svg.text(_EDGE, top, panel.title, "panel")
    if not any(block.values for block in panel.blocks):
        return svg.group([title, svg.text(_EDGE, top + 20, "not measured", "faint")]), top + 20
    plot = _plot(panel, top + 30)
    foot = plot.bottom + 5 + _foot_rows(panel) * _ROW
    return svg.group([title, *_ground(plot), *_data(plot), *_feet(plot)]), foot


def _plot(panel: Panel, top: float) -> _Plot:
    columns = [column for block in panel.blocks for column in block.columns]
    bottom = top + max(panel.height, *(16 + _ROW * len(column.points) for column in columns))
    lost = max(sum(point.value is None for point in column.points) for column in columns)
    strip = 6 + lost * _STRIP_ROW if lost else 0
    up = panel.side.better_is_up
    values: list[float | Decimal] = [value for block in panel.blocks for value in block.values]
    values += panel.band.values if panel.band else []
    axis = fit_axis(values, top if up else top + strip, bottom - strip if up else bottom)
    return _Plot(panel, axis, top, bottom, strip)


# --- ground: axis, frames, bands --------------------------------------------------------------


def _ground(plot: _Plot) -> Iterator[str]:
    axis, main = plot.axis, plot.panel.blocks[0]
    for tick in axis.ticks:
        y = axis.y(tick)
        for block in plot.panel.blocks:
            yield svg.line(block.left, y, block.right, y, "grid")
        yield svg.text(main.left - 6, y + 4, axis.label(tick), "tick faint", "end")
    if axis.base is not None:
        words = f"axis: distance from {axis.base.normalize():g}"
        yield svg.text(main.left, plot.top - 8, words, "faint")
    if plot.strip:
        border, word = (axis.bottom, plot.bottom - 7) if plot.panel.side.better_is_up else (axis.top, plot.top + 14)
        yield svg.text(main.left - 6, word, "diverged", "faint", "end")
        for block in plot.panel.blocks:
            yield svg.line(block.left, border, block.right, border, "border lost")
    for block in plot.panel.blocks:
        yield svg.rect(block.left, plot.top, block.right, plot.bottom, "frame")
        if block.title:
            yield svg.text((block.left + block.right) / 2, plot.top - 8, block.title, "name", "middle")
    yield from _better(plot)
    if plot.panel.band and main.has_bands:
        yield from _bands(plot, plot.panel.band, main)


def _better(plot: _Plot) -> Iterator[str]:
    """An arrow at the left edge towards the better end, with its word."""
    side, x = plot.panel.side, _EDGE - 8
    tip, tail = (plot.top - 16, plot.top + 34) if side.better_is_up else (plot.bottom + 16, plot.bottom - 34)
    yield svg.arrow(x, tail, tip, "arrow")
    yield svg.text(x + 9, tip + (8 if side.better_is_up else 0), side.better, "name")


def _bands(plot: _Plot, band: Band, block: Block) -> Iterator[str]:
    axis, side = plot.axis, plot.panel.side
    edges = [("baseline mean", axis.y(band.mean))]
    for multiple in reversed(band.multiples):
        high, low = axis.y(band.at(multiple)), axis.y(band.at(-multiple))
        yield svg.rect(block.left, high, block.right, low, "band")
        above, below = (side.better, side.worse) if side.better_is_up else (side.worse, side.better)
        edges += [(f"{multiple:g} sigma {above}", high), (f"{multiple:g} sigma {below}", low)]
    yield svg.line(block.left, edges[0][1], block.right, edges[0][1], "middle")
    places = spread([y for _, y in edges], _ROW, plot.top + 4, plot.bottom - 4)
    for (words, y), place in zip(edges, places, strict=True):
        yield svg.line(block.right, y, block.right + 12, place, "leader")
        yield svg.text(block.right + 15, place + 4, words, "faint")


# --- data: joins, means, points, seeds --------------------------------------------------------


def _data(plot: _Plot) -> Iterator[str]:
    for block in plot.panel.blocks:
        for column, following in zip(block.columns, block.columns[1:], strict=False):
            if column.joins:
                yield from _joins(plot, column, following)
        for column in block.columns:
            yield from _mean(plot, column)
            yield from _seeds(plot, column)
            yield from _marks(plot, column)


def _joins(plot: _Plot, left: Column, right: Column) -> Iterator[str]:
    ends = {point.seed: (point, y) for point, y in zip(right.points, plot.heights(right), strict=True)}
    for point, y in zip(left.points, plot.heights(left), strict=True):
        if point.seed in ends:
            other, end = ends[point.seed]
            lost = point.value is None or other.value is None
            yield svg.line(left.x, y, right.x, end, "join lost" if lost else "join")


def _mean(plot: _Plot, column: Column) -> Iterator[str]:
    if column.mean is not None:
        y = plot.axis.y(column.mean)
        yield svg.line(column.x - 16, y, column.x + 16, y, f"mean {_kind(column)}")


def _marks(plot: _Plot, column: Column) -> Iterator[str]:
    # Crosses come last: a run that diverged must not hide behind one that did not.
    for point, y in sorted(zip(column.points, plot.heights(column), strict=True), key=lambda mark: mark[0].diverged):
        says = f"{column.name}, seed {point.seed}: {point.said}" if column.count else f"seed {point.seed}: {point.said}"
        if point.diverged:
            yield svg.cross(column.x, y, f"cross {_kind(column)}", says)
        elif column.is_experiment:
            yield svg.diamond(column.x, y, f"mark {_kind(column)}", says)
        else:
            yield svg.circle(column.x, y, f"mark {_kind(column)}", says)


def _seeds(plot: _Plot, column: Column) -> Iterator[str]:
    """The seed beside each point, moved where two would overlap, with a line to its point."""
    heights, side = plot.heights(column), column.label_side
    places = spread(heights, _ROW - 1, plot.top + 7, plot.bottom - 7)
    kind = _seed_kind(column.points)
    for point, y, place in zip(column.points, heights, places, strict=True):
        if side:
            yield svg.line(column.x + side * 7, y, column.x + side * 19, place, "leader")
            yield svg.text(column.x + side * 22, place + 4, str(point.seed), kind, "start" if side > 0 else "end")


def _seed_kind(points: Sequence[Point]) -> str:
    """Long seeds are written small: up to ten digits have to fit beside a column."""
    return "seed small" if any(point.seed > _LONG_SEED for point in points) else "seed"


def _kind(column: Column) -> str:
    return "experiment" if column.is_experiment else "baseline"


# --- feet: what stands below the columns ------------------------------------------------------


def _feet(plot: _Plot) -> Iterator[str]:
    for block in plot.panel.blocks:
        if block.foot_title:
            yield svg.text(block.left - 6, plot.bottom + 5 + _ROW, block.foot_title, "faint", "end")
        rows = _stagger(block.columns)
        for place, column in enumerate(block.columns):
            y = plot.bottom + 5 + _ROW * (1 + place % rows)
            for number, (words, kind) in enumerate(_foot(plot, column)):
                yield svg.text(column.x, y + number * _ROW, words, kind, "middle")


def _foot(plot: _Plot, column: Column) -> list[tuple[str, str]]:
    if not column.count:
        return [(column.name, _seed_kind(column.points))]
    mean = "no mean" if column.mean is None else f"mean {plot.axis.label(column.mean, MEAN_DIGITS)}"
    return [(column.name, "name"), (mean, ""), (column.count, "faint")]


def _foot_rows(panel: Panel) -> int:
    return max(3 if block.columns[0].count else _stagger(block.columns) for block in panel.blocks)


def _stagger(columns: Sequence[Column]) -> int:
    """How many rows the names need so that neighbours do not touch; one where three lines stand below each column."""
    if len(columns) < 2 or columns[0].count:
        return 1
    slot = columns[1].x - columns[0].x
    widest = max(len(column.name) for column in columns) * _LETTER + 8
    return max(1, math.ceil(widest / slot))
