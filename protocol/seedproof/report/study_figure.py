"""Draws every experiment of a study as a row: its seeds beside the spread of its baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext

from seedproof.ledger.state import Experiment, Generation
from seedproof.model.arms import Baseline
from seedproof.model.runs import Run, RunState
from seedproof.phases.experiment_state import experiment_state
from seedproof.phases.merged import is_confirmed_winner
from seedproof.phases.study import Study
from seedproof.report import svg
from seedproof.report.axis import EXACT, Axis, fit_axis
from seedproof.report.drawing import EDGE
from seedproof.report.study_page import origin
from seedproof.report.summary import scale
from seedproof.stats.summary import summarize

__all__ = ["study_figure"]

_WIDTH = 760
_LEFT, _RIGHT = 196.0, 600.0  # of the plots; names stand left of them, outcomes right
_ROW = 18.0
_MOST_LETTERS = 25
_LONG = 20  # rows from which the axis is numbered at both ends
# Values that lie farther from the baseline's mean would squeeze its spread into a line: they stand at the edge.
_FAR_SIGMAS = 12.0
_EXPLAINED = (
    "Each point is one seed, thick bars are means; the bands are the baseline's spread around its mean.",
    "Points at an edge lie beyond it; a cross is a seed that diverged.",
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One arm."""

    name: str
    """Its caption."""
    runs: tuple[Run, ...]
    """Its results, measuring seeds only."""
    outcome: str
    """Verdict or state, in a word or two."""
    style: str
    """Style class of its marks."""


@dataclass(frozen=True, slots=True)
class _Plot:
    """The rows of one generation beside its axis, which runs from left to right."""

    baseline: Baseline
    rows: tuple[_Row, ...]
    axis: Axis
    top: float

    @classmethod
    def of(cls, baseline: Baseline, rows: tuple[_Row, ...], top: float) -> "_Plot":
        multiples = (baseline.rules.winner_sigma, baseline.rules.suggestive_sigma)
        mean, sigma = Decimal(baseline.mean), Decimal(baseline.std)
        values = [mean + sign * Decimal(multiple) * sigma for multiple in multiples for sign in (-1, 1)]
        reach = Decimal(_FAR_SIGMAS) * sigma
        values += [one for row in rows for one in _values(row, baseline) if abs(one - mean) <= reach]
        # Heights of an axis grow downwards, so its bottom is the left end here.
        return cls(baseline, rows, fit_axis(values, _RIGHT, _LEFT), top)

    @property
    def bottom(self) -> float:
        return self.top + _ROW * len(self.rows) + 6

    def x(self, value: float) -> float:
        """Where a value stands; at an edge, if it lies beyond."""
        return min(max(self.axis.y(value), _LEFT + 5), _RIGHT - 5)


def study_figure(study: Study) -> str:
    """Every generation with a complete baseline, the newest first, as the text of an SVG file."""
    body, y, said = [svg.text(EDGE, 32, "Study", "title")], 40.0, []
    with localcontext(EXACT):
        for generation in reversed(study.state.generations):
            baseline = study.baseline_of(generation.number)
            if baseline is None:
                y += 24
                body.append(svg.text(EDGE, y, f"Generation {generation.number}: no complete baseline", "faint"))
                continue
            rows = _rows(study, generation, baseline)
            plot = _Plot.of(baseline, rows, y + 64)
            body += svg.group([svg.text(EDGE, y + 28, _title(baseline), "panel"), *_ground(plot), *_data(plot)])
            y = plot.bottom + (22 if len(rows) > _LONG else 8)
            said.append(f"{_title(baseline)}: {'; '.join(_description(row, baseline) for row in rows)}.")
    for line in (*_EXPLAINED, f"{origin(study.state)}."):
        y += 15
        body.append(svg.text(EDGE, y, line, "faint"))
    return svg.document(_WIDTH, y + 18, "Study: every seed of every experiment", " ".join([*said, *_EXPLAINED]), body)


def _title(baseline: Baseline) -> str:
    metric = baseline.rules.metric
    side = "higher" if metric.sign > 0 else "lower"
    return f"Generation {baseline.generation}: {metric.name}{scale(baseline.rules)} ({side} is better)"


# --- rows -------------------------------------------------------------------------------------


def _rows(study: Study, generation: Generation, baseline: Baseline) -> tuple[_Row, ...]:
    rows = [_Row("baseline", tuple(baseline.arm.counted.values()), "", "baseline")]
    for experiment in reversed(generation.experiments.values()):
        if experiment.withdrawn is not None and not experiment.is_closed:
            continue
        runs = tuple(study.standing(experiment).arm.counted.values())
        rows.append(_Row(experiment.name, runs, _outcome(study, experiment), "experiment"))
    return tuple(rows)


def _outcome(study: Study, experiment: Experiment) -> str:
    verdict = experiment.verdict
    if verdict is None:
        return experiment_state(study, experiment)[0]
    return f"{verdict.verdict}, confirmed" if is_confirmed_winner(experiment) else verdict.verdict


def _values(row: _Row, baseline: Baseline) -> list[Decimal]:
    found = [run.value(baseline.rules.metric.name) for run in row.runs]
    return [Decimal(value) for value in found if value is not None]


def _mean(row: _Row, baseline: Baseline) -> float | None:
    """The mean of its seeds; None without any, and where one diverged."""
    values = [run.value(baseline.rules.metric.name) for run in row.runs]
    known = [value for value in values if value is not None]
    return summarize(known).mean if known and len(known) == len(values) else None


def _description(row: _Row, baseline: Baseline) -> str:
    mean = _mean(row, baseline)
    found = "no mean" if mean is None else f"mean {mean:.10g}"
    return f"{row.name} {found} ({len(row.runs)} seeds{f', {row.outcome}' if row.outcome else ''})"


# --- shapes -----------------------------------------------------------------------------------


def _ground(plot: _Plot) -> Iterator[str]:
    """Axis, bands and frame."""
    axis, baseline, rules = plot.axis, plot.baseline, plot.baseline.rules
    for tick in axis.ticks:
        x = axis.y(tick)
        yield svg.line(x, plot.top, x, plot.bottom, "grid")
        yield svg.text(x, plot.top - 6, axis.label(tick), "tick faint", "middle")
        if len(plot.rows) > _LONG:
            yield svg.text(x, plot.bottom + 13, axis.label(tick), "tick faint", "middle")
    if axis.base is not None:
        yield svg.text(EDGE, plot.top - 6, f"distance from {axis.base.normalize():g}", "faint")
    for multiple in sorted({rules.winner_sigma, rules.suggestive_sigma}, reverse=True):
        ends = [axis.y(Decimal(baseline.mean) + sign * Decimal(multiple) * Decimal(baseline.std)) for sign in (-1, 1)]
        yield svg.rect(ends[0], plot.top, ends[1], plot.bottom, "band")
    middle = axis.y(baseline.mean)
    yield svg.line(middle, plot.top, middle, plot.bottom, "middle")
    yield svg.rect(_LEFT, plot.top, _RIGHT, plot.bottom, "frame")
    is_up = rules.metric.sign > 0
    place = (_RIGHT, "end") if is_up else (_LEFT, "start")
    yield svg.text(place[0], plot.top - 20, "better →" if is_up else "← better", "name", place[1])


def _data(plot: _Plot) -> Iterator[str]:
    for place, row in enumerate(plot.rows):
        y = plot.top + 3 + _ROW * (place + 0.5)
        name = row.name if len(row.name) <= _MOST_LETTERS else f"{row.name[: _MOST_LETTERS - 1]}…"
        yield svg.text(_LEFT - 8, y + 4, name, "name" if row.style == "baseline" else "", "end")
        yield svg.text(_RIGHT + 8, y + 4, row.outcome, "faint")
        mean = _mean(row, plot.baseline)
        if mean is not None:
            yield svg.line(plot.x(mean), y - 9, plot.x(mean), y + 9, f"mean {row.style}")
        yield from _marks(plot, row, y)


def _marks(plot: _Plot, row: _Row, y: float) -> Iterator[str]:
    metric = plot.baseline.rules.metric
    # Crosses come last: a run that diverged must not hide behind one that did not.
    for run in sorted(row.runs, key=lambda run: run.state is RunState.DIVERGED):
        value, tip = run.value(metric.name), f"{row.name}, seed {run.seed}"
        if value is None or run.state is RunState.DIVERGED:
            yield svg.cross(_LEFT + 5 if metric.sign > 0 else _RIGHT - 5, y, f"cross {row.style}", f"{tip}: diverged")
        elif row.style == "baseline":
            yield svg.circle(plot.x(value), y, f"mark {row.style}", f"{tip}: {value!r}")
        else:
            yield svg.diamond(plot.x(value), y, f"mark {row.style}", f"{tip}: {value!r}")
