"""Distributions by deterministic quadrature; numpy and scipy.special load when first needed."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "bisect",
    "dunnett_cdf",
    "legendre",
    "noncentral_t_cdf",
    "panels",
    "sigma_factors",
    "sigma_nodes",
    "t_cdf",
    "t_quantile",
]

# Beyond these quantiles lies less than the 12 digits that any result here claims.
_TAIL = 1e-17
_NODES = 96
# Half-width of the step of Phi(t s - delta), in its own standard deviations: Phi(-9) is 1e-19.
_STEP = 9.0


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtr

    return float(stdtr(df, t))


def t_quantile(p: float, df: float) -> float:
    """The value below which a share `p` of Student's t lies."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


@lru_cache(maxsize=8)
def legendre(n: int) -> tuple["Floats", "Floats"]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1], arrays of shape (n,)."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(n)
    return nodes, weights


def panels(breaks: Sequence[float], n: int = _NODES) -> tuple["Floats", "Floats"]:
    """Nodes and weights over consecutive intervals, each with `n` nodes; shape (n * intervals,)."""
    import numpy as np

    nodes, weights = legendre(n)
    edges = np.asarray(breaks, dtype=float)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[:-1] + edges[1:])[:, None] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()


@lru_cache(maxsize=64)
def _sigma_range(df: float) -> tuple[float, float]:
    from scipy.special import chdtri

    low, high = float(chdtri(df, 1 - _TAIL)), float(chdtri(df, _TAIL))
    return math.sqrt(max(low, 0.0) / df), math.sqrt(high / df)


def _sigma_density(s: Any, df: float) -> Any:
    """Density of sqrt(chi2_df / df), the estimated over the true standard deviation."""
    import numpy as np
    from scipy.special import gammaln

    constant = math.log(2) + df / 2 * math.log(df / 2) - float(gammaln(df / 2))
    return np.exp(constant + (df - 1) * np.log(s) - df * s * s / 2)


@lru_cache(maxsize=64)
def sigma_nodes(df: float) -> tuple["Floats", "Floats"]:
    """Nodes s and weights of the estimated over the true standard deviation, sqrt(chi2_df / df)."""
    low, high = _sigma_range(df)
    middle = (low + high) / 2
    s, weights = panels((low, middle, high))
    return s, weights * _sigma_density(s, df)


def noncentral_t_cdf(t: float, df: float, delta: float) -> float:
    """P(T <= t) of the noncentral t: the mean of Phi(t s - delta) over s = sqrt(chi2_df / df).

    Source: Johnson, Kotz and Balakrishnan 1995, eq. 31.15. By Gauss-Legendre, because
    scipy.stats.nct.cdf returns nan in some tails.
    """
    from scipy.special import ndtr

    low, high = _sigma_range(df)
    breaks = [low, (low + high) / 2, high]
    if t != 0:
        step, width = delta / t, 1 / abs(t)
        breaks += [step + share * _STEP * width for share in (-1, -0.3, 0, 0.3, 1)]
    inside = sorted({min(max(point, low), high) for point in breaks})
    s, weights = panels(inside)
    return min(1.0, max(0.0, float((weights * _sigma_density(s, df) * ndtr(t * s - delta)).sum())))


def dunnett_cdf(limit: float, shares: Sequence[float], df: float, two_sided: bool) -> float:
    """P(all of several t statistics against one control lie below `limit`, in size if two-sided).

    Args:
        shares: For each arm sqrt(n / (n + n_control)); products of two are the correlations.
        df: Degrees of freedom of the pooled variance.

    Source: Dunnett 1955, eq. 7; Genz and Bretz 2009, section 4.2. Integrated over the control's
    mean z and the pooled standard deviation s.
    """
    import numpy as np
    from scipy.special import ndtr

    s, s_weights = sigma_nodes(df)
    z, z_weights = panels((-8.5, 0.0, 8.5))
    z_weights = z_weights * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    inside = np.ones((s.size, z.size))
    # Equal arms have equal factors, so each kind of arm is evaluated once.
    for share in set(shares):
        rest = math.sqrt(1 - share * share)
        upper = ndtr((share * z[None, :] + limit * s[:, None]) / rest)
        lower = ndtr((share * z[None, :] - limit * s[:, None]) / rest) if two_sided else 0.0
        inside *= (upper - lower) ** list(shares).count(share)
    return min(1.0, max(0.0, float(s_weights @ inside @ z_weights)))


def sigma_factors(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """What the estimated sigma of `n` values is to be multiplied by for its confidence limits.

    Source: sqrt(df / chi2 quantile), exact for normal values.
    """
    from scipy.special import chdtri

    df, tail = n - 1, (1 - confidence) / 2
    return math.sqrt(df / float(chdtri(df, tail))), math.sqrt(df / float(chdtri(df, 1 - tail)))


def bisect(rises: Any, low: float, high: float) -> float:
    """Where a rising function of one number crosses zero, to the last bits of a float."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if rises(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
