"""The screen of `seedproof watch`, drawn from what was seen."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seedproof_mcp.service.replies.plain import rounded
from seedproof_mcp.surface.commands.sparkline import sparkline

if TYPE_CHECKING:
    from seedproof_mcp.service.replies.baseline import BaselineStatus
    from seedproof_mcp.service.replies.rows import QueuedRow, SeedRow
    from seedproof_mcp.service.replies.run import RunResult

__all__ = ["View", "draw"]

_WIDEST = 72


@dataclass(frozen=True, slots=True)
class View:
    """What the screen shows."""

    project: str
    baseline: "BaselineStatus"
    run: "RunResult | None"
    """The run that is training, or that is next."""
    seeds: "tuple[SeedRow, ...]"
    """The seeds of its arm so far."""
    curve: tuple[float, ...]
    """The values of its metric so far."""
    beside: "tuple[RunResult, ...]"
    """What trains beside it, on other slots."""
    queue: "tuple[QueuedRow, ...]"
    """The first runs that wait behind it."""
    queued: int
    """How many wait in all."""
    problem: str | None
    """What keeps the queue from going on."""
    ended: tuple[str, ...]
    """The last runs that ended meanwhile."""


def draw(view: View, console: Console) -> RenderableType:
    """The screen; lines that are too long wrap, and what does not fit in height is the end of the queue."""
    parts: list[RenderableType] = [Text(view.project, "bold"), Text(view.baseline.first_line()), Text()]
    parts += _of_run(view, console) if view.run is not None else [Text("Nothing is queued or running.")]
    for one in view.beside:
        parts += [Text(), Text(one.first_line(), "bold"), Text(f"  {one.progress()}")]
    if view.problem:
        parts.append(Text(f"The conductor cannot go on: {view.problem}", "bold"))
    if view.ended:
        parts += [Text(), *(Text(line) for line in view.ended)]
    parts += [Text(), Text("q leaves; runs go on.", "dim")]
    room = console.height - sum(len(console.render_lines(part)) for part in parts) - 2
    return Group(*parts[:-2], *_of_queue(view, room), *parts[-2:])


def _of_run(view: View, console: Console) -> list[RenderableType]:
    run = view.run
    assert run is not None
    width = min(_WIDEST, console.width)
    parts: list[RenderableType] = [Text(run.first_line(), "bold"), Text(f"  {run.progress()}")]
    if run.state == "running" and run.eta_s is not None and run.elapsed_s is not None:
        # Without a frame of its own the bar would be as wide as the terminal.
        parts.append(ProgressBar(total=run.elapsed_s + run.eta_s, completed=run.elapsed_s, width=width))
    if run.reason:
        parts.append(Text(f"  {run.reason}"))
    finite = [one for one in view.curve if math.isfinite(one)]
    if len(finite) > 1:
        first, last = rounded(finite[0]), rounded(finite[-1])
        is_ascii = not console.encoding.lower().startswith("utf")
        parts.append(Text(sparkline(view.curve, width, is_ascii=is_ascii)))
        parts.append(Text(f"  {view.baseline.metric} from {first} to {last}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for seed in view.seeds:
        value = seed.metrics.get(view.baseline.metric)
        table.add_row(f"  {seed.seed}", seed.state if value is None else f"{rounded(value)}")
    return [*parts, Text(), Text("Seeds so far"), table] if view.seeds else parts


def _of_queue(view: View, room: int) -> list[RenderableType]:
    behind = view.queued - (view.run is not None and view.run.state == "queued")
    if behind < 1:
        return []
    shown = view.queue[: max(0, room - 2)]
    lines = [Text(), Text(f"Queue: {behind}"), *(Text(f"  {one.run_id}{_until(one.eta_s)}") for one in shown)]
    return [*lines, Text(f"  and {behind - len(shown)} more")] if behind > len(shown) else [*lines]


def _until(seconds: float | None) -> str:
    """When a run has ended, as exactly as anybody knows."""
    if seconds is None:
        return ""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f", in about {seconds / size:.3g} {unit}"
    return f", in about {seconds:.0f} s"
