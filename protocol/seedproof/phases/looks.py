"""Decides which measuring runs an arm still needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from seedproof.metrics.run_state import lacks_value
from seedproof.model.arms import Arm, Baseline
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.model.untrusted import one_line
from seedproof.stats.power import OperatingPoint, protocol_power, smallest_detectable_effect
from seedproof.stats.screening import look_p, screening_effect, screening_power, stages
from seedproof.stats.summary import reaches

__all__ = [
    "Look",
    "OperatingPoint",
    "closing_run",
    "detectable_effect",
    "end_words",
    "ended_without_value",
    "failure_words",
    "failed_canary",
    "has_failed_for_good",
    "has_shown_value",
    "is_own_end",
    "may_retry",
    "next_look",
    "operating_point",
]


def operating_point(effect_sigma: float, rules: Rules) -> OperatingPoint:
    """The probabilities of the verdicts for a true effect under the rules, with independent normal seeds."""
    if rules.design == "protocol":
        return protocol_power(effect_sigma, rules.sizes)
    return screening_power(effect_sigma, rules.sizes, rules.design)


def detectable_effect(power: float, rules: Rules) -> float:
    """The true improvement, in sigmas, that is called WINNER with this probability under the rules."""
    if rules.design == "protocol":
        return smallest_detectable_effect(power, rules.sizes)
    return screening_effect(power, rules.sizes, rules.design)


# A draw may be repeated only once: otherwise one could retry a seed until its value is good.
MOST_DRAWS = 2
_RETRYABLE = (RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED)
_DRAWN = (*_RETRYABLE, RunState.UNREAD)


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
    """Whether every seed of the protocol's first look has a result."""
    closed_by: Run | None = None
    """The attempt that ended an arm because an earlier one had ended alike without a value; None where none did."""

    @property
    def is_complete(self) -> bool:
        """Whether the arm can be judged."""
        return bool(self.diverged) or not (self.due or self.failed)


def may_retry(attempts: Sequence[Run], metric: str) -> bool:
    """Whether another attempt at a seed is allowed: the last one ended without a result, and few were draws.

    What the machine ended is nobody's choice, and so no draw of this kind.
    """
    if not attempts or attempts[-1].state.is_active or attempts[-1].state.is_counted:
        return False
    drawn = [run for run in attempts if run.state in _DRAWN and run.is_draw(metric) and not run.was_ended_by_machine]
    return len(drawn) < MOST_DRAWS


def closing_run(runs: Sequence[Run]) -> Run | None:
    """The attempt that ended without a value as an earlier one had; None where there is none.

    A third would end so too, or would choose among results. Attempts that were asked for before the first had ended
    do not count: seeds that are queued together meet one fault together.

    Args:
        runs: Attempts of an arm, in the order of their requests.
    """
    first: dict[tuple[object, ...], Run] = {}
    for run in runs:
        if run.crash is not None and run.requested_at > first.setdefault(run.crash, run).ended_at:
            return run
    return None


def ended_without_value(run: Run, metric: str) -> bool:
    """Whether a training ended by itself or by its time limit without a value, by no fault of the machine."""
    is_end = run.state in (RunState.FAILED, RunState.TIMED_OUT) and run.started is not None
    return is_end and metric not in run.metrics and not run.was_ended_by_machine


def failed_canary(arm: Arm, metric: str) -> Run | None:
    """The newest attempt that ended without a value while no run of the arm has one; None where none did.

    What ended it would end the runs that were queued with it: these are not started.
    """
    if has_shown_value(arm, metric):
        return None
    return next((run for run in reversed(arm.present_runs) if ended_without_value(run, metric)), None)


def has_shown_value(arm: Arm, metric: str) -> bool:
    """Whether an ended run of an arm has a value, even one that could not be read."""
    return any(
        run.state.is_counted or run.state is RunState.UNREAD or metric in run.metrics for run in arm.present_runs
    )


def is_own_end(run: Run, metric: str) -> bool:
    """Whether such an end tells of the next attempt: the program ended by itself or not in time, and not for memory."""
    return run.state is RunState.TIMED_OUT or run.crash is not None or lacks_value(run, metric)


def end_words(run: Run) -> str:
    """How an attempt ended: its reason and the last line of its log."""
    line = run.no_result.last_line if run.no_result is not None else None
    said = f'last line "{one_line(line)}"' if line else "no output"
    return f"{one_line(run.reason or 'it failed')}, {said}"


def failure_words(look: Look) -> str | None:
    """Why an arm ends without a verdict, phrased to follow its name; None where it may still get one."""
    if look.closed_by is not None:
        return f"two attempts ended in the same way without a value ({end_words(look.closed_by)}); the arm is closed"
    if look.failed:
        return f"seed {look.failed[0]} failed for good; the arm ends without a verdict"
    return None


def next_look(arm: Arm, baseline: Baseline | None, rules: Rules) -> Look:
    """What an arm needs next; nothing once its verdict is recorded, or it is withdrawn.

    Args:
        baseline: What the arm is compared with; None for the baseline's own arm.
    """
    first = rules.baseline_seeds if arm.experiment is None else rules.experiment_seeds
    counted = arm.counted
    # A verdict of an earlier version is not judged again, whatever its runs would need today.
    allowed = tuple(counted) if arm.is_judged or arm.is_withdrawn else _allowed(arm, baseline, rules)
    missing = tuple(seed for seed in allowed if seed not in counted)
    failed = tuple(seed for seed in missing if has_failed_for_good(arm.attempts(seed), rules.metric.name))
    # An arm that has all its results is not closed by what came before them.
    closed_by = closing_run(arm.present_runs) if missing and not failed and not arm.diverged_seeds else None
    if closed_by is not None:
        failed = (closed_by.seed if closed_by.seed in missing else missing[0],)
    stopped = bool(arm.diverged_seeds or failed)
    return Look(
        due=() if stopped else missing,
        allowed=allowed,
        failed=() if arm.diverged_seeds else failed,
        diverged=arm.diverged_seeds,
        first_look_done=all(seed in counted for seed in first),
        closed_by=closed_by,
    )


def has_failed_for_good(attempts: Sequence[Run], metric: str) -> bool:
    """Whether the last attempt ended without a result, and no other is allowed."""
    return bool(attempts) and attempts[-1].state in _RETRYABLE and not may_retry(attempts, metric)


def _allowed(arm: Arm, baseline: Baseline | None, rules: Rules) -> tuple[int, ...]:
    """The seeds up to the first look that is not done, or that decides."""
    if arm.experiment is None:
        return rules.baseline_seeds
    first, every = rules.experiment_seeds, rules.experiment_seeds + rules.extra_seeds
    values = arm.finite(rules.metric.name)
    if rules.design == "protocol":
        if baseline is None or arm.diverged_seeds or not all(seed in values for seed in first):
            return first
        return every if _is_near([values[seed] for seed in first], baseline) else first
    for stage in stages(rules.design, rules.sizes.first, rules.sizes.all):
        seeds = every[: stage.seeds]
        if baseline is None or not all(seed in values for seed in seeds):
            return seeds
        p_better = look_p(baseline.values, [values[seed] for seed in seeds], rules.metric.sign)
        if stage.decide(p_better) != "continue":
            return seeds
    return every


def _is_near(values: Sequence[float], baseline: Baseline) -> bool:
    """Whether the mean is less than the winner's distance from the baseline's, so that the extra seeds decide."""
    mean = fsum(values) / len(values)
    return not reaches(abs(mean - baseline.mean) / baseline.std, baseline.rules.winner_sigma)
