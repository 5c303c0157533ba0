"""What Seedproof is compared with: what people do instead, and the confirmation that it had before."""

import numpy as np
from twin import Bools, Campaigns, Confirmed, Counts, Decided, Floats, fresh_test, own_spread, within

__all__ = ["best_over_mad", "confirmation_before", "confirmed_before", "mean_of_three", "single_run"]

# "Likely real" where autoresearch-style loops print the best improvement over the MAD; they print it from the third
# run on.
MAD_LIKELY_REAL, MAD_RUNS = 2.0, 3
# Confidence and pairs of the confirmation before, which pooled the baseline's spread as well.
BEFORE_CONFIDENCE, BEFORE_PAIRS = 0.90, 3


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


# --- the confirmation before ------------------------------------------------------------------


def confirmed_before(campaigns: Campaigns, decided: Decided) -> Confirmed:
    """The confirmation before: three pairs, the spread pooled over everything, t of 90 %."""
    _, p, _, _ = confirmation_before(campaigns, decided)
    return Confirmed(np.nonzero(decided.winner), p <= 1 - BEFORE_CONFIDENCE, np.full(len(p), BEFORE_PAIRS))


def confirmation_before(campaigns: Campaigns, decided: Decided) -> tuple[Floats, Floats, Floats, Counts]:
    """Its mean gain, one-sided p, standard error and degrees of freedom, for each WINNER."""
    at = np.nonzero(decided.winner)
    squares, df = own_spread(campaigns, decided)
    squares = squares + within(campaigns.baseline)[at[0]]
    return fresh_test(campaigns, at, BEFORE_PAIRS, (squares, df + campaigns.baseline.shape[-1] - 1))
