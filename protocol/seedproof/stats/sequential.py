"""The sequential design: a test at each look, with the chance of a false WINNER that the protocol's rule has.

Lengths are in true sigmas, positive where the experiment is better. At the second look let D be the difference
of the means, V the pooled sum of squares, Q the extra seeds' mean minus the first ones'. V splits into the first
look's sum of squares, a multiple of Q squared, and the extra seeds' own; the three shares of it are independent of
V and of D (Cochran 1934; Muirhead 1982, theorem 1.5.6). So the second look's t is independent of the shares, given
them the first look's t is a line in it, and each probability is an integral over two angles of a t distribution.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from seedproof.stats.distributions import (
    angle_nodes,
    cos_sin_density,
    noncentral_t_cdf,
    noncentral_t_cdfs,
    panels,
    t_cdf,
    t_quantile,
)
from seedproof.stats.power import OperatingPoint, Sizes, protocol_power
from seedproof.stats.summary import PriorVariance, pooled_std, summarize

if TYPE_CHECKING:
    from seedproof.stats.distributions import Floats

__all__ = ["FUTILITY_P", "Decision", "decide", "look_p", "sequential_alpha", "sequential_power"]

# An experiment with a larger p at the first look ends there (docs/evidence.md, the sequential design).
FUTILITY_P = 0.3

Decision = Literal["WINNER", "LOSER", "NEUTRAL", "continue"]


def look_p(
    baseline: Sequence[float], experiment: Sequence[float], sign: int, prior: PriorVariance | None = None
) -> float:
    """One-sided p that the experiment is better, by Student's t with the variance pooled over all arms.

    Source: Student 1908; Fisher 1925. The p that it is worse is 1 minus this.

    Args:
        baseline: Values of the baseline.
        experiment: Values of the experiment.
        sign: +1 where larger is better, -1 where smaller is better.
        prior: Spread of earlier arms.

    Raises:
        SampleError: An empty arm, a value that is not finite, no spread or no degree of freedom.
    """
    base, exp = summarize(baseline), summarize(experiment)
    spread, df = pooled_std((base, exp), prior)
    difference = sign * (exp.mean - base.mean)
    return t_cdf(-difference / spread / math.sqrt(1 / base.n + 1 / exp.n), df)


def decide(p_better: float, is_last: bool, alpha: float) -> Decision:
    """What a look's one-sided p says. A p that equals alpha counts as reached.

    Source: two-stage design with a futility stop, Pocock 1977's equal levels; docs/evidence.md.
    """
    if p_better <= alpha:
        return "WINNER"
    # Not 1 - p <= alpha: that loses the tie of 0.98 and 0.02 to rounding.
    if p_better >= 1 - alpha:
        return "LOSER"
    return "NEUTRAL" if is_last or p_better > FUTILITY_P else "continue"


# --- how often it errs ------------------------------------------------------------------------


@lru_cache(maxsize=64)
def sequential_alpha(sizes: Sizes, prior_df: int = 0) -> float:
    """The p at which a look says WINNER, so that false ones are as frequent as the protocol rule's.

    Source: the design's own null distribution (module docstring), inverted; `protocol_power` for the target.

    Args:
        sizes: Numbers of seeds and `winner_sigma`.
        prior_df: Degrees of freedom of the earlier arms' variance.
    """
    target = protocol_power(0.0, sizes).p_winner
    if sizes.extra == 0:
        return target
    return _root(lambda alpha: _Design(sizes, prior_df, alpha, 0.0).p_winner() - target, target / 2, target)


def _root(rises: Callable[[float], float], low: float, high: float) -> float:
    """Where a smooth rising function crosses zero, to 1e-12, by secants between the ends (Brent 1973, ch. 4)."""
    last, guess = high, (low + high) / 2
    at_last, at_guess = rises(last), rises(guess)
    for _ in range(60):
        if abs(guess - last) < 1e-12 or at_guess == 0:
            break
        low, high = (guess, high) if at_guess < 0 else (low, guess)
        step = guess - at_guess * (guess - last) / (at_guess - at_last) if at_guess != at_last else math.inf
        last, at_last = guess, at_guess
        guess = step if low <= step <= high else (low + high) / 2
        at_guess = rises(guess)
    return guess


@lru_cache(maxsize=256)
def sequential_power(effect_sigma: float, sizes: Sizes, prior_df: int = 0) -> OperatingPoint:
    """What the sequential design does with a true effect, for independent normal seeds.

    Source: module docstring; noncentral t, Johnson, Kotz and Balakrishnan 1995, eq. 31.15.

    Args:
        effect_sigma: True improvement in sigmas; negative is worse.
        sizes: Numbers of seeds, and the `winner_sigma` that calibrates the level.
        prior_df: Degrees of freedom of the earlier arms' variance.
    """
    design = _Design(sizes, prior_df, sequential_alpha(sizes, prior_df), effect_sigma)
    second = design.p_second_look()
    return OperatingPoint(design.p_winner(), design.p_loser(), sizes.first + sizes.extra * second)


@dataclass(frozen=True, slots=True)
class _Design:
    """The design at a level, with a true effect."""

    sizes: Sizes
    prior_df: int
    alpha: float
    effect: float

    def df(self, n: int) -> int:
        """Degrees of freedom with `n` seeds of the experiment."""
        return self.sizes.baseline + n - 2 + self.prior_df

    def variance(self, n: int) -> float:
        """Variance of the difference of the means with `n` seeds of the experiment."""
        return 1 / n + 1 / self.sizes.baseline

    def _limit(self, n: int, p: float) -> float:
        return t_quantile(1 - p, self.df(n))

    def _first_below(self, limit: float) -> float:
        n = self.sizes.first
        return noncentral_t_cdf(limit, self.df(n), self.effect / math.sqrt(self.variance(n)))

    def p_winner(self) -> float:
        """P(WINNER at either look)."""
        first = 1 - self._first_below(self._limit(self.sizes.first, self.alpha))
        return first + self._second_above(self._limit(self.sizes.all, self.alpha))

    def p_loser(self) -> float:
        """P(LOSER at either look)."""
        first = self._first_below(-self._limit(self.sizes.first, self.alpha))
        return first + max(0.0, self.p_second_look() - self._second_above(-self._limit(self.sizes.all, self.alpha)))

    def p_second_look(self) -> float:
        """P(the first look decides nothing)."""
        if self.sizes.extra == 0 or self.alpha >= FUTILITY_P:
            return 0.0
        winner, futile = (self._limit(self.sizes.first, p) for p in (self.alpha, FUTILITY_P))
        return self._first_below(winner) - self._first_below(futile)

    def _second_above(self, limit: float) -> float:
        """P(the first look decides nothing, and the second look's t is at least `limit`)."""
        n, every = self.sizes.first, self.sizes.all
        if every == n or self.alpha >= FUTILITY_P:
            return 0.0
        lines = _Lines.of(self, self._limit(n, FUTILITY_P), self._limit(n, self.alpha))
        df, delta = self.df(every), self.effect / math.sqrt(self.variance(every))
        return lines.share_above(limit, lambda t: noncentral_t_cdfs(t, df, delta))


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where the first look's t crosses a limit, as a line in the second look's t, given the shares of V.

    With u = sin(phi) the share of Q and cos(psi) that of the first look's sum of squares in the rest, the first
    look's t is `edge` where t2 = edge x slope x cos(psi) cos(phi) + lean x sin(phi).
    """

    edges: tuple[float, float]
    slope: float
    lean: float
    df: int
    first_df: int
    extra: int

    @classmethod
    def of(cls, design: _Design, low: float, high: float) -> "_Lines":
        first, every, extra = design.sizes.first, design.sizes.all, design.sizes.extra
        df, first_df = design.df(every), design.df(first)
        unit = math.sqrt(design.variance(every) / df)
        # Q adds extra / all of itself to the mean, and first x extra / all of its square to V.
        lean = math.sqrt(extra / (first * every)) / unit
        return cls((low, high), math.sqrt(design.variance(first) / first_df) / unit, lean, df, first_df, extra)

    def share_above(self, limit: float, cdf: Callable[["Floats"], "Floats"]) -> float:
        """P(first look's t between the edges, second look's at least `limit`), for a distribution of the latter."""
        import numpy as np

        psi, psi_weights = self._psi(limit)
        phi, weights = self._phi(limit, np.cos(psi))
        low, high = (
            edge * self.slope * np.cos(psi)[:, None] * np.cos(phi) + self.lean * np.sin(phi) for edge in self.edges
        )
        inside = cdf(np.maximum(high, limit)) - cdf(np.maximum(low, limit))
        return float(psi_weights @ (inside * weights).sum(axis=-1))

    def _psi(self, limit: float) -> tuple["Floats", "Floats"]:
        import numpy as np

        if self.extra == 1:  # One extra seed has no sum of squares of its own.
            return np.zeros(1), np.ones(1)
        # Where a line only just reaches the limit at some phi, the integral over phi is not smooth.
        touching = [(limit**2 - self.lean**2) / (edge * self.slope) ** 2 for edge in self.edges if edge != 0]
        breaks = [math.acos(math.sqrt(share)) for share in touching if 0 < share < 1]
        return angle_nodes(self.first_df - 1, self.extra - 2, breaks, n=24)

    def _phi(self, limit: float, cosine: "Floats") -> tuple["Floats", "Floats"]:
        import numpy as np

        # cos^(df - 2) has no more than 1e-17 beyond.
        reach = min(math.pi / 2, 9 / math.sqrt(self.df - 2))
        breaks = [np.full_like(cosine, end) for end in (-reach, 0.0, reach)]
        for edge in self.edges:
            across = edge * self.slope * cosine
            turn = np.arccos(np.clip(limit / np.hypot(across, self.lean), -1, 1))
            middle = np.arctan2(self.lean, across)
            breaks += [np.clip(middle + way * turn, -reach, reach) for way in (-1, 1)]
        phi, weights = panels(np.sort(np.stack(breaks, axis=-1)), 16)
        # Half, because the density is that of an angle of one sign.
        return phi, weights * cos_sin_density(phi, self.df - 2, 0) / 2
