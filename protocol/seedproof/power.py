"""Operating characteristics of the protocol's rule: how often it errs, and what it can see.

For independent seeds with normal noise, by quadrature. Lengths are in true sigmas of the baseline,
positive where the experiment is better. With M the baseline's mean, S its estimated sigma, and X the
experiment's mean at a look, the rule looks at X - M against winner_sigma x S; S is independent of the
means (Cochran 1934), and the two looks' distances are jointly normal.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seedproof.distributions import bisect, noncentral_t_cdf, panels, sigma_nodes
from seedproof.rules import Rules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "OperatingPoint",
    "at_least_one_winner",
    "protocol_power",
    "seeds_for_power",
    "shrunk_claim",
    "smallest_detectable_effect",
]

_INNER = 48
_MAX_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What the rule does with a true effect."""

    p_winner: float
    """Probability of WINNER."""
    p_loser: float
    """Probability of LOSER."""
    expected_runs: float
    """Mean number of runs of the experiment, the baseline's not counted."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """The joint distribution of the distances at the two looks, given a baseline."""

    threshold: float
    baseline: int
    first: int
    all: int

    @classmethod
    def of(cls, rules: Rules) -> "_Looks":
        first = len(rules.experiment_seeds)
        return cls(rules.winner_sigma, len(rules.baseline_seeds), first, first + len(rules.extra_seeds))

    def better(self, effect: Any, s: "Floats", least: float, extra_variance: float) -> tuple["Floats", "Floats"]:
        """P(WINNER with a distance of at least `least` x s) at the first and at the second look.

        Args:
            effect: True effect in sigmas; an array broadcasts against `s`.
            extra_variance: Variance that both looks share: 1 / n of the baseline, or 0 given its mean.
        """
        import numpy as np
        from scipy.special import ndtr

        first_sd = math.sqrt(1 / self.first + extra_variance)
        at_first = ndtr((effect - least * s) / first_sd)
        if self.all == self.first:
            return at_first, np.zeros_like(at_first)
        both = 1 / self.all + extra_variance
        rest_sd = math.sqrt(both * (1 - both / first_sd**2))
        nodes, weights = panels((-1.0, 1.0), _INNER)
        limit = self.threshold * s[..., None]
        distance = limit * nodes
        offset = np.asarray(effect)[..., None]
        density = np.exp(-(((distance - offset) / first_sd) ** 2) / 2) / (first_sd * math.sqrt(2 * math.pi))
        later = offset + both / first_sd**2 * (distance - offset)
        reached = ndtr((later - least * s[..., None]) / rest_sd)
        return at_first, (density * reached * limit * weights).sum(axis=-1)

    def close(self, effect: float, s: "Floats", extra_variance: float) -> Any:
        """P(the first look is within the threshold)."""
        from scipy.special import ndtr

        sd = math.sqrt(1 / self.first + extra_variance)
        return ndtr((self.threshold * s - effect) / sd) - ndtr((-self.threshold * s - effect) / sd)


@lru_cache(maxsize=256)
def protocol_power(effect_sigma: float, rules: Rules) -> OperatingPoint:
    """What the protocol's rule does with a true effect, exactly, for independent normal seeds.

    Args:
        effect_sigma: True improvement in sigmas of the baseline; negative is worse.
        rules: Seeds and `winner_sigma`; the design is taken to be the protocol's.
    """
    looks = _Looks.of(rules)
    s, weights = sigma_nodes(looks.baseline - 1)
    shared = 1 / looks.baseline
    # LOSER is WINNER seen from the other side.
    wins, losses = (
        float((weights * sum(looks.better(effect, s, looks.threshold, shared))).sum())
        for effect in (effect_sigma, -effect_sigma)
    )
    second = float((weights * looks.close(effect_sigma, s, shared)).sum())
    return OperatingPoint(wins, losses, looks.first + (looks.all - looks.first) * second)


@lru_cache(maxsize=64)
def smallest_detectable_effect(power: float, rules: Rules) -> float:
    """The true improvement, in sigmas, that the rule calls WINNER with this probability.

    Raises:
        ValueError: The power is not between the rule's false-winner probability and 1.
    """
    if not protocol_power(0.0, rules).p_winner < power < 1:
        raise ValueError("the power lies between the probability of a false WINNER and 1")
    return bisect(lambda effect: protocol_power(effect, rules).p_winner - power, 0.0, 100.0 * rules.winner_sigma)


def shrunk_claim(improvement_sigma: float, n: int, rules: Rules) -> float:
    """The effect of a WINNER, in estimated sigmas, freed from the luck of having been selected.

    The median-unbiased estimate given that the rule said WINNER at this look: the effect under which
    half of such winners show a larger improvement. Floored at 0, never above what was seen.
    Source: the conditional median-unbiased estimator of Zhong and Prentice 2008, section 2.

    Args:
        improvement_sigma: Observed distance in estimated sigmas, at least `winner_sigma`.
        n: Seeds of the experiment, which tell the look.
    """
    looks = _Looks.of(rules)
    s, weights = sigma_nodes(looks.baseline - 1)
    shared = 1 / looks.baseline
    place = 0 if n == looks.first else 1

    def share_below(effect: float) -> float:
        larger, winners = (
            float((weights * looks.better(effect, s, least, shared)[place]).sum())
            for least in (improvement_sigma, looks.threshold)
        )
        return larger / winners - 0.5 if winners > 0 else -0.5

    if share_below(0.0) >= 0:
        return 0.0
    return min(improvement_sigma, bisect(share_below, 0.0, 2 * improvement_sigma + 10))


@lru_cache(maxsize=256)
def at_least_one_winner(experiments: int, rules: Rules) -> float:
    """P(one or more WINNERs) when this many experiments without effect share one baseline.

    Given the baseline's mean and sigma the experiments are independent: 1 - (1 - p)^K, averaged.
    """
    import numpy as np

    looks = _Looks.of(rules)
    s, s_weights = sigma_nodes(looks.baseline - 1)
    m, m_weights = panels((-8.5, 0.0, 8.5), _INNER)
    m_weights = m_weights * np.exp(-m * m / 2) / math.sqrt(2 * math.pi)
    effect, wide = np.broadcast_arrays(-m[None, :] / math.sqrt(looks.baseline), s[:, None])
    first, second = looks.better(effect, wide, looks.threshold, 0.0)
    none = np.clip(1 - first - second, 0.0, 1.0) ** experiments
    return float(1 - s_weights @ none @ m_weights)


def seeds_for_power(effect_sigma: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Seeds per arm with which a two-sided t test finds an effect; None above 1,000.

    Source: noncentral t, Cohen 1988, section 2.4.
    """
    from scipy.special import stdtrit

    def found(n: int) -> bool:
        df = 2 * n - 2
        return 1 - noncentral_t_cdf(float(stdtrit(df, 1 - alpha / 2)), df, effect_sigma * math.sqrt(n / 2)) >= power

    if effect_sigma <= 0 or not found(_MAX_SEEDS):
        return None
    low, high = 1, _MAX_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > 1 and found(middle) else (middle, high)
    return high
