"""What is due: the one place that knows which seeds an arm still needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from seedproof.rules import Rules
from seedproof.values import Arm, Baseline, Run, RunState

__all__ = ["TIE", "Look", "may_retry", "next_look"]

# A tie counts as reached: 2 sigma must not be lost to the last bit of a float (protocol, section 2).
TIE = 1e-9
# An attempt that showed a value may be repeated once: a seed cannot be re-rolled until it is kind.
ATTEMPTS_WITH_VALUE = 2
_RETRYABLE = (RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Look:
    """Where an arm stands under the rules."""

    due: tuple[int, ...]
    """Seeds that are needed and have no result, in the order they are run."""
    allowed: tuple[int, ...]
    """Seeds that belong to the arm at this point, done or due."""
    failed: tuple[int, ...]
    """Seeds that failed for good."""
    diverged: tuple[int, ...]
    """Seeds that diverged."""
    first_look_done: bool
    """Whether every seed of the first look has its result."""

    @property
    def is_complete(self) -> bool:
        """Whether the arm can be judged."""
        return bool(self.diverged) or not (self.due or self.failed)


def may_retry(attempts: Sequence[Run], metric: str) -> bool:
    """Whether one more attempt at a seed is allowed after its last one ended without a result."""
    if not attempts or attempts[-1].state.is_active or attempts[-1].state.is_counted:
        return False
    shown = [run for run in attempts if run.state in _RETRYABLE and metric in run.metrics]
    return len(shown) < ATTEMPTS_WITH_VALUE


def next_look(arm: Arm, baseline: Baseline | None, rules: Rules) -> Look:
    """What an arm needs next. `baseline` is None for the baseline's own arm."""
    first = rules.baseline_seeds if arm.experiment is None else rules.experiment_seeds
    counted = arm.counted
    first_done = all(seed in counted for seed in first)
    allowed = first
    if baseline is not None and first_done and not arm.diverged_seeds and _is_close(arm, baseline, first):
        allowed = first + rules.extra_seeds
    missing = tuple(seed for seed in allowed if seed not in counted)
    failed = tuple(seed for seed in missing if _is_spent(arm.attempts(seed), rules.metric.name))
    stopped = bool(arm.diverged_seeds or failed)
    return Look(
        due=() if stopped else missing,
        allowed=allowed,
        failed=() if arm.diverged_seeds else failed,
        diverged=arm.diverged_seeds,
        first_look_done=first_done,
    )


def _is_spent(attempts: Sequence[Run], metric: str) -> bool:
    if not attempts or attempts[-1].state not in _RETRYABLE:
        return False
    return not may_retry(attempts, metric)


def _is_close(arm: Arm, baseline: Baseline, first: Sequence[int]) -> bool:
    """Whether the mean of the first look is less than the winner's distance from the baseline's."""
    values = arm.finite(baseline.rules.metric.name)
    mean = fsum(values[seed] for seed in first) / len(first)
    return abs(mean - baseline.mean) / baseline.std < baseline.rules.winner_sigma - TIE
