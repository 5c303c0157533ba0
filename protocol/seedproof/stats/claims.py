"""What may be claimed: effects freed from selection, seeds that a claim needs, classes that chance makes."""

import math
from functools import lru_cache

from seedproof.model.rules import Rules
from seedproof.stats.distributions import angle_nodes, bisect, noncentral_t_cdf, t_quantile
from seedproof.stats.power import Looks

__all__ = ["class_share_under_no_effect", "seeds_for_power", "shrunk_claim"]

_MAX_SEEDS = 1000
# Where the classes of |d| begin (seedproof.stats.tests.effect_size; Cohen 1988, section 2.2.3).
_CLASSES = (("negligible", 0.0), ("small", 0.2), ("medium", 0.5), ("large", 0.8))


@lru_cache(maxsize=256)
def shrunk_claim(improvement_sigma: float, rules: Rules) -> float:
    """The effect of a WINNER, in sigmas, freed from the luck of having been selected.

    The median-unbiased estimate given WINNER: the effect under which half of all winners, of either look, end
    with a larger improvement. Floored at 0, never above what was seen. The look is not conditioned on: at the
    second one a larger effect makes a larger improvement *less* likely, because it would have ended the first.
    Source: conditional median-unbiased estimation after selection, Andrews, Kitagawa and McCloskey 2024
    (Inference on Winners, Quarterly Journal of Economics 139); the statistic is the distance in estimated sigmas.

    Args:
        improvement_sigma: Observed distance in estimated sigmas, at least `winner_sigma`.
        rules: Seeds and `winner_sigma`.

    Raises:
        ValueError: The distance is not one of a WINNER.
    """
    looks = Looks.of(rules)
    # A WINNER by a tie (within 1e-9) may lie a last bit below the threshold.
    if not looks.threshold - 1e-6 <= improvement_sigma < math.inf:
        raise ValueError("a claim is shrunk only after a WINNER")
    seen = max(improvement_sigma, looks.threshold)
    s, weights = looks.sigma_nodes

    def share_above(effect: float) -> float:
        larger, winners = (
            float(weights @ sum(looks.winners(effect, s, least, 1 / looks.baseline)))
            for least in (seen, looks.threshold)
        )
        return larger / winners - 0.5

    if share_above(0.0) >= 0:
        return 0.0
    if share_above(improvement_sigma) <= 0:
        return improvement_sigma
    return bisect(share_above, 0.0, improvement_sigma, 1e-12)


@lru_cache(maxsize=256)
def seeds_for_power(effect_sigma: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Seeds per arm with which a two-sided t test finds an effect in its direction; None above 1,000.

    Source: noncentral t, Cohen 1988, section 2.4 and table 2.4.1.

    Raises:
        ValueError: The power does not lie between alpha and 1.
    """
    if not 0 < alpha < power < 1:
        raise ValueError("alpha lies above 0, and the power between alpha and 1")

    def found(n: int) -> bool:
        df = 2 * n - 2
        limit = t_quantile(1 - alpha / 2, df)
        return 1 - noncentral_t_cdf(limit, df, effect_sigma * math.sqrt(n / 2)) >= power

    if not effect_sigma > 0 or not found(_MAX_SEEDS):
        return None
    low, high = 1, _MAX_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


@lru_cache(maxsize=64)
def class_share_under_no_effect(n_baseline: int, n_experiment: int) -> dict[str, float]:
    """How often each class of the protocol's Cohen's d appears when nothing differs and noise is normal.

    With equal true sigmas the sum of squares of both arms is chi-squared and independent of the share B of
    the baseline in it, which is Beta(df_b / 2, df_e / 2); given B, d is a multiple of Student's t.
    Source: Cochran 1934; the class limits are Cohen's 1988.

    Raises:
        ValueError: An arm has fewer than two runs, so that it has no standard deviation.
    """
    import numpy as np
    from scipy.special import stdtr

    df_b, df_e = n_baseline - 1, n_experiment - 1
    if min(df_b, df_e) < 1:
        raise ValueError("d needs two runs in each arm")
    angle, weights = angle_nodes(df_e - 1, df_b - 1)
    df = df_b + df_e
    share = np.sin(angle) ** 2
    # d = t x unit / sqrt(mean of the two variances over their pooled one).
    ratio = (df * (share / df_b + (1 - share) / df_e) / 2) ** 0.5
    unit = math.sqrt(1 / n_baseline + 1 / n_experiment)
    above = [min(1.0, float(weights @ (2 * stdtr(df, -limit * ratio / unit)))) for _, limit in _CLASSES]
    above[0] = 1.0
    return {name: here - beyond for (name, _), here, beyond in zip(_CLASSES, above, [*above[1:], 0.0], strict=True)}
