"""Decides which runs an arm still needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum

from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.stats.distributions import bisect
from seedproof.stats.power import OperatingPoint, protocol_power, smallest_detectable_effect
from seedproof.stats.sequential import decide, look_p, sequential_alpha, sequential_power
from seedproof.stats.summary import reaches

__all__ = [
    "ConfirmLook",
    "Look",
    "OperatingPoint",
    "Step",
    "cannot_be_confirmed",
    "confirm_look",
    "confirm_steps",
    "detectable_effect",
    "may_retry",
    "next_look",
    "operating_point",
    "protocol_power",
    "smallest_detectable_effect",
    "step_attempts",
]


def operating_point(effect_sigma: float, rules: Rules) -> OperatingPoint:
    """The probabilities of the verdicts for a true effect under the rules, with independent normal seeds."""
    power = sequential_power if rules.design == "sequential" else protocol_power
    return power(effect_sigma, rules.sizes)


@lru_cache(maxsize=64)
def detectable_effect(power: float, rules: Rules) -> float:
    """The true improvement, in sigmas, that is called WINNER with this probability under the rules."""
    if rules.design == "protocol":
        return smallest_detectable_effect(power, rules.sizes)
    # Two decimals are printed; each step of the search takes milliseconds.
    found = bisect(lambda effect: operating_point(effect, rules).p_winner - power, 0.0, 20.0, 1e-3)
    return round(found, 2)


# An attempt that showed a value may be repeated only once: otherwise one could retry a seed until its value is good.
ATTEMPTS_WITH_VALUE = 2
_RETRYABLE = (RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Look:
    """Which seeds of an arm are due, failed or diverged."""

    due: tuple[int, ...]
    """Seeds that are needed and have no result, in the order to run them."""
    allowed: tuple[int, ...]
    """Seeds that the arm needs up to now, with or without a result."""
    failed: tuple[int, ...]
    """Seeds that failed for good."""
    diverged: tuple[int, ...]
    """Seeds that diverged."""
    first_look_done: bool
    """Whether every seed of the first look has a result."""

    @property
    def is_complete(self) -> bool:
        """Whether the arm can be judged."""
        return bool(self.diverged) or not (self.due or self.failed)


def may_retry(attempts: Sequence[Run], metric: str) -> bool:
    """Whether another attempt at a seed is allowed: the last one ended without a result, and few showed a value."""
    if not attempts or attempts[-1].state.is_active or attempts[-1].state.is_counted:
        return False
    shown = [run for run in attempts if run.state in _RETRYABLE and metric in run.metrics]
    return len(shown) < ATTEMPTS_WITH_VALUE


def next_look(arm: Arm, baseline: Baseline | None, rules: Rules) -> Look:
    """What an arm needs next.

    Args:
        baseline: What the arm is compared with; None for the baseline's own arm.
    """
    first = rules.baseline_seeds if arm.experiment is None else rules.experiment_seeds
    counted = arm.counted
    first_done = all(seed in counted for seed in first)
    allowed = first
    if baseline is not None and first_done and not arm.diverged_seeds and _needs_extra_seeds(arm, baseline, first):
        allowed = first + rules.extra_seeds
    missing = tuple(seed for seed in allowed if seed not in counted)
    failed = tuple(seed for seed in missing if _has_failed_for_good(arm.attempts(seed), rules.metric.name))
    stopped = bool(arm.diverged_seeds or failed)
    return Look(
        due=() if stopped else missing,
        allowed=allowed,
        failed=() if arm.diverged_seeds else failed,
        diverged=arm.diverged_seeds,
        first_look_done=first_done,
    )


def _has_failed_for_good(attempts: Sequence[Run], metric: str) -> bool:
    return bool(attempts) and attempts[-1].state in _RETRYABLE and not may_retry(attempts, metric)


def _needs_extra_seeds(arm: Arm, baseline: Baseline, first: Sequence[int]) -> bool:
    """Whether the first look leaves the verdict open."""
    rules = baseline.rules
    values = [arm.finite(rules.metric.name)[seed] for seed in first]
    if rules.design == "sequential":
        p_better = look_p(baseline.values, values, rules.metric.sign, arm.prior)
        alpha = sequential_alpha(rules.sizes, arm.prior.df if arm.prior else 0)
        return decide(p_better, is_last=False, alpha=alpha) == "continue"
    mean = fsum(values) / len(values)
    return not reaches(abs(mean - baseline.mean) / baseline.std, rules.winner_sigma)


# --- confirmation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a confirmation."""

    seed: int
    """Its fresh seed."""
    is_control: bool
    """Whether it is the run without flags."""


@dataclass(frozen=True, slots=True)
class ConfirmLook:
    """Which runs of a confirmation are due or failed."""

    due: tuple[Step, ...]
    """Runs that are needed and have no result, in the order to run them."""
    failed: tuple[Step, ...]
    """Runs that failed for good."""
    needed: int
    """Number of all runs."""

    @property
    def done(self) -> int:
        """Number of runs with a result or failed for good."""
        return self.needed - len(self.due)

    @property
    def is_complete(self) -> bool:
        """Whether it can be evaluated."""
        return not self.due


def confirm_steps(rules: Rules) -> tuple[Step, ...]:
    """All runs of a confirmation in their order; the side that goes first alternates from pair to pair.

    So a drift with time (a warming machine, another user's load) affects both sides alike.
    """
    return tuple(
        Step(seed, is_control)
        for place, seed in enumerate(rules.confirm_seeds)
        for is_control in ((True, False) if place % 2 == 0 else (False, True))
    )


def step_attempts(arm: Arm, step: Step) -> tuple[Run, ...]:
    """The attempts at one run of a confirmation, first to last."""
    return tuple(run for run in arm.fresh if run.seed == step.seed and run.is_control == step.is_control)


def cannot_be_confirmed(arm: Arm, reference: Code | None) -> str | None:
    """Why a WINNER cannot be run without its change on fresh seeds; None where it can.

    Args:
        reference: The baseline's code.
    """
    codes = (arm.code, reference)
    if not arm.code_change or all(code is None or code.held == "snapshot" for code in codes):
        return None
    return (
        f"{arm.experiment} cannot be confirmed: it is a change of code, and it or its baseline was measured in place, "
        'so no control run can have the baseline\'s files; in a git repository, with settings.code = "snapshot", '
        "one could."
    )


def confirm_look(arm: Arm, rules: Rules) -> ConfirmLook:
    """What the confirmation of an arm needs next; a diverged or failed run does not make the others unnecessary."""
    due, failed = [], []
    steps = confirm_steps(rules)
    for step in steps:
        attempts = step_attempts(arm, step)
        if _has_failed_for_good(attempts, rules.metric.name):
            failed.append(step)
        elif not any(run.state.is_counted for run in attempts):
            due.append(step)
    return ConfirmLook(tuple(due), tuple(failed), len(steps))
