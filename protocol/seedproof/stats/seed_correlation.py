"""How often the protocol's rule errs when the same seed moves baseline and experiment together."""

import math
from functools import lru_cache

from seedproof.stats.power import Sizes

__all__ = ["false_winner"]

# P(WINNER) of the default rules by correlation, from a quadrature over the baseline's residuals to seven digits;
# tests/protocol/stats/test_power.py draws both again.
_DEFAULT = Sizes(threshold=2.0, baseline=5, first=3, all=5, first_shared=3, all_shared=5)
_OF_DEFAULT = {0.6: 0.009616695, 0.9: 0.001016265}
# A share of 1 % then has a standard error of 0.03 % with ten seeds in all, and a draw takes less than 0.1 s.
_NUMBERS = 1_000_000
_SEED = 19540601


@lru_cache(maxsize=256)
def false_winner(correlation: float, sizes: Sizes) -> float:
    """P(WINNER) without effect, when a seed that both arms have moves both together with this correlation.

    An experiment's run at a baseline seed is rho b + sqrt(1 - rho^2) z, with b that seed's baseline run.
    Source: the default rules' by quadrature; those of other rules are seeded draws with normal noise.

    Raises:
        ValueError: The correlation does not lie between -1 and 1.
    """
    if not -1 <= correlation <= 1:
        raise ValueError("a correlation lies between -1 and 1")
    if sizes == _DEFAULT and correlation in _OF_DEFAULT:
        return _OF_DEFAULT[correlation]
    import numpy as np

    rng = np.random.default_rng(_SEED)
    draws = max(1000, _NUMBERS // (sizes.baseline + sizes.all))
    base = rng.standard_normal((draws, sizes.baseline))
    exp = rng.standard_normal((draws, sizes.all))
    # The shared seeds come first among those of the first look, and first among the others.
    later = sizes.all_shared - sizes.first_shared
    shared = [*range(sizes.first_shared), *range(sizes.first, sizes.first + later)]
    exp[:, shared] = correlation * base[:, : sizes.all_shared] + math.sqrt(1 - correlation**2) * exp[:, shared]
    mean, limit = base.mean(axis=1), sizes.threshold * base.std(axis=1, ddof=1)
    first, last = exp[:, : sizes.first].mean(axis=1) - mean, exp.mean(axis=1) - mean
    return float(((first >= limit) | ((np.abs(first) < limit) & (last >= limit))).mean())
