"""The tables of a report."""

from collections.abc import Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.report.summary import Digits
from seedproof.stats.summary import Summary, cohens_d, effect_size, percent_change, summarize
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
        lines.append(f"| {name} | {' | '.join(_cells(summarize(values), name, rules, number))} |")
    return lines


def metric_names(rules: Rules) -> list[str]:
    """The deciding metric, the wall time, then the extra ones."""
    return [rules.metric.name, "wall_time_s", *(metric.name for metric in rules.extra_metrics)]


def _cells(summary: Summary, name: str, rules: Rules, number: Digits) -> list[str]:
    values = [summary.mean, summary.std, summary.min, summary.max]
    if name == rules.metric.name:
        return ["-" if value is None else number(value) for value in values]
    digits = ".2f" if name == "wall_time_s" else ".6g"
    return ["-" if value is None else format(value, digits) for value in values]


def test_table(comparison: Comparison) -> list[str]:
    """Cohen's d of each metric, its class, and the rule that decides."""
    rules = comparison.baseline.rules
    lines = ["| Metric | Cohen's d | Effect Size | Significant? |", "| --- | --- | --- | --- |"]
    withheld = _withheld(comparison) is not None
    for name in metric_names(rules):
        is_silent = comparison.delta is None or (withheld and name == "wall_time_s")
        d = None if is_silent else _d(comparison, name)
        size = "-" if d is None else effect_size(d)
        lines.append(f"| {name} | {'-' if d is None else f'{d:.2f}'} | {size} | {_significant(comparison, name)} |")
    return lines


def _d(comparison: Comparison, name: str) -> float | None:
    base = list(comparison.baseline.arm.finite(name).values())
    exp = list(comparison.arm.finite(name).values())
    return cohens_d(base, exp) if base and exp else None


def _significant(comparison: Comparison, name: str) -> str:
    rules = comparison.baseline.rules
    if name != rules.metric.name:
        return "not tested"
    if comparison.significant is None:
        return "-"
    capped = f", capped: {', '.join(comparison.caps)}" if comparison.caps else ""
    return f"{'yes' if comparison.significant else 'no'} ({rules.winner_sigma:g} sigma rule){capped}"


def wall_clock_table(comparison: Comparison) -> list[str]:
    """Mean wall times and their change, which nothing tests."""
    base = list(comparison.baseline.arm.finite("wall_time_s").values())
    exp = list(comparison.arm.finite("wall_time_s").values())
    means = [summarize(values).mean if values else None for values in (base, exp)]
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
    """Why nothing may be said of the two arms' wall times."""
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
        for run in arm.fresh:
            side = f"{name}, fresh, {'control' if run.is_control else 'experiment'}"
            lines.append(_run_row(side, run, rules, extra))
    return lines


def _run_row(name: str, run: Run, rules: Rules, extra: Sequence[str]) -> str:
    texts = [run.metrics[metric].text if metric in run.metrics else "-" for metric in (rules.metric.name, *extra)]
    wall = "-" if run.wall_time_s is None else f"{run.wall_time_s:.2f}"
    cells = [name, str(run.seed), str(run.attempt), str(run.state), texts[0], wall, *texts[1:]]
    note = one_line(run.reason or "").replace("|", "\\|")
    return f"| {' | '.join([*cells, '-' if run.step is None else str(run.step), note])} |"
