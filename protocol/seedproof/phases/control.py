"""Evaluates controls: whether an experiment's changed code still trains like the baseline without flags."""

import math
from dataclasses import dataclass
from typing import Literal

from seedproof.ledger.determinism import conditions
from seedproof.model.arms import Arm, Baseline
from seedproof.model.runs import Run, RunState
from seedproof.phases.looks import may_retry
from seedproof.phases.read_files import is_unread_change, read_files
from seedproof.stats.distributions import noncentral_t_cdf, t_quantile

__all__ = ["CONFIDENCE", "Control", "control_look", "decide", "half_width_sigmas", "is_moved", "unseen_share"]

# One run of the same code lies outside by chance in 1 of 100 cases; each of those costs a new baseline.
CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Control:
    """The state of an experiment's control."""

    state: Literal["none", "not_needed", "offered", "due", "open", "passed", "failed"]
    """`none`: none is needed, as the code is the baseline's or is what the experiment declares. `not_needed`: no run
    of the baseline read a file that differs. `offered`: neither did one, but a run of the experiment has."""
    run: Run | None = None
    """The run that decided, is active, or was the last attempt; None where there is none."""
    expected: float | None = None
    """The value to equal, or the centre of the interval to lie in; None before a result."""
    half_width: float | None = None
    """Half width of that interval in the metric's unit; 0 where the values must be equal to the last bit."""


def is_moved(baseline: Arm, arm: Arm) -> bool:
    """Whether an arm's code differs from the baseline's; False where one of them was not recorded."""
    return arm.code is not None and baseline.code is not None and arm.code.sha256 != baseline.code.sha256


def control_look(baseline: Baseline, arm: Arm) -> Control:
    """The control of an arm's code; a pure function of both arms."""
    if arm.code_change or not is_moved(baseline.arm, arm):
        return Control("none")
    metric = baseline.rules.metric.name
    counted = next((run for run in arm.controls if run.state.is_counted), None)
    if counted is not None:
        return decide(baseline, counted)
    active = next((run for run in arm.controls if run.state.is_active), None)
    if active is not None:
        return Control("open", active)
    if not arm.controls:
        return Control(_without_control(baseline.arm, arm))
    last = arm.controls[-1]
    is_due = last.state in (RunState.INTERRUPTED, RunState.NOT_NEEDED, RunState.UNREAD) or may_retry(
        arm.controls, metric
    )
    return Control(_without_control(baseline.arm, arm) if is_due else "failed", last)


def _without_control(baseline: Arm, arm: Arm) -> Literal["not_needed", "offered", "due"]:
    if arm.change is None or not is_unread_change(baseline, arm):
        return "due"
    return "offered" if read_files(arm.change, (*arm.runs, *arm.fresh)) else "not_needed"


def decide(baseline: Baseline, run: Run) -> Control:
    """Whether a counted control run agrees with the baseline of its generation."""
    name = baseline.rules.metric.name
    value, counterpart = run.value(name), baseline.arm.counted[run.seed]
    # A training that is deterministic here may give another value on another machine or number of threads.
    if run.repeats and conditions(run) == conditions(counterpart):
        expected, half = counterpart.value(name), 0.0
    else:
        expected, half = baseline.mean, half_width_sigmas(len(baseline.values)) * baseline.std
    assert expected is not None  # every seed of a baseline is finite
    is_met = value is not None and abs(value - expected) <= half
    return Control("passed" if is_met else "failed", run, expected, half)


def half_width_sigmas(n: int) -> float:
    """Half of the 99 % prediction interval of one new baseline run, in sample standard deviations.

    t(.995, n - 1) sqrt(1 + 1 / n): 5.04 for n = 5. Hahn and Meeker, Statistical Intervals, section 4.7.
    """
    return t_quantile((1 + CONFIDENCE) / 2, n - 1) * math.sqrt(1 + 1 / n)


def unseen_share(shift_sigma: float, n: int) -> float:
    """The probability that a control passes although its code shifts every result by so many true sigmas.

    The distance over the sample's spread is noncentral t with n - 1 degrees of freedom.
    """
    limit = t_quantile((1 + CONFIDENCE) / 2, n - 1)
    offset = shift_sigma / math.sqrt(1 + 1 / n)
    return noncentral_t_cdf(limit, n - 1, offset) - noncentral_t_cdf(-limit, n - 1, offset)
