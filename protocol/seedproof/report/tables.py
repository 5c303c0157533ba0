"""The tables of a report."""

from collections.abc import Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.notices.attempts import draw_words
from seedproof.report.summary import Digits
from seedproof.stats.summary import cohens_d, effect_size, percent_change, summarize
from seedproof.verdict.comparability import wall_time_withheld

__all__ = ["metric_names", "run_table", "statistics_table", "test_table", "wall_clock_table"]


def statistics_table(arm: Arm, rules: Rules, number: Digits) -> list[str]:
    """Mean, standard deviation, minimum and maximum of each metric."""
    lines = ["| Metric | Mean | Std | Min | Max |", "| --- | --- | --- | --- | --- |"]
    for name in metric_names(rules):
        values = list(arm.finite(name).values())
        diverged = bool(arm.diverged_seeds) and name != "wall_time_s"
        if not values or diverged:
            lines.append(f"| {name} | - | - | - | - |")
            continue
        found = summarize(values)
        cells = [
            "-" if value is None else _format(value, name, rules, number)
            for value in (found.mean, found.std, found.min, found.max)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _format(value: float, name: str, rules: Rules, number: Digits) -> str:
    return number(value) if name == rules.metric.name else format(value, ".2f" if name == "wall_time_s" else ".6g")


def metric_names(rules: Rules) -> list[str]:
    """The deciding metric, the wall time, then the extra ones."""
    return [rules.metric.name, "wall_time_s", *(metric.name for metric in rules.extra_metrics)]


def test_table(comparison: Comparison) -> list[str]:
    """Cohen's d of each metric, its class, and the rule that decides."""
    rules = comparison.baseline.rules
    lines = ["| Metric | Cohen's d | Effect Size | Significant? |", "| --- | --- | --- | --- |"]
    withheld = _withheld(comparison) is not None
    for name in metric_names(rules):
        base, exp = _values(comparison, name)
        has_d = base and exp and comparison.delta is not None and not (withheld and name == "wall_time_s")
        d = cohens_d(base, exp) if has_d else None
        size = "-" if d is None else effect_size(d)
        lines.append(f"| {name} | {'-' if d is None else f'{d:.2f}'} | {size} | {_significant(comparison, name)} |")
    return lines


def _values(comparison: Comparison, name: str) -> tuple[list[float], list[float]]:
    """Finite values of the baseline, and of the experiment."""
    return list(comparison.baseline.arm.finite(name).values()), list(comparison.arm.finite(name).values())


def _significant(comparison: Comparison, name: str) -> str:
    rules = comparison.baseline.rules
    if name != rules.metric.name:
        return "not tested"
    if comparison.significant is None:
        return "-"
    capped = f", capped: {', '.join(comparison.caps)}" if comparison.caps else ""
    return f"{'yes' if comparison.significant else 'no'} ({rules.winner_sigma:g} sigma rule){capped}"


def wall_clock_table(comparison: Comparison) -> list[str]:
    """Mean wall times and their change, which is not tested."""
    means = [summarize(values).mean if values else None for values in _values(comparison, "wall_time_s")]
    cells = ["-" if mean is None else f"{mean:.2f} s" for mean in means]
    change = percent_change(means[0], means[1]) if means[0] is not None and means[1] is not None else None
    delta = "-" if change is None else f"changed by {change:+.1f} % (separate blocks of runs, not tested)"
    withheld = _withheld(comparison)
    if withheld is not None:
        delta = f"withheld: {one_line(withheld)}"
    return [
        "| | Baseline Mean | Experiment Mean | Delta |",
        "| --- | --- | --- | --- |",
        f"| wall_time_s | {cells[0]} | {cells[1]} | {delta} |",
    ]


def _withheld(comparison: Comparison) -> str | None:
    """Why the wall times of the two arms are not compared; None where they are."""
    return wall_time_withheld(comparison.baseline.arm.counted.values(), comparison.arm.counted.values())


def run_table(arms: Sequence[tuple[str, Arm]], rules: Rules) -> list[str]:
    """Every attempt at every seed, those of a control and of a confirmation included."""
    extra = [metric.name for metric in rules.extra_metrics]
    columns = ["Arm", "Seed", "Attempt", "State", rules.metric.name, "wall_time_s", *extra, "Step", "Note"]
    lines = [
        "## Every Run",
        "",
        f"| {' | '.join(columns)} |",
        f"| {' | '.join('---' for _ in columns)} |",
    ]
    for name, arm in arms:
        lines.extend(_run_row(name, run, rules, extra) for run in arm.runs)
        lines.extend(_run_row(f"{name}, control", run, rules, extra) for run in arm.controls)
        for run in arm.all_fresh:
            side = f"{name}, fresh, {'without' if run.is_control else 'with'} the change"
            lines.append(_run_row(side if run.experiment == name else f"{side} of {run.experiment}", run, rules, extra))
    return lines


def _run_row(name: str, run: Run, rules: Rules, extra: Sequence[str]) -> str:
    texts = [run.metrics[metric].text if metric in run.metrics else "-" for metric in (rules.metric.name, *extra)]
    wall = "-" if run.wall_time_s is None else f"{run.wall_time_s:.2f}"
    cells = [name, str(run.seed), str(run.attempt), str(run.state), texts[0], wall, *texts[1:]]
    told = draw_words(run, rules.metric.name)
    note = "; ".join(part for part in (one_line(run.reason or ""), told) if part).replace("|", "\\|")
    return f"| {' | '.join([*cells, '-' if run.step is None else str(run.step), note])} |"
