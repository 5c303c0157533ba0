"""The sequential design: its p, its decisions, and how often it errs."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from seedproof.model.rules import Rules
from seedproof.stats.power import protocol_power
from seedproof.stats.sequential import FUTILITY_P, Decision, decide, look_p, sequential_alpha, sequential_power
from seedproof.stats.summary import PriorVariance, SampleError

RULES = Rules(winner_sigma=2.0)  # the numbers below are of 2 sigma
DESIGNS = [
    (RULES, 0),
    (RULES, 8),
    (Rules(extra_seeds=()), 0),
    (Rules(extra_seeds=(512,)), 0),
    (Rules(extra_seeds=(512, 1024, 7)), 3),
    (Rules(baseline_seeds=(1, 2, 3)), 0),
    (Rules(baseline_seeds=tuple(range(10))), 40),
    (Rules(winner_sigma=0.2, suggestive_sigma=0.1), 0),
]
DRAWS = 60_000


def simulate(effect: float, rules: Rules, prior_df: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """Draws of WINNER and LOSER, and the mean number of runs."""
    alpha, rng = sequential_alpha(rules.sizes, prior_df), np.random.default_rng(5)
    n, first, extra = len(rules.baseline_seeds), len(rules.experiment_seeds), len(rules.extra_seeds)
    base, exp = rng.standard_normal((DRAWS, n)), rng.standard_normal((DRAWS, first + extra)) + effect
    prior = rng.chisquare(prior_df, DRAWS) if prior_df else np.zeros(DRAWS)

    def p(k: int) -> NDArray[np.float64]:
        df = n + k - 2 + prior_df
        variance = (n * base.var(axis=1) + k * exp[:, :k].var(axis=1) + prior) / df
        t = (exp[:, :k].mean(axis=1) - base.mean(axis=1)) / np.sqrt(variance * (1 / n + 1 / k))
        return np.asarray(special.stdtr(df, -t))

    early, late = p(first), p(first + extra)
    wins, loses = early <= alpha, 1 - early <= alpha
    goes_on = ~wins & ~loses & (early <= FUTILITY_P) & (extra > 0)
    runs = first + extra * float(goes_on.mean())
    return wins | (goes_on & (late <= alpha)), loses | (goes_on & (1 - late <= alpha)), runs


def close(p: float, seen: NDArray[np.bool_]) -> bool:
    """Whether a share of the draws lies within 4.5 standard errors of p."""
    return bool(abs(seen.mean() - p) < 4.5 * math.sqrt(p * (1 - p) / seen.size) + 1e-5)


def test_a_look_by_hand() -> None:
    # Means 2 and 4, sums of squares 2 and 2, df 4: t = 2 / sqrt(1 x 2/3).
    expected = float(special.stdtr(4, -2 / math.sqrt(2 / 3)))
    assert look_p([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], 1) == pytest.approx(expected, rel=1e-12)
    assert look_p([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], -1) == pytest.approx(1 - expected, rel=1e-12)


def test_a_look_is_half_of_students_two_sided_p() -> None:
    base, exp = [3.9021, 3.8917, 3.9104, 3.8966, 3.9050], [3.8702, 3.8811, 3.8655]
    assert look_p(base, exp, -1) == pytest.approx(stats.ttest_ind(exp, base).pvalue / 2, rel=1e-12)


def test_earlier_arms_add_their_squares_and_their_degrees_of_freedom() -> None:
    # Sums of squares 2 + 2 + 12 over df 4 + 4: variance 2, t = 2 / sqrt(2 x 2/3).
    found = look_p([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], 1, PriorVariance(12.0, 4))
    assert found == pytest.approx(float(special.stdtr(8, -2 / math.sqrt(4 / 3))), rel=1e-12)
    # They are the only spread where both arms have one value.
    assert look_p([1.0], [1.0], 1, PriorVariance(12.0, 4)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("base", "exp"),
    [([1.0], [2.0]), ([1.0, 1.0], [2.0, 2.0]), ([], [1.0, 2.0]), ([1.0, 2.0], []), ([1.0, math.nan], [1.0, 2.0])],
)
def test_a_look_without_spread_is_refused(base: list[float], exp: list[float]) -> None:
    with pytest.raises(SampleError):
        look_p(base, exp, 1)


@pytest.mark.parametrize(("squares", "df"), [(-1.0, 3), (math.nan, 3), (math.inf, 3), (1.0, -1), (1.0, 0)])
def test_a_prior_that_no_arm_can_have_is_refused(squares: float, df: int) -> None:
    with pytest.raises(SampleError):
        PriorVariance(squares, df)


@pytest.mark.parametrize(
    ("p_better", "is_last", "decision"),
    [
        (0.02, False, "WINNER"),
        (0.02, True, "WINNER"),
        (0.0200001, False, "continue"),
        (0.0200001, True, "NEUTRAL"),
        (FUTILITY_P, False, "continue"),
        (0.3000001, False, "NEUTRAL"),
        (0.5, True, "NEUTRAL"),
        (0.98, False, "LOSER"),
        (1.0, True, "LOSER"),
        (0.0, False, "WINNER"),
    ],
)
def test_a_tie_counts_as_reached(p_better: float, is_last: bool, decision: Decision) -> None:
    assert decide(p_better, is_last, 0.02) == decision


def test_the_level_of_the_default_rules() -> None:
    assert sequential_alpha(RULES.sizes) == pytest.approx(0.0199, abs=5e-5)


@pytest.mark.parametrize(("rules", "prior_df"), DESIGNS)
def test_a_false_winner_is_as_frequent_as_under_the_protocols_rule(rules: Rules, prior_df: int) -> None:
    target = protocol_power(0.0, rules.sizes).p_winner
    assert sequential_power(0.0, rules.sizes, prior_df).p_winner == pytest.approx(target, rel=1e-9)
    wins, loses, runs = simulate(0.0, rules, prior_df)
    point = sequential_power(0.0, rules.sizes, prior_df)
    assert close(target, wins) and close(point.p_loser, loses)
    assert runs == pytest.approx(point.expected_runs, rel=6e-3)


@pytest.mark.parametrize(("rules", "prior_df"), DESIGNS)
@pytest.mark.parametrize("effect", [1.3, -0.7])
def test_draws_agree_with_the_quadrature(effect: float, rules: Rules, prior_df: int) -> None:
    wins, loses, runs = simulate(effect, rules, prior_df)
    point = sequential_power(effect, rules.sizes, prior_df)
    assert close(point.p_winner, wins) and close(point.p_loser, loses)
    assert runs == pytest.approx(point.expected_runs, rel=5e-3)


def test_without_extra_seeds_it_is_students_test() -> None:
    rules = Rules(extra_seeds=())
    assert sequential_alpha(rules.sizes) == pytest.approx(protocol_power(0.0, rules.sizes).p_winner, rel=1e-12)
    assert sequential_power(1.0, rules.sizes).expected_runs == 3


def test_it_finds_more_with_fewer_runs_and_more_still_with_the_ledgers_variance() -> None:
    plain, pooled, rule = (
        sequential_power(2.0, RULES.sizes),
        sequential_power(2.0, RULES.sizes, 30),
        protocol_power(2.0, RULES.sizes),
    )
    assert rule.p_winner < plain.p_winner < pooled.p_winner
    assert sequential_power(0.0, RULES.sizes).expected_runs < protocol_power(0.0, RULES.sizes).expected_runs
    # Far out everything is found at the first look, and nothing at the other side.
    far = sequential_power(30.0, RULES.sizes)
    assert (far.p_winner, far.p_loser, far.expected_runs) == pytest.approx((1, 0, 3), abs=1e-9)
