"""Draws baselines and comparisons: every run as a point beside the baseline's spread."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from decimal import localcontext

from seedproof.model.arms import Baseline, Pair
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.report import svg
from seedproof.report.axis import EXACT
from seedproof.report.difference import Difference, differences_of, draw_differences
from seedproof.report.drawing import EDGE, draw_panel
from seedproof.report.head import tried_words
from seedproof.report.panel import Band, Block, Column, Panel, Point, Side
from seedproof.report.summary import scale_in_title
from seedproof.stats.summary import summarize
from seedproof.verdict.evidence import Evidence

__all__ = ["baseline_figure", "experiment_figure"]

_WIDTH = 760
# Letters that fit between the edges at the sizes of headline and note: 0.6 em each is wide for a sans serif.
_HEADLINE_LETTERS = 90
_NOTE_LETTERS = 110
_TIME = "wall_time_s"
_EXPLAINED = (
    "Each point is one run, lines join runs of the same seed, thick bars are means. "
    "Sigma is the sample standard deviation of the baseline's runs; the bands lie around their mean."
)
_EXPLAINED_BASELINE = (
    "Each point is one run. "
    "Sigma is the sample standard deviation of these runs; the bands lie around their mean, the dashed line."
)


def experiment_figure(comparison: Comparison, pairs: Sequence[Pair] = (), evidence: Evidence | None = None) -> str:
    """Both arms of an experiment, seed by seed, and the pairs of its confirmation, as the text of an SVG file.

    Args:
        pairs: Those of its confirmation.
        evidence: As recorded with the verdict; it has the interval.
    """
    baseline, rules = comparison.baseline, comparison.baseline.rules
    arms = (list(baseline.arm.counted.values()), list(comparison.arm.counted.values()))
    panels = (
        _value_panel(baseline, _blocks(arms, pairs, rules.metric.name, "fresh seeds"), 250),
        _time_panel(
            rules, arms[0], "separate blocks of runs", _blocks(arms, pairs, _TIME, "fresh seeds, alternated"), 70
        ),
    )
    title = f"Experiment {comparison.arm.experiment}"
    tried = f"Tried: {tried_words(comparison.arm)}"
    rows = differences_of(comparison, evidence)
    return _picture(title, (comparison.headline, tried), panels, _EXPLAINED, (rules.metric.name, rows))


def baseline_figure(baseline: Baseline) -> str:
    """The runs of a baseline in the order of its seeds, as the text of an SVG file."""
    rules = baseline.rules
    order = {seed: place for place, seed in enumerate(rules.baseline_seeds)}
    runs = sorted(baseline.arm.counted.values(), key=lambda run: order.get(run.seed, len(order)))
    panels = (
        _value_panel(baseline, (_row(runs, rules.metric.name),), 210),
        _time_panel(rules, runs, "one block of runs", (_row(runs, _TIME),), 90),
    )
    title = f"Baseline, generation {baseline.generation}{scale_in_title(rules)}"
    return _picture(title, (_headline(baseline),), panels, _EXPLAINED_BASELINE)


def _value_panel(baseline: Baseline, blocks: tuple[Block, ...], height: float) -> Panel:
    metric, is_up = baseline.rules.metric, baseline.rules.metric.sign > 0
    title = f"{metric.name} ({'higher' if is_up else 'lower'} is better)"
    band = _band(baseline.mean, baseline.std, baseline.rules)
    return Panel(title, blocks, Side("better", "worse", better_is_up=is_up), band, height)


def _time_panel(rules: Rules, base: Sequence[Run], order: str, blocks: tuple[Block, ...], height: float) -> Panel:
    times = [point.value for point in _points(base, _TIME) if point.value is not None]
    found = summarize(times) if times else None
    band = None if found is None else _band(found.mean, found.std, rules)
    title = f"{_TIME} ({order}, not tested)"
    return Panel(title, blocks, Side("faster", "slower", better_is_up=False), band, height)


# --- from runs to columns ---------------------------------------------------------------------


def _blocks(arms: tuple[list[Run], list[Run]], pairs: Sequence[Pair], metric: str, fresh: str) -> tuple[Block, ...]:
    """The two arms, and beside them the pairs of the confirmation if there are any."""
    wide = not pairs
    base = _column("baseline", arms[0], metric, x=250 if wide else 192, label_side=-1)
    exp = _column("experiment", arms[1], metric, x=478 if wide else 300, label_side=1, is_experiment=True)
    main = Block((base, exp), left=104, right=620 if wide else 380, has_bands=True)
    if wide:
        return (main,)
    total = len(pairs)
    controls = [pair.control for pair in pairs if pair.control is not None]
    treated = [pair.experiment for pair in pairs if pair.experiment is not None]
    control = _column("control", controls, metric, x=564, label_side=-1, wanted=total)
    confirm = _column("experiment", treated, metric, x=668, label_side=1, wanted=total, is_experiment=True)
    return main, Block((control, confirm), left=486, right=748, title=fresh)


def _column(
    name: str,
    runs: Iterable[Run],
    metric: str,
    *,
    x: float,
    label_side: int,
    is_experiment: bool = False,
    wanted: int | None = None,
) -> Column:
    """One side of a comparison; no mean while runs are missing, nor where one diverged."""
    points = _points(runs, metric)
    values = [point.value for point in points if point.value is not None]
    diverged = sum(point.diverged for point in points)
    count = f"{len(points)} seed{'' if len(points) == 1 else 's'}"
    if wanted is not None and len(points) < wanted:
        count = f"{len(points)} of {wanted} seeds"
    elif diverged:
        count = f"{diverged} of {len(points)} diverged"
    complete = bool(values) and len(values) == (wanted or len(points))
    mean = summarize(values).mean if complete else None
    return Column(name, x, points, label_side, is_experiment, mean, count)


def _row(runs: Sequence[Run], metric: str) -> Block:
    """One column for each run of a baseline."""
    points, left, right = _points(runs, metric), 104.0, 620.0
    slot = (right - left) / max(1, len(points))
    columns = tuple(
        Column(str(point.seed), left + (place + 0.5) * slot, (point,)) for place, point in enumerate(points)
    )
    return Block(columns, left=left, right=right, has_bands=True, foot_title="seed")


def _points(runs: Iterable[Run], metric: str) -> tuple[Point, ...]:
    """The runs that are results: those with a value, and those that diverged."""
    points = []
    for run in runs:
        value, diverged = run.value(metric), run.state is RunState.DIVERGED
        if run.state.is_counted and (value is not None or (diverged and metric != _TIME)):
            points.append(Point(run.seed, value, diverged))
    return tuple(points)


def _band(mean: float, sigma: float | None, rules: Rules) -> Band | None:
    """The baseline's spread; None where there is none."""
    return Band(mean, sigma, tuple(sorted({rules.suggestive_sigma, rules.winner_sigma}))) if sigma else None


# --- the sheet --------------------------------------------------------------------------------


def _picture(
    title: str,
    heads: Sequence[str],
    panels: Sequence[Panel],
    note: str,
    differences: tuple[str, list[Difference]] = ("", []),
) -> str:
    """The whole sheet.

    Args:
        heads: Lines below the title, the headline first.
        differences: Name of the metric, and what stands between the panels.
    """
    body = [svg.text(EDGE, 32, title, "title")]
    y = 34.0
    for head in heads:
        for line in textwrap.wrap(head, _HEADLINE_LETTERS):
            y += 18
            body.append(svg.text(EDGE, y, line, "headline"))
    name, rows = differences
    with localcontext(EXACT):
        for place, panel in enumerate(panels):
            drawn, y = draw_panel(panel, y + 28)
            body += drawn
            if place == 0 and rows:
                drawn, y = draw_differences(rows, name, y + 30)
                body += drawn
    y += 8
    for line in textwrap.wrap(note, _NOTE_LETTERS):
        y += 15
        body.append(svg.text(EDGE, y, line, "faint"))
    said = [f"Difference in {name}: {'; '.join(f'{row.name} {row.words}' for row in rows)}."] if rows else []
    description = " ".join([*(panel.description for panel in panels), *said, note])
    return svg.document(_WIDTH, y + 18, f"{title}: {heads[0]}", description, body)


def _headline(baseline: Baseline) -> str:
    """Mean and sigma; the mean has two digits more than sigma's first."""
    mean, sigma, name = baseline.mean, baseline.std, baseline.rules.metric.name
    digits = 6
    if mean:
        digits = min(17, max(3, math.floor(math.log10(abs(mean))) - math.floor(math.log10(sigma)) + 2))
    runs = f"{len(baseline.rules.baseline_seeds)} seeds"
    return f"{name}: {mean:.{digits}g} ± {sigma:.2g} (mean ± sigma, the sample standard deviation, {runs})"
