"""The command `export`: the loss curves of all runs as comma-separated values."""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from seedproof.ledger.state import State
from seedproof.metrics.curve import Point
from seedproof.model.runs import Run

from seedproof_mcp.board.curves import kept_curves
from seedproof_mcp.runner.log_reader import read_curves
from seedproof_mcp.service.service import Service

__all__ = ["export_curves"]

COLUMNS = (
    *("generation", "experiment", "role", "arm", "seed", "attempt", "run_id", "state"),
    *("metric", "step", "seconds", "value"),
)


def export_curves(options: argparse.Namespace, service: Service) -> int:
    """Write a line for each value of each ended run; say on stderr which runs have none.

    Returns:
        0 written, 1 there was nothing to write.
    """
    with service.reading() as (study, _):
        state = study.state
        runs = [run for run in state.runs.values() if options.experiment in (None, run.experiment)]
        ended = [run for run in runs if not run.state.is_active and run.started]
    lacking, thinned = [], []
    with _target(options.output) as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in ended:
            found, is_whole = _curves(service, state, run)
            if not found:
                lacking.append(run.run_id)
            elif not is_whole:
                thinned.append(run.run_id)
            for metric, points in found.items():
                writer.writerows([*_of(run), metric, *_fields(point)] for point in points)
    _tell(lacking, "no curve: no log of theirs with a value is kept")
    _tell(thinned, "at most 2,000 values of each metric: the log itself is not kept")
    if not ended:
        print("seedproof: no run has ended yet.", file=sys.stderr)
    return 0 if len(lacking) < len(ended) else 1


def _curves(service: Service, state: State, run: Run) -> tuple[dict[str, list[Point]], bool]:
    """The curves of a run, and whether they hold every value."""
    folder = service.paths.run(run.run_id)
    try:
        return read_curves(folder, run.metrics, state.rules_of(run.generation), is_thinned=False), True
    except OSError:
        return kept_curves(folder), False


def _of(run: Run) -> list[object]:
    arm = "baseline" if run.experiment is None or run.is_control else "experiment"
    names = [run.generation, run.experiment or "", run.role.value, arm, run.seed, run.attempt, run.run_id]
    return [*names, run.state.value]


def _fields(point: Point) -> list[object]:
    """Step, seconds and value; empty where a line names none, and where nan or inf was printed."""
    return ["" if one is None else one for one in (point.step, point.seconds, point.value)]


@contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        yield file
    print(f"Written: {os.fspath(path)}", file=sys.stderr)


def _tell(runs: list[str], what: str) -> None:
    if runs:
        shown = ", ".join(runs[:5]) + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")
        print(f"seedproof: {len(runs)} runs have {what} ({shown}).", file=sys.stderr)
