"""Draws panels of points, means and bands beside a numbered axis."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from seedproof.report import svg
from seedproof.report.axis import MEAN_DIGITS, Axis, fit_axis, spread
from seedproof.report.panel import Band, Block, Column, Panel, Point

__all__ = ["EDGE", "draw_panel"]

EDGE = 24
_ROW = 13  # height of a line of small text
_STRIP_ROW = 15  # height of a mark of a diverged seed, at the worse end of the axis
_LONG_SEED = 999_999
_LETTER = 6.6  # width of a letter of small text, 0.6 em: wide for a sans serif


@dataclass(frozen=True, slots=True)
class _Plot:
    """The rectangle in which the values are drawn."""

    panel: Panel
    axis: Axis
    top: float
    bottom: float
    strip: float  # height at the worse end that is kept for diverged seeds

    @classmethod
    def of(cls, panel: Panel, top: float) -> "_Plot":
        columns = [column for block in panel.blocks for column in block.columns]
        bottom = top + max(panel.height, *(16 + _ROW * len(column.points) for column in columns))
        diverged = max(sum(point.value is None for point in column.points) for column in columns)
        strip = 6 + diverged * _STRIP_ROW if diverged else 0
        values: list[float | Decimal] = [value for block in panel.blocks for value in block.values]
        values += panel.band.values if panel.band else []
        up = panel.side.better_is_up
        axis = fit_axis(values, top if up else top + strip, bottom - strip if up else bottom)
        return cls(panel, axis, top, bottom, strip)

    def heights(self, column: Column) -> list[float]:
        """The height of each point; diverged seeds stand below each other at the worse end."""
        heights, diverged = [], 0
        for point in column.points:
            if point.value is not None:
                heights.append(self.axis.y(point.value))
                continue
            inwards = 10 + diverged * _STRIP_ROW
            heights.append(self.bottom - inwards if self.panel.side.better_is_up else self.top + inwards)
            diverged += 1
        return heights


def draw_panel(panel: Panel, top: float) -> tuple[list[str], float]:
    """The shapes of a panel whose title's base line is at `top`, and the height at which it ends."""
    title = svg.text(EDGE, top, panel.title, "panel")
    if not any(block.values for block in panel.blocks):
        return svg.group([title, svg.text(EDGE, top + 20, "not measured", "faint")]), top + 20
    plot = _Plot.of(panel, top + 30)
    rows = max(3 if block.columns[0].count else _name_rows(block.columns) for block in panel.blocks)
    return svg.group([title, *_ground(plot), *_data(plot), *_captions(plot)]), plot.bottom + 5 + rows * _ROW


# --- ground: axis, frames, bands --------------------------------------------------------------


def _ground(plot: _Plot) -> Iterator[str]:
    axis, main = plot.axis, plot.panel.blocks[0]
    for tick in axis.ticks:
        y = axis.y(tick)
        for block in plot.panel.blocks:
            yield svg.line(block.left, y, block.right, y, "grid")
        yield svg.text(main.left - 6, y + 4, axis.label(tick), "tick faint", "end")
    if axis.base is not None:
        yield svg.text(main.left, plot.top - 8, f"axis: distance from {axis.base.normalize():g}", "faint")
    if plot.strip:
        border, y = (axis.bottom, plot.bottom - 7) if plot.panel.side.better_is_up else (axis.top, plot.top + 14)
        yield svg.text(main.left - 6, y, "diverged", "faint", "end")
        for block in plot.panel.blocks:
            yield svg.line(block.left, border, block.right, border, "border lost")
    for block in plot.panel.blocks:
        yield svg.rect(block.left, plot.top, block.right, plot.bottom, "frame")
        if block.title:
            yield svg.text((block.left + block.right) / 2, plot.top - 8, block.title, "name", "middle")
    yield from _arrow_to_better(plot)
    if plot.panel.band and main.has_bands:
        yield from _bands(plot, plot.panel.band, main)


def _arrow_to_better(plot: _Plot) -> Iterator[str]:
    side, x = plot.panel.side, EDGE - 8
    tip, tail = (plot.top - 16, plot.top + 34) if side.better_is_up else (plot.bottom + 16, plot.bottom - 34)
    yield svg.arrow(x, tail, tip, "arrow")
    yield svg.text(x + 9, tip + (8 if side.better_is_up else 0), side.better, "name")


def _bands(plot: _Plot, band: Band, block: Block) -> Iterator[str]:
    axis, side = plot.axis, plot.panel.side
    above, below = (side.better, side.worse) if side.better_is_up else (side.worse, side.better)
    edges = [("baseline mean", axis.y(band.mean))]
    for multiple in reversed(band.multiples):
        high, low = axis.y(band.at(multiple)), axis.y(band.at(-multiple))
        yield svg.rect(block.left, high, block.right, low, "band")
        edges += [(f"{multiple:g} sigma {above}", high), (f"{multiple:g} sigma {below}", low)]
    yield svg.line(block.left, edges[0][1], block.right, edges[0][1], "middle")
    places = spread([y for _, y in edges], _ROW, plot.top + 4, plot.bottom - 4)
    for (label, y), place in zip(edges, places, strict=True):
        yield svg.line(block.right, y, block.right + 12, place, "leader")
        yield svg.text(block.right + 15, place + 4, label, "faint")


# --- data: joins, means, seeds, points --------------------------------------------------------


def _data(plot: _Plot) -> Iterator[str]:
    for block in plot.panel.blocks:
        for column, following in zip(block.columns, block.columns[1:], strict=False):
            if column.count:  # not a baseline drawn by itself, a column a run
                yield from _joins(plot, column, following)
        for column in block.columns:
            if column.mean is not None:
                y = plot.axis.y(column.mean)
                yield svg.line(column.x - 16, y, column.x + 16, y, f"mean {column.style}")
            yield from _seeds(plot, column)
            yield from _points(plot, column)


def _joins(plot: _Plot, left: Column, right: Column) -> Iterator[str]:
    ends = {point.seed: (point, y) for point, y in zip(right.points, plot.heights(right), strict=True)}
    for point, y in zip(left.points, plot.heights(left), strict=True):
        if point.seed in ends:
            other, end = ends[point.seed]
            has_values = point.value is not None and other.value is not None
            yield svg.line(left.x, y, right.x, end, "join" if has_values else "join lost")


def _points(plot: _Plot, column: Column) -> Iterator[str]:
    # Crosses come last: a run that diverged must not hide behind one that did not.
    for point, y in sorted(zip(column.points, plot.heights(column), strict=True), key=lambda mark: mark[0].diverged):
        tip = f"{column.name}, seed {point.seed}: {point.text}" if column.count else f"seed {point.seed}: {point.text}"
        if point.diverged:
            yield svg.cross(column.x, y, f"cross {column.style}", tip)
        elif column.is_experiment:
            yield svg.diamond(column.x, y, f"mark {column.style}", tip)
        else:
            yield svg.circle(column.x, y, f"mark {column.style}", tip)


def _seeds(plot: _Plot, column: Column) -> Iterator[str]:
    """The seed beside each point, moved where two would overlap, with a line to its point."""
    side = column.label_side
    if not side:
        return
    heights = plot.heights(column)
    places = spread(heights, _ROW - 1, plot.top + 7, plot.bottom - 7)
    for point, y, place in zip(column.points, heights, places, strict=True):
        yield svg.line(column.x + side * 7, y, column.x + side * 19, place, "leader")
        x, anchor = column.x + side * 22, "start" if side > 0 else "end"
        yield svg.text(x, place + 4, str(point.seed), _seed_class(column.points), anchor)


def _seed_class(points: Sequence[Point]) -> str:
    """Long seeds are written small: up to ten digits have to fit beside a column."""
    return "seed small" if any(point.seed > _LONG_SEED for point in points) else "seed"


# --- captions: what stands below the columns --------------------------------------------------


def _captions(plot: _Plot) -> Iterator[str]:
    for block in plot.panel.blocks:
        if block.foot_title:
            yield svg.text(block.left - 6, plot.bottom + 5 + _ROW, block.foot_title, "faint", "end")
        rows = _name_rows(block.columns)
        for place, column in enumerate(block.columns):
            y = plot.bottom + 5 + _ROW * (1 + place % rows)
            for number, (line, kind) in enumerate(_caption(plot, column)):
                yield svg.text(column.x, y + number * _ROW, line, kind, "middle")


def _caption(plot: _Plot, column: Column) -> list[tuple[str, str]]:
    if not column.count:
        return [(column.name, _seed_class(column.points))]
    mean = "no mean" if column.mean is None else f"mean {plot.axis.label(column.mean, MEAN_DIGITS)}"
    return [(column.name, "name"), (mean, ""), (column.count, "faint")]


def _name_rows(columns: Sequence[Column]) -> int:
    """How many rows the names need so that neighbours do not touch; 1 where each column has three lines."""
    if len(columns) < 2 or columns[0].count:
        return 1
    widest = max(len(column.name) for column in columns) * _LETTER + 8
    return math.ceil(widest / (columns[1].x - columns[0].x))
