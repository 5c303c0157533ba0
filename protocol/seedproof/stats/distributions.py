"""Distributions by deterministic quadrature; numpy and scipy.special load when first needed.

What the operating characteristics need (`normal_cdf`, `normal_band`, `sigma_nodes`) does without scipy,
so that listing experiments never pays for its import.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "f_tail",
    "noncentral_t_cdf",
    "normal_band",
    "normal_cdf",
    "panels",
    "sigma_factors",
    "sigma_nodes",
    "sigma_upper_factor",
    "t_cdf",
    "t_quantile",
    "t_tail",
    "width_panels",
]

# log(1e-24): a tail that small changes no digit, not even of a p value of 1e-14.
_LOG_TAIL = -24 * math.log(10)
_NODES = 96
# Half-width of the step of Phi(t s - delta), in its own standard deviations: Phi(-9) is 1e-19.
_STEP = 9.0
# Beyond each limit of a 95 % interval.
_TAIL = (1 - 0.95) / 2


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtr

    return float(stdtr(df, t))


def t_tail(t: float, df: int) -> float:
    """P(T >= t) of Student's t with a whole number of degrees of freedom, without scipy.

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4: a finite sum for whole numbers.
    """
    angle = math.atan2(t, math.sqrt(df))
    cosine, sine = math.cos(angle), math.sin(angle)
    is_odd = df % 2
    term, total = (cosine, cosine) if is_odd else (1.0, 1.0)
    if df == 1:
        total = 0.0
    for k in range(2 + is_odd, df - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    central = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return min(1.0, max(0.0, (1 - central) / 2))


def f_tail(f: float, df: int, df_below: int) -> float:
    """P(F >= f) of Snedecor's F with whole numbers of degrees of freedom, without scipy.

    Source: Abramowitz and Stegun 1964, 26.6.2 and 26.5.16: the incomplete beta function by recurrence in b.
    """
    x, a = df_below / (df_below + df * f), df_below / 2
    if not 0 < x < 1:
        return x
    # With one degree of freedom F is the square of t, with two the tail is a power.
    b, total = (0.5, 2 * t_tail(math.sqrt(df * f), df_below)) if df % 2 else (1.0, x**a)
    while b < df / 2:
        log_factor = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b + 1)
        total += math.exp(log_factor + a * math.log(x) + b * math.log1p(-x))
        b += 1
    return min(1.0, total)


def t_quantile(p: float, df: float) -> float:
    """The value below which a share `p` of Student's t lies."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


@lru_cache(maxsize=1)
def _erfc() -> Callable[[Any], Any]:
    import numpy as np

    return np.frompyfunc(math.erfc, 1, 1)


def normal_cdf(x: Any) -> "Floats":
    """Phi of each number, by the complementary error function of the C library.

    Source: Abramowitz and Stegun 1964, 26.2.29.
    """
    import numpy as np

    return np.asarray(_erfc()(np.asarray(x) * -math.sqrt(0.5)), dtype=float) / 2


def normal_band(low: Any, high: Any, above: Any, correlation: float) -> "Floats":
    """P(low < X < high and Y > above) of standard normal X and Y with a correlation from 0 to below 1.

    Source: Plackett 1954, the integral over the correlation that Drezner and Wesolowsky 1990 evaluate.
    The angle's distance from a right angle runs on a logarithmic scale, so that a correlation near 1 needs
    only a few nodes more.
    """
    import numpy as np

    least = math.acos(correlation)
    decades = math.log(math.pi / 2 / least)
    x, weights = panels((math.log(least), math.log(math.pi / 2)), 20 + math.ceil(14 * decades))
    angle = np.exp(x)
    weights = weights * angle / (2 * math.pi)
    k = np.asarray(above)[..., None]
    cosine, twice = np.cos(angle), 2 * np.sin(angle) ** 2

    def density(h: Any) -> Any:
        h = np.asarray(h)[..., None]
        return np.exp(-(h * h + k * k - 2 * h * k * cosine) / twice)

    independent = (normal_cdf(high) - normal_cdf(low)) * normal_cdf(-np.asarray(above))
    return np.asarray(independent + (density(low) - density(high)) @ weights)


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple["Floats", "Floats"]:
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(n)
    return nodes, weights


def panels(breaks: Any, n: int = _NODES) -> tuple["Floats", "Floats"]:
    """Nodes and weights of Gauss-Legendre quadrature over consecutive intervals, `n` nodes in each.

    Args:
        breaks: Limits in rising order along the last axis; the results keep the axes before it.
        n: Nodes per interval.
    """
    import numpy as np

    nodes, weights = _legendre(n)
    edges = np.asarray(breaks, dtype=float)
    half = np.diff(edges)[..., None] / 2
    middle = (edges[..., :-1] + edges[..., 1:])[..., None] / 2
    shape = (*edges.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


def width_panels(low: float, high: float, width: float, n: int = 32) -> tuple["Floats", "Floats"]:
    """Nodes and weights over an interval in which the integrand has steps as narrow as `width`.

    Two thirds of `width` between nodes leave an error of about exp(-2 pi^2 1.5^2), 1e-19, for a normal step.
    Source: the trapezoidal rule's error by Poisson summation (Trefethen and Weideman 2014, theorem 5.1).
    """
    import numpy as np

    # The nodes in the middle of a panel are pi / (2 n) of its length apart. 200 panels are a bound on the cost.
    longest = 4 * n / (3 * math.pi) * width
    count = min(200, max(2, math.ceil((high - low) / longest)))
    return panels(np.linspace(low, high, count + 1), n)


def _sigma_range(df: float) -> tuple[float, float]:
    """Where sqrt(chi2_df / df) lies but for a share of 1e-24 on either side.

    Source: Chernoff's bound exp(-df (x^2 - 1 - 2 log x) / 2) (Dasgupta and Gupta 2003, lemma 2.2). The bracket is
    at least (x - 1)^2 above 1; below 1 it is at least 2 (x - 1)^2 and at least -1 - 2 log x.
    """
    decay = -_LOG_TAIL / df
    low = max(math.exp(-decay - 1 / 2), 1 - math.sqrt(decay))
    return low, 1 + math.sqrt(2 * decay)


def _sigma_density(s: Any, df: float) -> Any:
    """Density of sqrt(chi2_df / df), the estimated over the true standard deviation."""
    import numpy as np

    constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    return np.exp(constant + (df - 1) * np.log(s) - df * s * s / 2)


@lru_cache(maxsize=64)
def sigma_nodes(df: float, width: float = 1.0, n: int = _NODES) -> tuple["Floats", "Floats"]:
    """Nodes s and weights of the estimated over the true standard deviation, sqrt(chi2_df / df).

    Args:
        df: Degrees of freedom of the estimate.
        width: Width of the narrowest step of what is to be averaged.
        n: Nodes per panel.
    """
    low, high = _sigma_range(df)
    s, weights = width_panels(low, high, min(width, 1 / math.sqrt(2 * df)), n)
    return s, weights * _sigma_density(s, df)


def noncentral_t_cdf(t: float, df: float, delta: float) -> float:
    """P(T <= t) of the noncentral t: the mean of Phi(t s - delta) over s = sqrt(chi2_df / df).

    Source: Johnson, Kotz and Balakrishnan 1995, eq. 31.15. By Gauss-Legendre, because
    scipy.stats.nct.cdf returns nan in some tails.
    """
    from scipy.special import ndtr

    low, high = _sigma_range(df)
    breaks = [low, (low + high) / 2, high]
    # A t near 0 makes a step far wider than the range, which needs no breaks (and would overflow).
    if abs(t) > 1e-3:
        breaks += [delta / t + share * _STEP / abs(t) for share in (-1, -0.3, 0, 0.3, 1)]
    inside = sorted({min(max(point, low), high) for point in breaks})
    s, weights = panels(inside)
    return min(1.0, max(0.0, float((weights * _sigma_density(s, df) * ndtr(t * s - delta)).sum())))


def sigma_factors(n: int) -> tuple[float, float]:
    """What the estimated sigma of `n` values is to be multiplied by for its two-sided 95 % confidence limits.

    Source: sqrt(df / chi2 quantile), exact for normal values (Fisher 1925).
    """
    return sigma_upper_factor(n, _TAIL), sigma_upper_factor(n, 1 - _TAIL)


def sigma_upper_factor(n: int, confidence: float = 0.8) -> float:
    """What the estimated sigma of `n` values is to be multiplied by for its one-sided upper limit.

    Source: as for `sigma_factors`; for planning the size of a study, Browne 1995.
    """
    from scipy.special import chdtri

    if n < 2 or not 0 < confidence < 1:
        raise ValueError("sigma's limits need two values and a confidence between 0 and 1")
    # chdtri takes the share above: few sigmas are estimated far too small.
    return math.sqrt((n - 1) / float(chdtri(n - 1, confidence)))
