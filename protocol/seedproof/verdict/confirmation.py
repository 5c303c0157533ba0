"""Evaluates the confirmation of a WINNER: pairs of a control and an experiment run on fresh seeds."""

import math
from collections.abc import Sequence
from typing import Literal

from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline, Pair
from seedproof.model.results import Confirmation, ConfirmationState, WallTimeChange
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.phases.looks import ConfirmLook, Step, cannot_be_confirmed, confirm_look, step_attempts
from seedproof.stats.distributions import t_quantile
from seedproof.stats.summary import SampleError, pooled_std, summarize
from seedproof.stats.tests import paired
from seedproof.verdict.comparability import wall_time_withheld
from seedproof.verdict.plausibility import LEAST_WALL_S

__all__ = ["CONFIDENCE", "confirm", "pairs_of", "written_confirmation"]

# One-sided confidence of the rule: 3.0 % false WINNERs become 0.4 % (docs/calibration.md).
CONFIDENCE = 0.90
# Two-sided confidence of the intervals that are printed.
_INTERVAL = 0.95


def pairs_of(arm: Arm, rules: Rules) -> tuple[Pair, ...]:
    """The newest attempt of each side for each fresh seed; empty before the first request."""
    if not arm.fresh:
        return ()

    def newest(seed: int, is_control: bool) -> Run | None:
        return next(reversed(step_attempts(arm, Step(seed, is_control))), None)

    return tuple(Pair(seed, newest(seed, True), newest(seed, False)) for seed in rules.confirm_seeds)


def written_confirmation(experiment: Experiment) -> Confirmation | None:
    """The confirmation recorded with the newest verdict; None before all runs have ended.

    It is evaluated once, so a report does not load scipy.
    """
    verdict = experiment.verdict
    return verdict.confirmation if verdict is not None and verdict.is_confirmation_ended else None


def confirm(baseline: Baseline, arm: Arm) -> Confirmation:
    """The confirmation of an arm; its numbers are evaluated once, when all runs have ended."""
    rules = baseline.rules
    obstacle = None if arm.fresh else cannot_be_confirmed(arm, baseline.arm.code)
    if obstacle is not None:
        return Confirmation("unavailable", 0, 0, obstacle)
    look = confirm_look(arm, rules)
    if not look.is_complete:
        return Confirmation("open", look.done, look.needed, f"{look.done} of {look.needed} runs on fresh seeds.")
    pairs = pairs_of(arm, rules)
    ended = _early_outcome(look, pairs, rules.metric.name)
    if ended is not None:
        return Confirmation(ended[0], look.done, look.needed, ended[1])
    return _evaluate(baseline, arm, pairs, look)


def _early_outcome(look: ConfirmLook, pairs: Sequence[Pair], metric: str) -> tuple[ConfirmationState, str] | None:
    """State and reason where a diverged or failed run decides the confirmation; else None."""
    diverged = [pair.seed for pair in pairs if _has_diverged(pair.experiment)]
    if diverged:
        return "not_confirmed", f"The last {metric} of the experiment at fresh seed {diverged[0]} is not finite."
    if look.failed:
        return "incomplete", f"The run at fresh seed {look.failed[0].seed} failed for good."
    control = [pair.seed for pair in pairs if _has_diverged(pair.control)]
    if control:
        return "incomplete", f"The control run at fresh seed {control[0]} diverged, so nothing can be said."
    return None


def _has_diverged(run: Run | None) -> bool:
    return run is not None and run.state is RunState.DIVERGED


def _evaluate(baseline: Baseline, arm: Arm, pairs: Sequence[Pair], look: ConfirmLook) -> Confirmation:
    """Test the fresh pairs; of the old arms only the spreads enter, because their means were selected."""
    metric = baseline.rules.metric
    control, experiment = _values_of(pairs, "control", metric.name), _values_of(pairs, "experiment", metric.name)
    arms = [baseline.values, list(arm.finite(metric.name).values()), control, experiment]
    std, df = pooled_std([summarize(values) for values in arms])
    difference = math.fsum(experiment) / len(pairs) - math.fsum(control) / len(pairs)
    error = std * math.sqrt(2 / len(pairs))
    threshold = t_quantile(CONFIDENCE, df) * error
    half = t_quantile((1 + _INTERVAL) / 2, df) * error
    improvement = metric.sign * difference
    confirmed = improvement >= threshold
    return Confirmation(
        state="confirmed" if confirmed else "not_confirmed",
        done=look.done,
        needed=look.needed,
        reason=(
            f"On {len(pairs)} fresh seeds the experiment is {abs(improvement):.4g} "
            f"{'better' if improvement >= 0 else 'worse'}; at least {threshold:.4g} better confirms."
        ),
        difference=difference,
        low=difference - half,
        high=difference + half,
        improvement=improvement,
        threshold=threshold,
        std=std,
        df=df,
        wall_time=_wall_time(pairs),
    )


def _values_of(pairs: Sequence[Pair], side: Literal["control", "experiment"], metric: str) -> list[float]:
    """The values of one side; every run has one, because none diverged or failed."""
    found = [(pair.control if side == "control" else pair.experiment) for pair in pairs]
    values = [None if run is None else run.value(metric) for run in found]
    return [value for value in values if value is not None]


def _wall_time(pairs: Sequence[Pair]) -> WallTimeChange | None:
    """The change of wall time, from a paired test of the logarithms; None where it would mean nothing.

    The change is a ratio, and both runs of a pair saw the same conditions. It needs all runs with a result on one
    known host, with equal devices, threads and load. The claim is `none` where the controls' mean is below a second:
    start-up and machine load make up such a time.
    """
    sides = [[pair.control for pair in pairs], [pair.experiment for pair in pairs]]
    controls, experiments = ([run for run in side if run and run.host and run.wall_time_s] for side in sides)
    if min(len(controls), len(experiments)) < len(pairs) or wall_time_withheld(controls, experiments) is not None:
        return None
    control = {pair.seed: math.log(_seconds(pair.control)) for pair in pairs}
    experiment = {pair.seed: math.log(_seconds(pair.experiment)) for pair in pairs}
    try:
        test = paired(control, experiment)
    except SampleError:
        return None
    change, low, high = (100 * math.expm1(value) for value in (test.difference, test.low, test.high))
    is_short = math.fsum(_seconds(pair.control) for pair in pairs) < LEAST_WALL_S * len(pairs)
    is_none = is_short or low <= 0 <= high
    return WallTimeChange(change, low, high, "none" if is_none else "slowdown" if low > 0 else "speedup")


def _seconds(run: Run | None) -> float:
    assert run is not None and run.wall_time_s is not None  # the caller has checked
    return run.wall_time_s
