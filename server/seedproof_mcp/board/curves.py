"""Loss curves: kept with ended runs, read from the logs of running ones, and the baseline's as a band."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seedproof.metrics.curve import CurveReader, Point, curve_document, thin
from seedproof.model.rules import Rules

from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.system.paths import RunPaths

__all__ = ["Curves", "LiveCurves", "band", "kept_curves", "shown_curves"]

Curves = dict[str, list[Point]]
"""The points of each metric, in the order of the log."""

SHOWN_POINTS = 400
"""Points of a curve that a page draws: a line of it has hardly more columns."""
# Three metrics of 2,000 points take a tenth; the training could write into the folder of its run.
MOST_BYTES = 4 << 20
CHUNK = 1 << 20
# One look reads at most this much: a page must not wait for a log of gigabytes.
LOOK_LIMIT = 16 << 20


def kept_curves(folder: RunPaths) -> Curves:
    """The curves that are kept with an ended run; empty where none are, or where the file is not one of ours."""
    try:
        with folder.curve.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        return {str(name)[:100]: [_point(*one) for one in points] for name, points in document.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _point(step: Any, seconds: Any, value: Any) -> Point:
    if not all(one is None or _is_number(one) for one in (step, seconds, value)):
        raise ValueError("no numbers")
    return Point(None if step is None else int(step), seconds, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def shown_curves(curves: Curves) -> dict[str, list[list[float | None]]]:
    """Curves for a page: by metric a list of step, seconds and value.

    A line without a step, such as the summary at the end, stands at the step before it; where no line has one, their
    places in the log stand for steps.
    """
    return curve_document({name: thin(_stepped(points), SHOWN_POINTS) for name, points in curves.items()})


def _stepped(points: Sequence[Point]) -> list[Point]:
    if all(one.step is None for one in points):
        return [replace(one, step=place) for place, one in enumerate(points)]
    found, step = [], 0
    for one in points:
        step = step if one.step is None else one.step
        found.append(replace(one, step=step))
    return found


def band(curves: Sequence[Curves]) -> dict[str, list[list[float]]]:
    """For each metric step, lowest and highest value over runs, at the steps where all of them have a value."""
    found = {}
    for metric in {name: None for one in curves for name in one}:
        values = [_by_step(one.get(metric, [])) for one in curves]
        shared = sorted(set(values[0]).intersection(*values[1:]))
        if len(values) > 1 and len(shared) > 1:
            at = [shared[place] for place in _places(len(shared))]
            found[metric] = [
                [float(step), min(one[step] for one in values), max(one[step] for one in values)] for step in at
            ]
    return found


def _by_step(points: Sequence[Point]) -> dict[int, float]:
    """The last value at each step."""
    return {one.step or 0: one.value for one in _stepped(points) if one.value is not None}


def _places(count: int) -> list[int]:
    if count <= SHOWN_POINTS:
        return list(range(count))
    return [round(number * (count - 1) / (SHOWN_POINTS - 1)) for number in range(SHOWN_POINTS)]


class LiveCurves:
    """Keeps one reader for each running run, so that each look reads only what is new."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._readers: dict[str, tuple[CurveReader, int]] = {}

    def look(self, folder: RunPaths, rules: Rules) -> Curves:
        """The curves of a running run up to now; empty where its log cannot be read."""
        key = str(folder.folder)
        reader, offset = self._readers.get(key) or (CurveReader(rules.metrics), 0)
        limit = offset + LOOK_LIMIT
        try:
            engine = self._engines.of(folder)
            while offset < limit and (chunk := engine.read_log(key, offset, CHUNK)):
                reader.feed(chunk)
                offset += len(chunk)
        except OSError:
            return {}
        self._readers[key] = (reader, offset)
        return reader.so_far()

    def keep_only(self, folders: Sequence[RunPaths]) -> None:
        """Drop the readers of all other runs."""
        kept = {str(folder.folder) for folder in folders}
        self._readers = {key: one for key, one in self._readers.items() if key in kept}
