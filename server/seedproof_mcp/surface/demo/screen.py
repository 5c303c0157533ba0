"""Prints the demonstration: lines, tables and bars on a terminal, plain lines elsewhere."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

__all__ = ["Screen"]


class Screen:
    """Prints to a terminal, or plain lines to anything else."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # an ASCII terminal gets ? for ✓
        self.console = Console(highlight=False)
        self.is_live = self.console.is_interactive and sys.stdout.isatty()

    def say(self, text: str, style: str = "", indent: int = 4) -> None:
        """Print one line, wrapped on a terminal only."""
        if self.is_live:
            self.console.print(Padding(Text(text, style), (0, 0, 0, indent), expand=False))
        else:
            self.console.print(Text(" " * indent + text, style), soft_wrap=True)

    def title(self, text: str) -> None:
        """Print the heading of the next part."""
        self.console.print()
        self.say(text, "bold", 0)

    def show(self, block: RenderableType) -> None:
        """Print a table or a panel."""
        self.console.print(Padding(block, (0, 0, 0, 4), expand=False))

    def table(self, names: list[str], rows: list[list[str]], summaries: list[dict[str, Any]]) -> None:
        """Print the numbers of each seed, and their mean below."""
        footers = ["mean ± std", *(f"{one['mean']:.4f} ± {one['std']:.4f}" for one in summaries)]
        columns = [Column(name, footer, justify="right") for name, footer in zip(names, footers, strict=True)]
        table = Table(*columns, box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.show(table)

    @contextmanager
    def bar(self, name: str, usual_s: float | None) -> Iterator[Any]:
        """The progress callback of one run; it moves a bar on a terminal and nothing elsewhere."""
        told = TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        columns = (TextColumn("    {task.description}"), _TimeBar(bar_width=24), told)
        with Progress(*columns, console=self.console, transient=True, disable=not self.is_live, expand=True) as bars:
            bar = bars.add_task(name, total=usual_s, told="starting", told_at=time.monotonic())

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                now = time.monotonic()
                bars.update(bar, completed=progress, total=total or usual_s, told=message or "", told_at=now)

            yield on_progress


class _TimeBar(BarColumn):
    """A bar of elapsed time, which also moves between two progress notifications."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if bar.total is not None:
            bar.completed = min(bar.total, task.completed + time.monotonic() - task.fields["told_at"])
        return bar
