"""Evaluates a confirmation: pairs of runs without and with the change, on fresh seeds."""

import math
from collections.abc import Sequence

from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline, FreshKind, Pair
from seedproof.model.results import Confirmation, WallTimeChange
from seedproof.model.runs import Run, RunState
from seedproof.phases.confirmation import (
    FIRST_STAGE,
    FRESH_SEEDS,
    ConfirmLook,
    Step,
    cannot_be_confirmed,
    confirm_look,
    step_attempts,
)
from seedproof.stats.fresh_pairs import PairTest
from seedproof.stats.summary import SampleError
from seedproof.stats.tests import paired
from seedproof.verdict.comparability import pairs_withheld
from seedproof.verdict.headline import shown_p
from seedproof.verdict.plausibility import LEAST_WALL_S

__all__ = ["confirm", "pairs_of", "wall_time_reason", "written_confirmation"]


def pairs_of(arm: Arm) -> tuple[Pair, ...]:
    """The newest attempt of each side for each fresh seed that has one; empty before the first request."""
    if arm.fresh_plan is None or not arm.fresh:
        return ()

    def newest(seed: int, is_control: bool) -> Run | None:
        return next(reversed(step_attempts(arm, Step(seed, is_control))), None)

    pairs = [Pair(seed, newest(seed, True), newest(seed, False)) for seed in arm.fresh_plan.seeds]
    return tuple(pair for pair in pairs if any(run.seed == pair.seed for run in arm.fresh))


def written_confirmation(experiment: Experiment) -> Confirmation | None:
    """The confirmation recorded with the newest verdict; None before it has ended.

    It is evaluated once, so a report does not load scipy.
    """
    verdict = experiment.verdict
    return verdict.confirmation if verdict is not None and verdict.is_confirmation_ended else None


def confirm(baseline: Baseline, arm: Arm, of: FreshKind = "winner") -> Confirmation:
    """The confirmation of an arm; its numbers are evaluated once, when it has ended.

    Args:
        of: What it is to show, where it has no seeds yet.
    """
    plan = arm.fresh_plan
    kind = of if plan is None else plan.kind
    obstacle = None if arm.fresh else cannot_be_confirmed(arm, baseline.arm.code)
    if obstacle is not None:
        return Confirmation("unavailable", 0, 0, obstacle, kind)
    look = confirm_look(arm, baseline)
    if look.end is None:
        seeds = len(baseline.rules.confirm_seeds) or FRESH_SEEDS
        needed = look.needed or 2 * (seeds if kind == "pairs" else min(seeds, FIRST_STAGE))
        return Confirmation("open", look.done, needed, f"{look.done} of {needed} runs on fresh seeds.", kind)
    if look.decided_by is not None:
        reason = _run_reason(arm, look.decided_by, baseline.rules.metric.name)
        return Confirmation(look.end, look.done, look.needed, reason, kind)
    if look.test is None:
        reason = "The values on fresh seeds do not vary, so nothing can be tested."
        return Confirmation("unavailable", look.done, look.needed, reason, kind)
    return _evaluated(arm, look, look.test, baseline.rules.metric.sign)


def _run_reason(arm: Arm, step: Step, metric: str) -> str:
    """Why a diverged or lost run ended the confirmation."""
    run = next(reversed(step_attempts(arm, step)))
    which = f"The run {'without' if step.is_control else 'with'} the change at fresh seed {step.seed}"
    if run.state is RunState.CANCELLED:
        return f"{which} was stopped after it had shown its {metric}, so nothing can be said."
    if run.state is not RunState.DIVERGED:
        return f"{which} failed for good."
    if step.is_control:
        return f"{which} diverged, so nothing can be said."
    return f"The last {metric} of the experiment at fresh seed {step.seed} is not finite."


def _evaluated(arm: Arm, look: ConfirmLook, test: PairTest, sign: int) -> Confirmation:
    """The numbers of a confirmation that its values have ended."""
    assert arm.fresh_plan is not None and look.end is not None  # it has ended
    threshold = test.least_gain(look.limit)
    given = "given" if arm.fresh_plan.is_given else "fresh"
    return Confirmation(
        state=look.end,
        done=look.done,
        needed=look.needed,
        reason=(
            f"On {test.pairs} {given} seeds the experiment is {abs(test.gain):.4g} "
            f"{'better' if test.gain >= 0 else 'worse'} (one-sided p {shown_p(test.p)}); "
            f"at most {look.limit:g} confirms."
        ),
        kind=arm.fresh_plan.kind,
        pairs=test.pairs,
        difference=sign * test.gain,
        improvement=test.gain,
        p_better=test.p,
        limit=look.limit,
        threshold=threshold,
        at_least=test.gain - threshold,
        std=test.std,
        df=test.df,
        wall_time=_wall_time(pairs_of(arm)[: test.pairs]),
    )


def wall_time_reason(arm: Arm, n: int | None) -> str | None:
    """Why the pairs of a confirmation tell nothing of wall time; None where they do, or where it has no pairs.

    Args:
        n: How many pairs it has counted.
    """
    return None if n is None else _withheld(pairs_of(arm)[:n])


def _withheld(pairs: Sequence[Pair]) -> str | None:
    sides = [[pair.control for pair in pairs], [pair.experiment for pair in pairs]]
    controls, experiments = ([run for run in side if run and run.host and run.wall_time_s] for side in sides)
    if min(len(controls), len(experiments)) < len(pairs):
        return "a run has no wall time"
    if len({run.experiment for run in (*controls, *experiments)}) > 1:
        return "another experiment ran a control at another time"
    return pairs_withheld(controls, experiments)


def _wall_time(pairs: Sequence[Pair]) -> WallTimeChange | None:
    """The change of wall time, from a paired test of the logarithms; None where it would mean nothing.

    The change is a ratio, and both runs of a pair saw the same conditions. It needs all runs with a result on one
    known host, with equal devices, threads and load, and none that another experiment ran at another time. The claim is
    `none` where the controls' mean is below a second: start-up and machine load make up such a time.
    """
    if _withheld(pairs) is not None:
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
