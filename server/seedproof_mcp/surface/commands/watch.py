"""`seedproof watch`: the runs in flight, live on a terminal, and a line for each change elsewhere."""

import argparse
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedproof_mcp.service.run_queries import active_runs, log_of, rules_of, seeds_so_far
from seedproof_mcp.surface.commands.watch_screen import View, draw

if TYPE_CHECKING:
    from rich.console import Console

    from seedproof_mcp.service.service import Service
    from seedproof_mcp.system.file_watch import FileWatch

__all__ = ["watch_runs"]

LOOK_S = 0.5
# The curve is read anew from the end of the log, which takes a tenth of a second.
CURVE_S = 2.0
CURVE_BYTES = 4 << 20
_SHOWN_ENDS = 3


def watch_runs(options: argparse.Namespace, service: "Service") -> int:
    """Show what is training and queued: on a terminal until `q` or Ctrl-C, elsewhere until nothing is."""
    from rich.console import Console

    console = Console(highlight=False)
    watched = _Watched(service)
    with service.watch() as watch:
        if console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty():
            return _live(console, watched, watch)
        return _lines(watched, watch)


class _Watched:
    """What was seen of the runs."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.ended: list[str] = []
        self.active: list[str] = []
        self._curve: tuple[str, float, list[float]] = ("", 0.0, [])

    def look(self) -> list[str]:
        """Look again; return the first line of each run that has ended since."""
        before, self.active = self.active, active_runs(self.service)
        gone = [one for one in before if one not in self.active]
        told = [self.service.observe(one).first_line() for one in gone]
        self.ended += told
        return told

    def view(self) -> View:
        """What the screen shows now."""
        page = self.service.list_experiments()
        now = page.running.run_id if page.running else next(iter(self.active), None)
        run = None if now is None else self.service.observe(now)
        return View(
            project=str(self.service.paths.root),
            baseline=self.service.check_baseline(),
            run=run,
            seeds=() if now is None else tuple(seeds_so_far(self.service, now)),
            curve=tuple(self._curve_of(now)) if now is not None and run is not None and run.is_active else (),
            beside=tuple(self.service.observe(row.run_id) for row in page.also_running),
            queue=tuple(one for one in page.queue if one.run_id != now),
            queued=page.queued,
            problem=self.service.complaint() if self.active else None,
            ended=tuple(self.ended[-_SHOWN_ENDS:]),
        )

    def _curve_of(self, run_id: str) -> list[float]:
        """The values of the metric so far, or of the training's loss where the log shows none."""
        of, at_s, values = self._curve
        if of != run_id or time.monotonic() - at_s > CURVE_S:
            from seedproof.metrics.curve import CurveReader

            rules = rules_of(self.service, run_id)
            reader = CurveReader(rules.metrics)
            reader.feed(log_of(self.service, run_id, -CURVE_BYTES, CURVE_BYTES))
            curves = reader.finish({})
            found = curves.get(rules.metric.name) or next(iter(curves.values()), [])
            values = [float("nan") if point.value is None else point.value for point in found]
            self._curve = (run_id, time.monotonic(), values)
        return values


def _lines(watched: _Watched, watch: "FileWatch") -> int:
    from seedproof_mcp.service.service import BLIND_S

    begun: set[str] = set()
    while True:
        for line in watched.look():
            print(line, flush=True)
        if not watched.active:
            print("Nothing is queued or running.", flush=True)
            return 0
        page = watched.service.list_experiments()
        if not begun.issuperset(page.training):
            begun.update(page.training)
            print(f"training now: {', '.join(page.training)}; queued: {page.queued}", flush=True)
        watch.wait(LOOK_S, BLIND_S)


def _live(console: "Console", watched: _Watched, watch: "FileWatch") -> int:
    from rich.live import Live

    with _keys() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            watched.look()
            live.update(draw(watched.view(), console), refresh=True)
            ready, _, _ = select.select([keyboard, *([watch.fd] if watch.fd >= 0 else [])], [], [], LOOK_S)
            if keyboard in ready and os.read(keyboard, 64)[:1].lower() in (b"q", b"\x04", b""):
                return 0
            if watch.fd in ready:
                watch.take()


@contextmanager
def _keys() -> Iterator[int]:
    """The keyboard without waiting for Enter and without showing what is typed."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
