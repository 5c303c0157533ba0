"""Tests on pairs of fresh seeds, and the limits at which a confirmation goes on or ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seedproof.stats.distributions import f_tail, t_quantile, t_tail
from seedproof.stats.summary import Summary, reaches, summarize

__all__ = [
    "CONFIRM_P",
    "EARLIER_P",
    "FIRST_STAGE",
    "OTHER_SPREAD_P",
    "PairTest",
    "decide_stage",
    "has_other_spread",
    "paired_gain",
    "pooled_gain",
]

FIRST_STAGE = 3
"""Pairs after which the confirmation of a WINNER may end."""
CONFIRM_P = 0.02
"""The one-sided p that confirms, after three pairs and after six (Pocock 1977: equal levels at both)."""
OTHER_SPREAD_P = 0.002
"""The same, after six pairs only, where the experiment spreads otherwise than the baseline."""
EARLIER_P = 0.10
"""The same of confirmations that were begun before records of format 2: t(.90)."""
# After three pairs a larger p ends it (futility: Lan, Simon and Halperin 1982; two stages: Bauer and Köhne 1994).
_STOP_P = 0.30
# The share of experiments with the baseline's own spread that nevertheless show another one.
_SPREAD_SHARE = 0.05

StageEnd = Literal["confirmed", "not_confirmed", "continue"]


@dataclass(frozen=True, slots=True)
class PairTest:
    """The mean gain over pairs of runs, tested one-sided; in the metric's unit."""

    pairs: int
    """Number of pairs."""
    gain: float
    """Mean of experiment over control, positive where the experiment is better."""
    std: float
    """Standard deviation behind the error: of one run, or for paired tests of the difference of two."""
    df: int
    """Its degrees of freedom."""
    error: float
    """Standard error of the gain."""
    p: float
    """One-sided p that the experiment is better."""

    def least_gain(self, p: float) -> float:
        """The gain at which the one-sided p would be this one; loads scipy."""
        return t_quantile(1 - p, self.df) * self.error


def pooled_gain(
    control: Sequence[float], experiment: Sequence[float], sign: int, earlier: Sequence[Summary] = (), step: float = 0.0
) -> PairTest | None:
    """The gain over its error sqrt(2 / n) s, with s pooled over both sides and earlier arms; None where s is 0.

    Source: Student 1908, Fisher 1925 for the pooled variance. A value that is printed with a step of h stands for all
    values within h / 2, whose standard deviation is h / sqrt(12): s is at least that.

    Args:
        control: Values of the fresh runs without the change, by pair.
        experiment: Values with it.
        sign: +1 where larger is better, -1 where smaller is better.
        earlier: Arms whose spread is pooled as well; their means do not enter.
        step: The step of the printed values.
    """
    sides = [summarize(control), summarize(experiment)]
    arms = [*sides, *earlier]
    df = sum(arm.n - 1 for arm in arms)
    pooled = math.hypot(*((arm.std or 0.0) * math.sqrt(arm.n - 1) for arm in arms)) / math.sqrt(df)
    std = max(pooled, step / math.sqrt(12))
    gain = sign * (sides[1].mean - sides[0].mean)
    return _test(len(control), gain, std, df, std * math.sqrt(2 / len(control)))


def paired_gain(control: Sequence[float], experiment: Sequence[float], sign: int, step: float = 0.0) -> PairTest | None:
    """The gain over the error of the pairs' own differences; None where these do not vary and the step is unknown.

    Source: Student 1908. The difference of two values of step h has at least the standard deviation h / sqrt(6).

    Args:
        control: Values of the runs without the change, by pair.
        experiment: Values with it.
        sign: +1 where larger is better, -1 where smaller is better.
        step: The step of the printed values.
    """
    found = summarize([sign * (after - before) for before, after in zip(control, experiment, strict=True)])
    std = max(found.std or 0.0, step / math.sqrt(6))
    return _test(found.n, found.mean, std, found.n - 1, std / math.sqrt(found.n))


def _test(pairs: int, gain: float, std: float, df: int, error: float) -> PairTest | None:
    if not error > 0 or df < 1:
        return None
    return PairTest(pairs, gain, std, df, error, t_tail(gain / error, df))


def decide_stage(p: float, limit: float, *, may_confirm: bool, is_last: bool) -> StageEnd:
    """What the one-sided p of a stage says; a limit within 1e-9 counts as reached.

    Args:
        limit: The p that confirms.
        may_confirm: Whether this stage may confirm.
        is_last: Whether it is the last one.
    """
    if may_confirm and reaches(limit, p):
        return "confirmed"
    return "not_confirmed" if is_last or not reaches(_STOP_P, p) else "continue"


def has_other_spread(baseline: Summary, experiment: Summary) -> bool:
    """Whether the experiment's standard deviation is that of a larger spread than the baseline's.

    From a ratio on that equal spreads reach in 5 % of experiments: 2.64 for 3 against 5 seeds, 2.53 for 5.
    Source: Snedecor 1934.
    """
    if not baseline.std or experiment.std is None:
        return False
    ratio = experiment.std / baseline.std
    return reaches(_SPREAD_SHARE, f_tail(ratio * ratio, experiment.n - 1, baseline.n - 1))
