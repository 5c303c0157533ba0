"""The decisions of Seedproof on whole arrays of campaigns at once.

A campaign is a number of experiments that share one baseline. tests/benchmarks/test_twin.py holds these
rules equal to the product's own code, verdict by verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, stdtr
from seedproof.model.rules import Rules
from seedproof.stats.summary import reaches

__all__ = [
    "CONFIRM_P",
    "FIRST_PAIRS",
    "OTHER_SPREAD_P",
    "PAIRS",
    "RULES",
    "SCREENING",
    "SPREAD_QUANTILE",
    "Bools",
    "Campaigns",
    "Confirmed",
    "Counts",
    "Decided",
    "Floats",
    "Rule",
    "confirmed",
    "every_seed_better",
    "fresh_pairs_hold",
    "fresh_test",
    "other_spread",
    "own_spread",
    "pairs",
    "protocol",
    "screening",
    "seed_pairs_hold",
    "within",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

RULES = Rules()
SCREENING = Rules(design="screening")

# --- the limits of the rules; a limit within 1e-9 counts as reached --------------------------

_TIE = 1e-9
# Pairs of fresh seeds after which a confirmation is looked at.
FIRST_PAIRS, PAIRS = 3, 6
# One-sided p that confirms, at either look; a p above the second number ends a confirmation at the first.
CONFIRM_P, FUTILE_P = 0.02, 0.30
# The spreads of both arms count as different from this quantile of F on; such a WINNER needs the second p.
SPREAD_QUANTILE, OTHER_SPREAD_P = 0.95, 0.002
# Screening drops an idea whose one-sided p is above this after 1, 2 and the first seeds, and claims a gain from the
# first seeds on at the last.
SCREENING_P, SCREENING_WINNER_P = (0.50, 0.30, 0.20), 0.02
# Pairs of the first seeds are worth fresh pairs from the first p on, and hold at the second.
OFFER_P, PAIRS_P = 0.01, 0.02


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Values of the deciding metric in many campaigns of equal length."""

    baseline: Floats
    """Of the baseline's seeds, shape (campaigns, seeds)."""
    experiments: Floats
    """Of the first and the extra seeds, needed or not, shape (campaigns, experiments, seeds)."""
    control: Floats
    """Of the fresh seeds without flags, shape (campaigns, experiments, fresh seeds)."""
    fresh: Floats
    """Of the fresh seeds with the experiment's flags, same shape."""

    def first(self, length: int) -> "Campaigns":
        """The same campaigns, ended after some experiments."""
        return replace(
            self,
            experiments=self.experiments[:, :length],
            control=self.control[:, :length],
            fresh=self.fresh[:, :length],
        )

    def improved(self, effects: Floats) -> "Campaigns":
        """The same draws with true improvements of shape (campaigns, experiments); lower values are better."""
        effect = effects[..., None]
        return replace(self, experiments=self.experiments - effect, fresh=self.fresh - effect)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a rule says of each experiment; arrays of shape (campaigns, experiments)."""

    winner: Bools
    """Where it claims a gain."""
    loser: Bools
    """Where it claims a loss."""
    runs: Counts
    """Runs of the experiment, those of a confirmation included, the shared baseline's not."""
    baseline_runs: int
    """Runs of the baseline that the campaign shares."""


Rule = Callable[[Campaigns], Decided]


# --- verdicts ---------------------------------------------------------------------------------


def protocol(campaigns: Campaigns, rules: Rules = RULES) -> Decided:
    """The protocol: the first seeds, and the extra ones where their mean is within the winner's distance."""
    sigma = campaigns.baseline.std(axis=-1, ddof=1)[:, None]
    first, last = len(rules.experiment_seeds), campaigns.experiments.shape[-1]
    at_first, at_all = (_gain(campaigns, n, rules) / sigma for n in (first, last))
    goes_on = ~_reach(np.abs(at_first), rules.winner_sigma)
    distance = np.where(goes_on, at_all, at_first)
    return Decided(
        winner=_reach(distance, rules.winner_sigma),
        loser=_reach(-distance, rules.winner_sigma),
        runs=np.where(goes_on, last, first),
        baseline_runs=len(rules.baseline_seeds),
    )


def screening(campaigns: Campaigns, rules: Rules = SCREENING) -> Decided:
    """Screening: a t test after one, two, the first and all seeds; what is not worth going on with is dropped."""
    first, last = len(rules.experiment_seeds), campaigns.experiments.shape[-1]
    shape = campaigns.experiments.shape[:2]
    is_open, winner, runs = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool), np.ones(shape, dtype=np.int64)
    for n in dict.fromkeys((1, 2, first, last)):
        runs[is_open] = n
        p = _pooled_p(campaigns, np.nonzero(is_open), n, rules)
        won = (p <= SCREENING_WINNER_P + _TIE) & (n >= first)
        goes_on = ~won & (n < last) & (p <= SCREENING_P[min(n, 3) - 1] + _TIE)
        winner[is_open] = won
        is_open[is_open] = goes_on
    return Decided(winner, np.zeros(shape, dtype=bool), runs, len(rules.baseline_seeds))


def _pooled_p(campaigns: Campaigns, at: tuple[Counts, ...], n: int, rules: Rules) -> Floats:
    """One-sided p of a gain on the first n seeds, its variance pooled over both arms."""
    base, values = campaigns.baseline, campaigns.experiments[at][:, :n]
    n_base = base.shape[-1]
    df = n_base + n - 2
    squares = within(base)[at[0]] + within(values)
    gain = rules.metric.sign * (values.mean(axis=-1) - base.mean(axis=-1)[at[0]])
    return _p(gain / np.sqrt(squares / df * (1 / n + 1 / n_base)), df)


# --- confirmation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The confirmations of all WINNERs, one value for each."""

    at: tuple[Counts, ...]
    """Where those WINNERs stand: campaign and experiment."""
    holds: Bools
    """Whether it is confirmed."""
    pairs: Counts
    """Pairs of fresh seeds that were run."""

    def of(self, decided: Decided) -> Decided:
        """Only the WINNERs that are confirmed; each WINNER pays for its pairs."""
        winner, runs = decided.winner.copy(), decided.runs.copy()
        winner[self.at] = self.holds
        runs[self.at] += 2 * self.pairs
        return replace(decided, winner=winner, runs=runs)


def confirmed(
    campaigns: Campaigns, decided: Decided, rules: Rules = RULES, *, knows_spread: bool = True, step: float = 0.0
) -> Confirmed:
    """Confirm every WINNER: three pairs of fresh seeds, and three more where they decide nothing.

    Args:
        knows_spread: Whether a WINNER with another spread than the baseline's has the stricter rule.
        step: Unit of the last printed digit.
    """
    at, last = np.nonzero(decided.winner), len(rules.confirm_seeds) or PAIRS
    # Screening has looked at the spread of both arms, the protocol at the baseline's.
    own = own_spread(campaigns, decided) if rules.design == "protocol" else (0.0, 0)
    p_first, p_last = (fresh_test(campaigns, at, n, own, rules, step)[1] for n in (FIRST_PAIRS, last))
    other = other_spread(campaigns, decided) & knows_spread
    limit = np.where(other, OTHER_SPREAD_P, CONFIRM_P) + _TIE
    early = ~other & (p_first <= limit) & (last > FIRST_PAIRS)
    # A p that is not a number has no spread behind it, and confirms nothing.
    goes_on = ~early & (p_first <= FUTILE_P + _TIE) & (last > FIRST_PAIRS)
    holds = early | ((goes_on | (last == FIRST_PAIRS)) & (p_last <= limit))
    return Confirmed(at, holds, np.where(goes_on, last, FIRST_PAIRS))


def fresh_test(
    campaigns: Campaigns,
    at: tuple[Counts, ...],
    n: int,
    other_arms: tuple[Floats | float, Counts | int],
    rules: Rules = RULES,
    step: float = 0.0,
) -> tuple[Floats, Floats, Floats, Counts]:
    """Mean gain on the first n fresh pairs, its one-sided p, its standard error and degrees of freedom.

    `other_arms` are the squares and degrees of freedom that are pooled with the fresh ones.
    """
    control, fresh = campaigns.control[at][:, :n], campaigns.fresh[at][:, :n]
    df = other_arms[1] + np.full(len(control), 2 * (n - 1))
    spread = np.sqrt((other_arms[0] + within(control) + within(fresh)) / df)
    error = np.maximum(spread, step / np.sqrt(12)) * np.sqrt(2 / n)
    gain = rules.metric.sign * (fresh.mean(axis=-1) - control.mean(axis=-1))
    return gain, _p(_ratio(gain, error), df), error, df


def own_spread(campaigns: Campaigns, decided: Decided) -> tuple[Floats, Counts]:
    """Sum of squares and degrees of freedom of each WINNER's own runs."""
    at = np.nonzero(decided.winner)
    values, runs = campaigns.experiments[at], decided.runs[at]
    squares = np.empty(len(values))
    for n in np.unique(runs):
        squares[runs == n] = within(values[runs == n, :n])
    return squares, runs - 1


def other_spread(campaigns: Campaigns, decided: Decided) -> Bools:
    """Whether each WINNER's runs spread visibly more than the baseline's."""
    squares, df = own_spread(campaigns, decided)
    base = campaigns.baseline.var(axis=-1, ddof=1)[np.nonzero(decided.winner)[0]]
    limit = fdtri(df, campaigns.baseline.shape[-1] - 1, SPREAD_QUANTILE)
    return _reach(np.sqrt(squares / df / base), np.sqrt(limit))


# --- pairs of the same seed -------------------------------------------------------------------


def pairs(campaigns: Campaigns, decided: Decided, rules: Rules = RULES, step: float = 0.0) -> Confirmed:
    """What six fresh pairs say of each NEUTRAL of all seeds whose pairs say more than its means."""
    neutral = ~decided.winner & ~decided.loser & (decided.runs == campaigns.baseline.shape[-1])
    at = np.nonzero(neutral & seed_pairs_hold(campaigns, rules, step))
    holds = fresh_pairs_hold(campaigns, rules, step)[at]
    return Confirmed(at, holds, np.full(len(holds), PAIRS))


def seed_pairs_hold(campaigns: Campaigns, rules: Rules = RULES, step: float = 0.0) -> Bools:
    """Whether the pairs of the baseline's seeds are worth fresh pairs."""
    return _paired_p(campaigns.baseline[:, None], campaigns.experiments, rules, step) <= OFFER_P + _TIE


def fresh_pairs_hold(campaigns: Campaigns, rules: Rules = RULES, step: float = 0.0) -> Bools:
    """Whether six fresh pairs hold."""
    return _paired_p(campaigns.control, campaigns.fresh, rules, step) <= PAIRS_P + _TIE


def every_seed_better(campaigns: Campaigns, rules: Rules = RULES) -> Bools:
    """Whether an experiment is better at each seed of the baseline."""
    gains = rules.metric.sign * (campaigns.experiments - campaigns.baseline[:, None])
    return np.asarray((gains > 0).all(axis=-1))


def _paired_p(without: Floats, with_flags: Floats, rules: Rules, step: float) -> Floats:
    gains = rules.metric.sign * (with_flags - without)
    n = gains.shape[-1]
    error = np.maximum(gains.std(axis=-1, ddof=1), step / np.sqrt(6)) / np.sqrt(n)
    return _p(_ratio(gains.mean(axis=-1), error), n - 1)


# --- arithmetic -------------------------------------------------------------------------------


def within(values: Floats) -> Floats:
    """Squared distances from the mean of their own arm, added up."""
    found: Floats = np.square(values - values.mean(axis=-1, keepdims=True)).sum(axis=-1)
    return found


def _gain(campaigns: Campaigns, n: int, rules: Rules) -> Floats:
    """How much better the mean of the first n seeds is than the baseline's."""
    base = campaigns.baseline.mean(axis=-1)[:, None]
    gain: Floats = rules.metric.sign * (campaigns.experiments[..., :n].mean(axis=-1) - base)
    return gain


def _ratio(gain: Floats, error: Floats) -> Floats:
    """A gain in standard errors, not a number where the error is zero."""
    return np.divide(gain, error, out=np.full_like(gain, np.nan), where=error > 0)


def _p(t: Floats, df: Counts | int) -> Floats:
    """One-sided p of a t."""
    found: Floats = stdtr(df, -t)
    return found


def _reach(distances: Floats, threshold: Floats | float) -> Bools:
    return np.asarray(reaches(cast(float, distances), cast(float, threshold)))  # it only compares
