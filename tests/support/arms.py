"""Runs, arms and baselines made by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedproof.model.arms import Arm, Baseline
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.baseline import establish_baseline

from tests.support.seeds import SEEDS

# Cases are worked by hand for 2 sigma, whatever the default is.
RULES = Rules(winner_sigma=2.0)
MAXIMIZE = Rules(winner_sigma=2.0, metric=MetricRule(name="val_loss", direction="maximize", pattern=DEFAULT_VAL_LOSS))
# Mean 4 and, with ddof = 1, sigma 1: the squared distances from the mean add up to 4, and 4 / (5 - 1) = 1.
ROUND_VALUES = (3.0, 3.0, 4.0, 5.0, 5.0)


def run_key(
    experiment: str | None,
    seed: int,
    attempt: int = 1,
    *,
    generation: int = 1,
    role: Role = Role.MEASURE,
    is_control: bool = False,
) -> RunKey:
    """The key of a run; a control run is on the baseline's side."""
    is_baseline = experiment is None or is_control or role is Role.CONTROL
    side = Side.BASELINE if is_baseline else Side.EXPERIMENT
    return RunKey(generation, role, side, experiment, seed, attempt)


def make_run(
    seed: int,
    value: float | None = None,
    *,
    experiment: str | None = "muon",
    state: RunState = RunState.SUCCEEDED,
    attempt: int = 1,
    generation: int = 1,
    role: Role = Role.MEASURE,
    is_control: bool = False,
    wall_time_s: float | None = 10.0,
    metrics: Mapping[str, MetricValue] | None = None,
    **more: Any,
) -> Run:
    """One run; a value becomes the text that a script would have printed."""
    key = run_key(experiment, seed, attempt, generation=generation, role=role, is_control=is_control)
    found = {} if value is None else {"val_loss": MetricValue(value, f"{value:.6g}")}
    return Run(
        run_id=key.run_id,
        key=key,
        state=state,
        metrics={**found, **(metrics or {})},
        wall_time_s=wall_time_s,
        **more,
    )


def as_attempt(run: Run, attempt: int, **more: Any) -> Run:
    """The same run as another attempt."""
    return replace(run, key=replace(run.key, attempt=attempt), **more)


def diverged(seed: int, text: str = "nan", **more: Any) -> Run:
    """A run whose last value was nan or inf."""
    return make_run(seed, state=RunState.DIVERGED, metrics={"val_loss": MetricValue(None, text)}, **more)


def failed(seed: int, *, shown: bool, attempt: int = 1, **more: Any) -> Run:
    """A run that failed, before or after it had shown a value."""
    return make_run(seed, 4.0 if shown else None, state=RunState.FAILED, attempt=attempt, **more)


def measured(values: Iterable[float], *, seeds: Sequence[int] = SEEDS, **more: Any) -> tuple[Run, ...]:
    """One finished run for each value."""
    return tuple(make_run(seed, value, **more) for seed, value in zip(seeds, values, strict=False))


def baseline_arm(*runs: Run, generation: int = 1) -> Arm:
    """The baseline's side."""
    return Arm(generation=generation, experiment=None, runs=runs)


def experiment_arm(*runs: Run, **more: Any) -> Arm:
    """The experiment's side."""
    return Arm(**{"generation": 1, "experiment": "muon", "runs": runs, **more})


def make_baseline(values: Sequence[float] = ROUND_VALUES, rules: Rules = RULES, **more: Any) -> Baseline:
    """An established baseline with these values, in the order of its seeds."""
    runs = measured(values, seeds=rules.baseline_seeds, experiment=None, **more)
    return establish_baseline(baseline_arm(*runs), rules)
