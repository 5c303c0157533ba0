"""Operating characteristics: published numbers, other integrators, and seeded simulation."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from seedproof.model.rules import Rules
from seedproof.stats.power import (
    at_least_one_winner,
    protocol_power,
    seeds_for_power,
    smallest_detectable_effect,
)
from seedproof.stats.seed_correlation import false_winner

RULES = Rules(winner_sigma=2.0)  # the numbers below are of 2 sigma
TEN = Rules(baseline_seeds=(42, 137, 256, 512, 1024, 1, 2, 3, 4, 5))
ONE_LOOK = Rules(winner_sigma=2.0, extra_seeds=())
ONE_MORE = Rules(winner_sigma=2.0, extra_seeds=(512,))
KEEN = Rules(winner_sigma=0.7, suggestive_sigma=0.5)
FEW = Rules(baseline_seeds=(42, 137, 512))
FRESH = Rules(baseline_seeds=(1, 2, 3, 4))
EVERY = [RULES, TEN, ONE_LOOK, ONE_MORE, KEEN, FEW, FRESH]
DRAWS = 60_000


def simulate(
    effect: float, rules: Rules, correlation: float = 0.0, draws: int = DRAWS
) -> dict[str, NDArray[np.float64]]:
    """Draws of the rule: improvement in estimated sigmas at the decision, and the number of runs."""
    rng = np.random.default_rng(20240607)
    seeds = rules.experiment_seeds + rules.extra_seeds
    base = rng.standard_normal((draws, len(rules.baseline_seeds)))
    exp = rng.standard_normal((draws, len(seeds)))
    for place, seed in enumerate(seeds):
        if seed in rules.baseline_seeds:
            shared = correlation * base[:, rules.baseline_seeds.index(seed)]
            exp[:, place] = shared + math.sqrt(1 - correlation**2) * exp[:, place]
    n, sigma = len(rules.experiment_seeds), base.std(axis=1, ddof=1)
    first, last = ((exp[:, :k].mean(axis=1) + effect - base.mean(axis=1)) / sigma for k in (n, len(seeds)))
    goes_on = (np.abs(first) < rules.winner_sigma) & bool(rules.extra_seeds)
    return {"distance": np.where(goes_on, last, first), "runs": np.where(goes_on, len(seeds), n)}


def close(p: float, seen: NDArray[np.bool_]) -> bool:
    """Whether a share of the draws lies within 4.5 standard errors of p."""
    return bool(abs(seen.mean() - p) < 4.5 * math.sqrt(p * (1 - p) / seen.size) + 1e-5)


@pytest.mark.parametrize(
    ("effect", "p_winner"),
    [(0.0, 0.0305), (0.5, 0.0950), (1.0, 0.2235), (1.5, 0.4113), (2.0, 0.6175), (3.0, 0.9049), (4.0, 0.9888)],
)
def test_the_rule_finds_an_effect_as_often_as_the_issue_says(effect: float, p_winner: float) -> None:
    assert protocol_power(effect, RULES.sizes).p_winner == pytest.approx(p_winner, abs=5e-5)


def test_the_expected_runs_of_the_default_rules() -> None:
    assert protocol_power(0.0, RULES.sizes).expected_runs == pytest.approx(4.90, abs=5e-3)
    assert protocol_power(2.0, RULES.sizes).expected_runs == pytest.approx(3.89, abs=5e-3)
    assert protocol_power(0.0, RULES.sizes).p_loser == protocol_power(0.0, RULES.sizes).p_winner


# Nested adaptive scipy.integrate.quad over sigma and the first look's distance (epsrel 1e-13).
@pytest.mark.parametrize(
    ("effect", "rules", "p_winner"),
    [
        (0.0, RULES, 0.0304513980638),
        (2.0, RULES, 0.6175011857181),
        (1.0, Rules(baseline_seeds=tuple(range(10)), winner_sigma=1.5), 0.3220379655389),
        (0.0, Rules(winner_sigma=2.0, baseline_seeds=(1, 2, 3), extra_seeds=(512,)), 0.0772426873042),
    ],
)
def test_another_integrator_finds_the_same_ten_digits(effect: float, rules: Rules, p_winner: float) -> None:
    assert protocol_power(effect, rules.sizes).p_winner == pytest.approx(p_winner, rel=1e-10)


def test_a_single_look_is_a_noncentral_t() -> None:
    # X - M >= 2 S with 3 and 5 seeds: t = 2 / sqrt(8/15) with 4 degrees of freedom.
    expected = float(special.stdtr(4, -2 / math.sqrt(8 / 15)))
    assert protocol_power(0.0, ONE_LOOK.sizes).p_winner == pytest.approx(expected, rel=1e-11)
    assert protocol_power(0.0, ONE_LOOK.sizes).expected_runs == 3


@pytest.mark.parametrize("rules", EVERY)
@pytest.mark.parametrize("effect", [0.0, 1.2])
def test_draws_agree_with_the_quadrature(effect: float, rules: Rules) -> None:
    drawn, point = simulate(effect, rules), protocol_power(effect, rules.sizes)
    assert close(point.p_winner, drawn["distance"] >= rules.winner_sigma)
    assert close(point.p_loser, drawn["distance"] <= -rules.winner_sigma)
    assert drawn["runs"].mean() == pytest.approx(point.expected_runs, abs=0.01)


def test_the_smallest_effect_that_is_found_in_four_of_five() -> None:
    found = smallest_detectable_effect(0.8, RULES.sizes)
    assert found == pytest.approx(2.53, abs=5e-3)
    for rules in EVERY:
        assert protocol_power(smallest_detectable_effect(0.8, rules.sizes), rules.sizes).p_winner == pytest.approx(
            0.8, rel=1e-10
        )
    for power in (0.01, 1.0):
        with pytest.raises(ValueError):
            smallest_detectable_effect(power, RULES.sizes)


def test_a_campaign_of_fifty_null_ideas_has_a_winner_in_a_quarter_of_cases() -> None:
    assert at_least_one_winner(50, RULES.sizes) == pytest.approx(0.26, abs=5e-3)
    assert at_least_one_winner(0, RULES.sizes) == 0


@pytest.mark.parametrize("rules", EVERY)
def test_a_campaign_of_one_is_the_rule_itself(rules: Rules) -> None:
    assert at_least_one_winner(1, rules.sizes) == pytest.approx(protocol_power(0.0, rules.sizes).p_winner, rel=1e-10)
    campaign = [at_least_one_winner(k, rules.sizes) for k in (1, 2, 10, 100, 1000)]
    assert campaign == sorted(campaign) and campaign[-1] <= 1


def test_drawn_campaigns_agree_with_the_quadrature() -> None:
    rng, k = np.random.default_rng(7), 10
    base = rng.standard_normal((40_000, 1, 5))
    exp = rng.standard_normal((40_000, k, 5))
    mean, limit = base.mean(axis=2), 2 * base.std(axis=2, ddof=1)
    first, last = exp[:, :, :3].mean(axis=2) - mean, exp.mean(axis=2) - mean
    winner = (first >= limit) | ((np.abs(first) < limit) & (last >= limit))
    assert close(at_least_one_winner(k, RULES.sizes), winner.any(axis=1))


def test_listing_experiments_never_imports_scipy() -> None:
    program = """
import sys
from seedproof.stats.power import at_least_one_winner, protocol_power, smallest_detectable_effect
from seedproof.stats.distributions import sigma_nodes
from seedproof.model.rules import Rules
assert "numpy" not in sys.modules
sizes = Rules().sizes
sigma_nodes(4), protocol_power(0.0, sizes), smallest_detectable_effect(0.8, sizes), at_least_one_winner(9, sizes)
assert "numpy" in sys.modules
assert not [name for name in sys.modules if name.partition(".")[0] == "scipy"]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# --- seeds that move both arms together -------------------------------------------------------


@pytest.mark.parametrize("correlation", [0.6, 0.9])
def test_the_constants_of_the_default_rules_are_what_draws_give(correlation: float) -> None:
    sizes, draws = Rules().sizes, 1_000_000
    p, drawn = false_winner(correlation, sizes), simulate(0.0, Rules(), correlation, draws)
    assert (drawn["distance"] >= 2).mean() == pytest.approx(p, abs=2.5 * math.sqrt(p / draws))
    # Other rules are drawn: a threshold with another last digit has nearly the same probability.
    other = false_winner(correlation, replace(sizes, threshold=2 + 1e-9))
    assert other != p and other == pytest.approx(p, abs=4 * math.sqrt(p / 100_000))


@pytest.mark.parametrize("rules", EVERY)
def test_without_correlation_the_seeds_are_independent(rules: Rules) -> None:
    p = protocol_power(0.0, rules.sizes).p_winner
    assert false_winner(0.0, rules.sizes) == pytest.approx(p, abs=4 * math.sqrt(p / 60_000))


@pytest.mark.parametrize("rules", EVERY)
@pytest.mark.parametrize("correlation", [-0.5, 0.6, 0.95])
def test_draws_by_seed_agree_with_those_by_number_of_shared_seeds(correlation: float, rules: Rules) -> None:
    p = (simulate(0.0, rules, correlation)["distance"] >= rules.winner_sigma).mean()
    assert false_winner(correlation, rules.sizes) == pytest.approx(p, abs=5 * math.sqrt(p / DRAWS) + 1e-4)


def test_a_correlation_lies_between_minus_one_and_one() -> None:
    assert 0 <= false_winner(1.0, RULES.sizes) < 1e-6
    assert false_winner(0.7, FRESH.sizes) == pytest.approx(false_winner(0.0, FRESH.sizes))
    for wrong in (1.01, math.nan):
        with pytest.raises(ValueError):
            false_winner(wrong, RULES.sizes)


# --- how many seeds are needed ----------------------------------------------------------------


# Cohen 1988, table 2.4.1 (alpha two-sided .05): 64, 26 and 17 for d = .5, .8 and 1 at power .80; the others
# are statsmodels 0.15, TTestIndPower().solve_power, rounded up (393.41, 8.06, 5.09, 85.03, 26.99).
@pytest.mark.parametrize(
    ("effect", "power", "n"),
    [
        (0.5, 0.8, 64),
        (0.8, 0.8, 26),
        (1.0, 0.8, 17),
        (0.2, 0.8, 394),
        (1.5, 0.8, 9),
        (2.0, 0.8, 6),
        (0.5, 0.9, 86),
        (1.0, 0.95, 27),
    ],
)
def test_the_seeds_for_a_power_are_the_tabled_ones(effect: float, power: float, n: int) -> None:
    assert seeds_for_power(effect, power) == n


def test_no_number_of_seeds_finds_nothing() -> None:
    assert seeds_for_power(0.0) is None
    assert seeds_for_power(0.01) is None
    assert seeds_for_power(50.0) == 2
    for wrong in (0.01, 1.0):
        with pytest.raises(ValueError):
            seeds_for_power(1.0, wrong)
