"""How often the protocol's rule errs when the same seed moves baseline and experiment together."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from seedproof.stats.distributions import angle_nodes, normal_band, sigma_nodes
from seedproof.stats.power import Sizes

if TYPE_CHECKING:
    from seedproof.stats.distributions import Floats

__all__ = ["false_winner"]

# Nearer to 1 a distance has no noise of its own, and the quadrature would need ever more nodes.
_HIGHEST = 0.999
# What lies beyond changes the seventh digit of no probability.
_REACH = 6.5
_LEAST_WEIGHT = 1e-13


@lru_cache(maxsize=256)
def false_winner(correlation: float, sizes: Sizes) -> float:
    """P(WINNER) without effect, when a seed that both arms have moves both together with this correlation.

    An experiment's run at a baseline seed is rho b + sqrt(1 - rho^2) z, with b that seed's baseline run.
    The residuals of the baseline have a length (its sigma) and a direction, which are independent; given both,
    the two looks' distances are jointly normal. So the probability is an integral over one length and one or
    two angles, exact for normal noise. A correlation beyond 0.999 in size counts as that.
    Source: Muirhead 1982, theorem 1.5.6, for length and direction; Plackett 1954 for the two looks.

    Raises:
        ValueError: The correlation does not lie between -1 and 1.
    """
    if not -1 <= correlation <= 1:
        raise ValueError("a correlation lies between -1 and 1")
    rho = max(-_HIGHEST, min(_HIGHEST, correlation))
    return _Shared(rho, sizes).p_winner()


@dataclass(frozen=True, slots=True)
class _Shared:
    """The rule at one correlation of shared seeds."""

    rho: float
    sizes: Sizes

    def covariance(self) -> tuple[float, float, float]:
        """Variances of the two distances given the residuals, and their covariance."""

        def of(one: int, one_shared: int, other: int, other_shared: int) -> float:
            own = (one - self.rho**2 * one_shared) / (one * other)
            # What the baseline's mean adds: once in its own right, less what the shared seeds carry along.
            through_mean = (self.rho * one_shared / one - 1) * (self.rho * other_shared / other - 1)
            return own + through_mean / self.sizes.baseline

        first, every = (self.sizes.first, self.sizes.first_shared), (self.sizes.all, self.sizes.all_shared)
        return of(*first, *first), of(*every, *every), of(*first, *every)

    def loadings(self) -> tuple[float, float, float]:
        """The distances' means by two orthogonal directions of the residuals: first (a, 0), second (b, c)."""
        sizes = self.sizes

        def length(n: int, shared: int) -> float:
            return self.rho / n * math.sqrt(shared * (1 - shared / sizes.baseline))

        a, later = length(sizes.first, sizes.first_shared), length(sizes.all, sizes.all_shared)
        if a == 0:
            return 0.0, later, 0.0
        product = self.rho**2 / (sizes.first * sizes.all) * sizes.first_shared
        b = product * (1 - sizes.all_shared / sizes.baseline) / a
        return a, b, math.sqrt(max(0.0, later * later - b * b))

    def p_winner(self) -> float:
        """P(WINNER at either look)."""
        from scipy.special import ndtr

        first, every, covariance = self.covariance()
        sd, all_sd = math.sqrt(first), math.sqrt(every)
        a, b, c = self.loadings()
        s, x, y, weights = self._points(sd, all_sd)
        length = s * math.sqrt(self.sizes.baseline - 1)
        mean, later, limit = length * (a * x), length * (b * x + c * y), self.sizes.threshold * s
        total = float(weights @ ndtr((mean - limit) / sd))
        if self.sizes.all == self.sizes.first:
            return total
        above = (limit - later) / all_sd
        reachable = above < _REACH
        mean, limit, above = mean[reachable], limit[reachable], above[reachable]
        band = normal_band((-limit - mean) / sd, (limit - mean) / sd, above, covariance / (sd * all_sd))
        return total + float(weights[reachable] @ band)

    def _points(self, sd: float, all_sd: float) -> tuple["Floats", "Floats", "Floats", "Floats"]:
        """The baseline's sigma and two coordinates of its residuals' direction, each with its weight."""
        import numpy as np

        df = self.sizes.baseline - 1
        a, b, c = (abs(loading) * math.sqrt(df) for loading in self.loadings())
        width = min(sd / (self.sizes.threshold + a), all_sd / (self.sizes.threshold + max(b, c)))
        s, s_weights = sigma_nodes(df, 2 * width, 24)
        wave, other_wave = max(a / sd, b / all_sd), c / all_sd
        counts = 28 + math.ceil(6 * wave), 12 + math.ceil(6 * other_wave)
        x, y, weights = _directions(df, *counts, is_plane=c > 1e-9)
        every = np.outer(s_weights, weights)
        row, column = np.nonzero(every > _LEAST_WEIGHT)
        return s[row], x[column], y[column], every[row, column]


def _directions(df: int, n: int, other_n: int, *, is_plane: bool) -> tuple["Floats", "Floats", "Floats"]:
    """Two coordinates of a random direction in `df` dimensions, and weights; the second is 0 if not needed."""
    import numpy as np

    angle, weights = _both_signs(df - 2, n)
    x = np.sin(angle)
    if not is_plane:
        return x, np.zeros_like(x), weights
    if df == 2:  # A circle: the second coordinate is what the first leaves.
        return np.tile(x, 2), np.concatenate([np.cos(angle), -np.cos(angle)]), np.tile(weights / 2, 2)
    other, other_weights = _both_signs(df - 3, other_n)
    y = np.cos(angle)[:, None] * np.sin(other)
    return np.repeat(x, other.size), y.ravel(), np.outer(weights, other_weights).ravel()


def _both_signs(p: int, n: int) -> tuple["Floats", "Floats"]:
    import numpy as np

    angle, weights = angle_nodes(p, 0, n=(n + 3) // 4)
    return np.concatenate([-angle[::-1], angle]), np.concatenate([weights[::-1], weights]) / 2
