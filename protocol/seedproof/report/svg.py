"""SVG as text: a few shapes and the style sheet; the same input gives the same bytes."""

import re
from collections.abc import Iterable

__all__ = ["arrow", "circle", "cross", "diamond", "document", "escape", "group", "line", "rect", "text"]

# The picture has a background of its own: where a page is dark but the media query does not apply (GitHub shows
# pictures in <img>), a light card stays readable; text on a transparent background would have to be grey.
# Colours: Okabe and Ito 2008, "Color Universal Design"; blue and vermilion on light, sky blue and orange on dark.
# Greys: GitHub's, at least 4.5 to 1 for text. Each selector begins with .seedproof, because the styles of a picture
# that is pasted into a page count for the whole page.
_LIGHT = {
    "ground": "#ffffff", "edge": "#d0d7de", "ink": "#1f2328", "faint": "#59636e", "grid": "#dfe3e8",
    "join": "#8c959f", "baseline": "#0072b2", "experiment": "#d55e00", "better": "#007a59",
}  # fmt: skip
_DARK = {
    "ground": "#0d1117", "edge": "#3d444d", "ink": "#f0f6fc", "faint": "#9da7b3", "grid": "#252b33",
    "join": "#768390", "baseline": "#56b4e9", "experiment": "#e69f00", "better": "#2cc295",
}  # fmt: skip
_RULES = (
    ("text", "font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif"),
    ("text", "font-size:11px"),
    (".title", "font-size:16px;font-weight:600"),
    (".headline", "font-size:13px"),
    (".panel", "font-size:13px;font-weight:600"),
    (".name", "font-weight:600"),
    (".small", "font-size:9px"),
    (".seed", "paint-order:stroke;stroke-width:3px;stroke-opacity:.7;stroke-linejoin:round"),
    (".lost", "stroke-dasharray:2 3"),
    (".middle", "stroke-dasharray:5 3"),
    (".band", "fill-opacity:.13"),
    (".mean", "stroke-width:4;stroke-opacity:.75"),
    (".mark", "stroke-width:1.5"),
    (".cross", "stroke-width:2.5;fill:none"),
)
_PAINT = (
    (".ground", "fill:{ground};stroke:{edge}"),
    ("text", "fill:{ink}"),
    (".seed", "stroke:{ground}"),
    (".faint", "fill:{faint}"),
    (".grid", "stroke:{grid}"),
    (".frame", "fill:none;stroke:{edge}"),
    (".join", "stroke:{join}"),
    (".border", "stroke:{edge}"),
    (".leader", "stroke:{join};stroke-width:.75"),
    (".arrow", "fill:{better};stroke:{better};stroke-width:1.5"),
    (".middle", "stroke:{baseline}"),
    (".band", "fill:{baseline}"),
    (".mean.baseline", "stroke:{baseline}"),
    (".mean.experiment", "stroke:{experiment}"),
    (".mark.baseline", "fill:{baseline};stroke:{ground}"),
    (".mark.experiment", "fill:{experiment};stroke:{ground}"),
    (".cross.baseline", "stroke:{baseline}"),
    (".cross.experiment", "stroke:{experiment}"),
)

# What XML 1.0 does not allow, section 2.2; lone surrogates cannot even be encoded.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def escape(content: str) -> str:
    """Text for an XML element or attribute: on one line, with all markup escaped."""
    legal = " ".join(_NOT_XML.sub("\ufffd", content).split())
    return "".join(_ENTITIES.get(letter, letter) for letter in legal)


def document(width: float, height: float, title: str, description: str, body: Iterable[str]) -> str:
    """The whole picture on a card, with title and description for readers who cannot see it."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="seedproof" role="img" '
            f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            *_style(),
            f'<rect class="ground" x="0.5" y="0.5" width="{width - 1:.2f}" height="{height - 1:.2f}" rx="6"/>',
            *body,
            "</svg>\n",
        ]
    )


def _style() -> list[str]:
    dark = [f"  {rule}" for rule in _painted(_DARK)]
    fixed = [f".seedproof {selector} {{{rule}}}" for selector, rule in _RULES]
    return ["<style>", *fixed, *_painted(_LIGHT), "@media (prefers-color-scheme: dark) {", *dark, "}", "</style>"]


def _painted(colours: dict[str, str]) -> list[str]:
    return [f".seedproof {selector} {{{rule.format(**colours)}}}" for selector, rule in _PAINT]


def group(shapes: Iterable[str]) -> list[str]:
    """Shapes that belong together."""
    return ["<g>", *shapes, "</g>"]


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text whose base line is at `y`; `anchor` is start, middle or end."""
    styled = f' class="{kind}"' if kind else ""
    return f'<text{styled} x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"/>'


def rect(left: float, top: float, right: float, bottom: float, kind: str) -> str:
    """A rectangle."""
    size = f'width="{right - left:.2f}" height="{bottom - top:.2f}"'
    return f'<rect class="{kind}" x="{left:.2f}" y="{top:.2f}" {size}/>'


def circle(x: float, y: float, kind: str, tip: str) -> str:
    """A dot with a tooltip."""
    return f'<circle class="{kind}" cx="{x:.2f}" cy="{y:.2f}" r="5">{_title(tip)}</circle>'


def diamond(x: float, y: float, kind: str, tip: str) -> str:
    """A square on its corner with a tooltip."""
    path = f"M{x:.2f} {y - 6.5:.2f} L{x + 6.5:.2f} {y:.2f} L{x:.2f} {y + 6.5:.2f} L{x - 6.5:.2f} {y:.2f} Z"
    return f'<path class="{kind}" d="{path}">{_title(tip)}</path>'


def cross(x: float, y: float, kind: str, tip: str) -> str:
    """Two crossed strokes that say something when pointed at."""
    left, right, high, low = x - 4.5, x + 4.5, y - 4.5, y + 4.5
    path = f"M{left:.2f} {high:.2f} L{right:.2f} {low:.2f} M{left:.2f} {low:.2f} L{right:.2f} {high:.2f}"
    return f'<path class="{kind}" d="{path}">{_title(tip)}</path>'


def arrow(x: float, tail: float, tip: float, kind: str) -> str:
    """A vertical arrow from height `tail` to height `tip`."""
    back = tip - 7 if tip > tail else tip + 7
    head = f"M{x:.2f} {tip:.2f} L{x - 4:.2f} {back:.2f} L{x + 4:.2f} {back:.2f} Z"
    return f'<path class="{kind}" d="M{x:.2f} {tail:.2f} L{x:.2f} {back:.2f} {head}"/>'


def _title(tip: str) -> str:
    return f"<title>{escape(tip)}</title>"
