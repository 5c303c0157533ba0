"""The decisions of Seedproof, and of what people do instead, on whole arrays of campaigns at once.

A campaign is a number of experiments that share one baseline. tests/benchmarks/test_calibration.py holds the rules of
Seedproof in here equal to the product's own code, verdict by verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit
from seedproof.model.rules import Rules
from seedproof.stats.sequential import FUTILITY_P, sequential_alpha
from seedproof.stats.summary import reaches
from seedproof.verdict.confirmation import CONFIDENCE

__all__ = [
    "RULES",
    "Campaigns",
    "Decided",
    "best_over_mad",
    "confirmed",
    "corrected",
    "corrected_so_far",
    "holm_adjusted",
    "ledger_sequential",
    "mean_of_three",
    "protocol",
    "sequential",
    "single_run",
    "welch_p_better",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

RULES = Rules()
# The level at which a corrected claim is made: the usual chance of any false claim in a campaign.
LEVEL = 0.05
# "Likely real" where autoresearch-style loops print the best improvement over the MAD; below, "marginal" or "noise".
MAD_LIKELY_REAL = 2.0
# They print it from the third run on.
MAD_RUNS = 3


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


# --- what Seedproof decides -------------------------------------------------------------------


def _reach(distances: Floats, threshold: float) -> Bools:
    return np.asarray(reaches(cast(float, distances), threshold))  # it only compares


def protocol(campaigns: Campaigns, rules: Rules = RULES) -> Decided:
    """The protocol: the first seeds, and the extra ones where their mean is within the winner's distance."""
    sigma = campaigns.baseline.std(axis=-1, ddof=1)[:, None]
    improvement = _improvements(campaigns, rules)
    at_first, at_all = (each / sigma for each in improvement)
    goes_on = ~_reach(np.abs(at_first), rules.winner_sigma)
    distance = np.where(goes_on, at_all, at_first)
    return Decided(
        winner=_reach(distance, rules.winner_sigma),
        loser=_reach(-distance, rules.winner_sigma),
        runs=_runs(goes_on, rules),
        baseline_runs=len(rules.baseline_seeds),
    )


def sequential(campaigns: Campaigns, rules: Rules = RULES) -> Decided:
    """A t test at each look, its variance pooled over both arms."""
    return _tested(campaigns, np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64), rules)


def ledger_sequential(campaigns: Campaigns, rules: Rules = RULES) -> Decided:
    """The same, its variance pooled over the campaign's earlier experiments as well."""
    count = len(campaigns.baseline)
    squares, df = np.zeros((count, 1)), np.zeros((count, 1), dtype=np.int64)
    decided = []
    for place in range(campaigns.experiments.shape[1]):
        values = campaigns.experiments[:, place : place + 1]
        one = _tested(replace(campaigns, experiments=values), squares, df, rules)
        decided.append(one)
        squares, df = squares + _squares(values, one.runs, rules), df + one.runs - 1
    winner, loser, runs = (np.hstack([getattr(one, name) for one in decided]) for name in ("winner", "loser", "runs"))
    return Decided(winner, loser, runs, len(rules.baseline_seeds))


def confirmed(campaigns: Campaigns, decided: Decided, rules: Rules = RULES) -> Decided:
    """Only the WINNERs that hold on pairs of fresh seeds, which each WINNER pays for."""
    pairs = len(rules.confirm_seeds)
    squares = (
        _within(campaigns.baseline)[:, None]
        + _squares(campaigns.experiments, decided.runs, rules)
        + _within(campaigns.control)
        + _within(campaigns.fresh)
    )
    df = (campaigns.baseline.shape[-1] - 1) + (decided.runs - 1) + 2 * (pairs - 1)
    improvement = rules.metric.sign * (campaigns.fresh.mean(axis=-1) - campaigns.control.mean(axis=-1))
    holds = improvement >= _looked_up(lambda one: stdtrit(one, CONFIDENCE), df) * np.sqrt(squares / df * 2 / pairs)
    return replace(decided, winner=decided.winner & holds, runs=decided.runs + 2 * pairs * decided.winner)


def corrected(campaigns: Campaigns, decided: Decided, rules: Rules = RULES) -> Decided:
    """Only the WINNERs whose p, adjusted for the whole campaign at its end, is small."""
    adjusted = holm_adjusted(welch_p_better(campaigns, decided, rules))
    return replace(decided, winner=decided.winner & (adjusted <= LEVEL))


def corrected_so_far(campaigns: Campaigns, decided: Decided, rules: Rules = RULES) -> Decided:
    """Only the WINNERs whose p is small when adjusted for the experiments up to their own, read on that day."""
    p = welch_p_better(campaigns, decided, rules)
    small = np.zeros_like(decided.winner)
    for place in range(p.shape[1]):
        at_risk = np.flatnonzero(decided.winner[:, place])
        small[at_risk, place] = holm_adjusted(p[at_risk, : place + 1])[:, -1] <= LEVEL
    return replace(decided, winner=small)


def welch_p_better(campaigns: Campaigns, decided: Decided, rules: Rules = RULES) -> Floats:
    """One-sided p of Welch's test that each experiment is better, on the runs it has."""
    n_base, n = campaigns.baseline.shape[-1], decided.runs
    base = campaigns.baseline.var(axis=-1, ddof=1)[:, None] / n_base
    own = _squares(campaigns.experiments, n, rules) / (n - 1) / n
    df = (base + own) ** 2 / (base**2 / (n_base - 1) + own**2 / (n - 1))
    improvement = np.where(_is_first(n, rules), *_improvements(campaigns, rules))
    found: Floats = stdtr(df, -improvement / np.sqrt(base + own))
    return found


def holm_adjusted(p: Floats) -> Floats:
    """Holm's adjusted p along the last axis."""
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    found = np.empty_like(p)
    np.put_along_axis(found, order, adjusted, axis=-1)
    return found


# --- what people do instead -------------------------------------------------------------------


def single_run(campaigns: Campaigns) -> Decided:
    """Keep whatever single run is better than the one run of the baseline. Lower is better, as below."""
    return _kept(campaigns.experiments[..., 0] < campaigns.baseline[:, :1], runs=1)


def mean_of_three(campaigns: Campaigns) -> Decided:
    """Keep whatever has the better mean of three runs."""
    return _kept(
        campaigns.experiments[..., :3].mean(axis=-1) < campaigns.baseline[:, :3].mean(axis=-1)[:, None], runs=3
    )


def best_over_mad(campaigns: Campaigns) -> Decided:
    """Claim a new best run whose improvement is at least twice the MAD of all values so far.

    One run each; improvement: over the first run, the baseline's; MAD: the median distance from the median, of
    every value of the session, the newest included.
    """
    session = np.concatenate([campaigns.baseline[:, :1], campaigns.experiments[..., 0]], axis=-1)
    is_best = session[:, 1:] < np.minimum.accumulate(session, axis=-1)[:, :-1]
    ratio = np.zeros_like(session)
    for last in range(MAD_RUNS - 1, session.shape[-1]):
        so_far = session[:, : last + 1]
        mad = np.median(np.abs(so_far - np.median(so_far, axis=-1)[:, None]), axis=-1)
        ratio[:, last] = (session[:, 0] - session[:, last]) / mad
    return _kept(is_best & (ratio[:, 1:] >= MAD_LIKELY_REAL), runs=1)


def _kept(winner: Bools, runs: int) -> Decided:
    return Decided(winner, np.zeros_like(winner), np.full(winner.shape, runs), baseline_runs=runs)


# --- arithmetic -------------------------------------------------------------------------------


def _tested(campaigns: Campaigns, prior_squares: Floats, prior_df: Counts, rules: Rules) -> Decided:
    """The test at both looks; `prior_*` is what the variance pools besides the two arms."""
    first, last, base = len(rules.experiment_seeds), campaigns.experiments.shape[-1], len(rules.baseline_seeds)

    def limit(n: int, p: Callable[[int], float]) -> Floats:
        """The t whose one-sided p is this."""
        return _looked_up(lambda df: stdtrit(base + n - 2 + df, 1 - p(df)), prior_df)

    t_first, t_last = (_pooled_t(campaigns, n, prior_squares, prior_df, rules) for n in (first, last))
    at_first, at_last = (limit(n, lambda df: _alpha(rules, df)) for n in (first, last))
    is_open = (np.abs(t_first) < at_first) & (t_first >= limit(first, lambda _: FUTILITY_P))
    goes_on = is_open & (last > first)
    distance = np.where(goes_on, t_last / at_last, t_first / at_first)
    return Decided(distance >= 1, distance <= -1, _runs(goes_on, rules), base)


def _pooled_t(campaigns: Campaigns, n: int, prior_squares: Floats, prior_df: Counts, rules: Rules) -> Floats:
    """Student's t of the improvement at a look, positive where better."""
    values, n_base = campaigns.experiments[..., :n], campaigns.baseline.shape[-1]
    squares = _within(campaigns.baseline)[:, None] + _within(values) + prior_squares
    error = np.sqrt(squares / (n_base + n - 2 + prior_df) * (1 / n_base + 1 / n))
    found: Floats = rules.metric.sign * (values.mean(axis=-1) - campaigns.baseline.mean(axis=-1)[:, None]) / error
    return found


# The level of a look takes a quarter of a second to compute and hardly moves with so many degrees of freedom: beyond
# the first ones it is interpolated, in 1 / df, on this grid, which is exact to 1e-6.
_DENSE = 20
_GRID = (_DENSE, 24, 32, 48, 96, 192, 384)


def _alpha(rules: Rules, prior_df: int) -> float:
    if prior_df <= _DENSE:
        return _exact_alpha(rules, prior_df)
    above = next(one for one in _GRID if one >= prior_df)
    below = _GRID[_GRID.index(above) - 1]
    share = (1 / below - 1 / prior_df) / (1 / below - 1 / above)
    return (1 - share) * _exact_alpha(rules, below) + share * _exact_alpha(rules, above)


@cache
def _exact_alpha(rules: Rules, prior_df: int) -> float:
    """Kept for good: a long campaign meets more degrees of freedom than the product's own cache holds."""
    alpha: float = sequential_alpha(rules.sizes, prior_df)
    return alpha


def _improvements(campaigns: Campaigns, rules: Rules) -> tuple[Floats, Floats]:
    """Improvement of the mean over the baseline's, after the first seeds and after all."""
    base = campaigns.baseline.mean(axis=-1)[:, None]
    first = rules.metric.sign * (campaigns.experiments[..., : len(rules.experiment_seeds)].mean(axis=-1) - base)
    return first, rules.metric.sign * (campaigns.experiments.mean(axis=-1) - base)


def _within(values: Floats) -> Floats:
    """Squared distances from the mean of their own arm, added up."""
    found: Floats = np.square(values - values.mean(axis=-1, keepdims=True)).sum(axis=-1)
    return found


def _squares(experiments: Floats, runs: Counts, rules: Rules) -> Floats:
    """The same over the runs that each experiment has."""
    first = experiments[..., : len(rules.experiment_seeds)]
    return np.where(_is_first(runs, rules), _within(first), _within(experiments))


def _is_first(runs: Counts, rules: Rules) -> Bools:
    return np.asarray(runs == len(rules.experiment_seeds))


def _runs(goes_on: Bools, rules: Rules) -> Counts:
    return len(rules.experiment_seeds) + len(rules.extra_seeds) * goes_on


def _looked_up(function: Callable[[int], float], df: Counts) -> Floats:
    """A function of degrees of freedom, called once for each value that occurs."""
    occurring, places = np.unique(df, return_inverse=True)
    found: Floats = np.array([function(int(one)) for one in occurring])[places.reshape(df.shape)]
    return found
