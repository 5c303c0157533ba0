"""Two kinds of chart as SVG text: the same numbers give the same bytes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Line", "bars", "lines"]

# Okabe and Ito 2008, told apart by the colour-blind; grey is for what stands outside Seedproof.
COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "grey": "#6E7781",
}
DASHES = {"solid": "", "dashed": "7 4", "dotted": "2 4"}
WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 232, 52, 54
LABEL_GAP = 16
ROW, BAR = 30, 18

Scale = Callable[[float], float]
Ticks = Mapping[float, str]

_STYLE = """<style>
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:15px}.dim{fill:#59636e}
.card{fill:#ffffff}.grid{stroke:#d8dee4}.lead{stroke:#8c959f}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.card{fill:#0d1117}
.grid{stroke:#30363d}.lead{stroke:#6e7681}}
</style>"""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, named at its right end."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its number behind it and a remark in the column beside."""

    name: str
    value: float
    remark: str
    colour: str
    is_pale: bool = False


def lines(
    title: str, labels: tuple[str, str], curves: Sequence[Line], x_ticks: Ticks, y_ticks: Ticks, log: bool = False
) -> str:
    """Curves over a grid; the y axis counts in powers of ten if `log`."""
    x = _scale(x_ticks, LEFT, WIDTH - RIGHT, log=False)
    y = _scale(y_ticks, HEIGHT - BOTTOM, TOP, log)
    parts = [*_grid(x, y, x_ticks, y_ticks), *_axis_names(labels)]
    parts += [_curve(each, x, y) for each in curves]
    parts += _end_labels(curves, x, y)
    return _page(title, HEIGHT, parts)


def bars(title: str, labels: tuple[str, str], rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero in the order given, each with its number; the remarks stand in a column beside."""
    left, height = 206, TOP + ROW * len(rows) + 16
    x = _scale({0.0: "", max(row.value for row in rows): ""}, left, WIDTH - 230, log=False)
    parts = [_text(left, TOP - 6, labels[0], is_dim=True), _text(WIDTH - 20, TOP - 6, labels[1], "end", is_dim=True)]
    for place, row in enumerate(rows):
        parts += _bar(row, left, TOP + ROW * place + (ROW - BAR) / 2, x)
    return _page(title, height, parts)


def _bar(row: Bar, left: float, top: float, x: Scale) -> list[str]:
    middle, end = top + BAR / 2 + 4.5, x(row.value)
    fill = f'fill="{COLOURS[row.colour]}"' + (' fill-opacity="0.55"' if row.is_pale else "")
    return [
        _text(left - 10, middle, row.name, "end"),
        f'<rect x="{left}" y="{top:.1f}" width="{end - left:.1f}" height="{BAR}" {fill}/>',
        _text(end + 8, middle, f"{row.value:.2f}"),
        _text(WIDTH - 20, middle, row.remark, "end", is_dim=True),
    ]


def _text(x: float, y: float, text: str, anchor: str = "start", is_dim: bool = False) -> str:
    kind = ' class="dim"' if is_dim else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _scale(ticks: Ticks, start: float, end: float, log: bool) -> Scale:
    """From a value to a place, the first tick at `start` and the last at `end`."""
    place: Scale = math.log10 if log else float
    low, high = place(min(ticks)), place(max(ticks))
    return lambda value: start + (place(value) - low) / (high - low) * (end - start)


def _grid(x: Scale, y: Scale, x_ticks: Ticks, y_ticks: Ticks) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for at, text in y_ticks.items():
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y(at):.1f}" x2="{right}" y2="{y(at):.1f}"/>')
        parts.append(_text(LEFT - 8, y(at) + 4.5, text, "end", is_dim=True))
    for at, text in x_ticks.items():
        parts.append(f'<line class="grid" x1="{x(at):.1f}" y1="{bottom}" x2="{x(at):.1f}" y2="{bottom + 5}"/>')
        parts.append(_text(x(at), bottom + 20, text, "middle", is_dim=True))
    return parts


def _axis_names(labels: tuple[str, str]) -> list[str]:
    across, up = labels
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [_text(middle, HEIGHT - 12, across, "middle", is_dim=True), _text(14, TOP - 10, up, is_dim=True)]


def _curve(curve: Line, x: Scale, y: Scale) -> str:
    points = " ".join(f"{x(across):.1f},{y(up):.1f}" for across, up in curve.points)
    dash = f' stroke-dasharray="{DASHES[curve.dash]}"' if DASHES[curve.dash] else ""
    return f'<polyline class="line" stroke="{COLOURS[curve.colour]}"{dash} points="{points}"/>'


def _end_labels(curves: Sequence[Line], x: Scale, y: Scale) -> list[str]:
    """Names at the ends, moved apart where they would overlap, each led to its curve in its own stroke."""
    ordered = sorted(curves, key=lambda each: y(each.points[-1][1]))
    ends = [y(each.points[-1][1]) for each in ordered]
    parts = []
    for curve, end, place in zip(ordered, ends, _spread(ends), strict=True):
        start = x(curve.points[-1][0])
        dash = f' stroke-dasharray="{DASHES[curve.dash]}"' if DASHES[curve.dash] else ""
        parts.append(f'<path class="lead" fill="none" d="M{start + 2:.1f} {end:.1f}L{start + 14:.1f} {place:.1f}"/>')
        parts.append(
            f'<path class="line" stroke="{COLOURS[curve.colour]}"{dash} d="M{start + 14:.1f} {place:.1f}h20"/>'
        )
        parts.append(_text(start + 40, place + 4.5, curve.name))
    return parts


def _spread(wanted: Sequence[float]) -> list[float]:
    """Ascending places at least a label apart: groups that collide are centred on the mean of their wishes."""
    groups: list[list[float]] = []
    for one in wanted:
        groups.append([one])
        while len(groups) > 1 and _top(groups[-1]) < _top(groups[-2]) + LABEL_GAP * len(groups[-2]):
            last = groups.pop()
            groups[-1] += last
    return [_top(group) + LABEL_GAP * place for group in groups for place in range(len(group))]


def _top(group: Sequence[float]) -> float:
    return sum(group) / len(group) - LABEL_GAP * (len(group) - 1) / 2


def _page(title: str, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">'
    )
    card = f'<rect class="card" width="{WIDTH}" height="{height}" rx="6"/>'
    name = f'<text class="title" x="14" y="24">{escape(title)}</text>'
    return "\n".join([head, _STYLE, card, name, *parts, "</svg>\n"])
