"""The screening design, and the sequential one of earlier ledgers: looks, decisions, and how often they err."""

import itertools
import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats
from seedproof.model.rules import Rules
from seedproof.stats.power import Sizes, protocol_power
from seedproof.stats.screening import (
    WINNER_P,
    Decision,
    Stage,
    look_p,
    screening_effect,
    screening_power,
    stages,
)
from seedproof.stats.summary import SampleError

SIZES = Rules(design="screening").sizes
FIVE = stages("screening", 3, 5)
STUDIES = 200_000
"""Behind each share."""


def four_errors(share: float, studies: int = STUDIES) -> float:
    """Four standard errors of a share."""
    return 4 * math.sqrt(share * (1 - share) / studies)


# --- the p of a look ------------------------------------------------------------------------------


def test_a_look_by_hand() -> None:
    # Means 2 and 4, sums of squares 2 and 2, df 4: t = 2 / sqrt(1 x 2/3).
    expected = float(special.stdtr(4, -2 / math.sqrt(2 / 3)))
    assert look_p([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], 1) == pytest.approx(expected, rel=1e-12)
    assert look_p([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], -1) == pytest.approx(1 - expected, rel=1e-12)


def test_one_seed_is_tested_with_the_spread_of_the_baseline_alone() -> None:
    # Mean 4, sigma 1, df 4: t = 2 / sqrt(1 + 1/5).
    base = (3.0, 3.0, 4.0, 5.0, 5.0)
    assert look_p(base, [2.0], -1) == pytest.approx(float(special.stdtr(4, -2 / math.sqrt(1.2))), rel=1e-12)
    assert look_p(base, [4.0], -1) == 0.5


def test_a_look_is_half_of_students_two_sided_p() -> None:
    base, exp = [3.9021, 3.8917, 3.9104, 3.8966, 3.9050], [3.8702, 3.8811, 3.8655]
    assert look_p(base, exp, -1) == pytest.approx(stats.ttest_ind(exp, base).pvalue / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("base", "exp"),
    [([1.0], [2.0]), ([1.0, 1.0], [2.0, 2.0]), ([], [1.0, 2.0]), ([1.0, 2.0], []), ([1.0, math.nan], [1.0, 2.0])],
)
def test_a_look_without_spread_is_refused(base: list[float], exp: list[float]) -> None:
    with pytest.raises(SampleError):
        look_p(base, exp, 1)


# --- the looks and their limits -------------------------------------------------------------------


def test_the_looks_are_after_one_two_all_experiment_seeds_and_all_seeds() -> None:
    assert (Stage(1, 0.5), Stage(2, 0.3), Stage(3, 0.2), Stage(5, 0.02)) == FIVE
    assert WINNER_P == 0.02


@pytest.mark.parametrize(
    ("first", "every", "seeds"),
    [(3, 3, (1, 2, 3)), (3, 4, (1, 2, 3, 4)), (3, 10, (1, 2, 3, 10)), (4, 4, (1, 2, 4)), (6, 8, (1, 2, 6, 8))],
)
def test_other_numbers_of_seeds_move_the_last_two_looks_only(first: int, every: int, seeds: tuple[int, ...]) -> None:
    found = stages("screening", first, every)
    assert tuple(one.seeds for one in found) == seeds
    limits = [one.dropped_above for one in found]
    assert limits == [0.5, 0.3, *([0.2] if every > first else []), 0.02]
    assert not any(one.has_losers for one in found)


def test_the_sequential_design_of_earlier_ledgers_goes_on_with_p_point_02_at_both_looks() -> None:
    assert stages("sequential", 3, 5) == (Stage(3, 0.3, has_losers=True), Stage(5, 0.02, has_losers=True))
    assert stages("sequential", 3, 3) == (Stage(3, 0.02, has_losers=True),)


@pytest.mark.parametrize(
    ("seeds", "p", "decision"),
    [
        (1, 1e-9, "continue"),
        (1, 0.5, "continue"),
        (1, 0.5 + 9e-10, "continue"),
        (1, 0.5 + 2e-9, "dropped"),
        (1, 1.0, "dropped"),
        (2, 1e-9, "continue"),
        (2, 0.3, "continue"),
        (2, 0.3 + 9e-10, "continue"),
        (2, 0.3 + 2e-9, "dropped"),
        (3, 0.0, "WINNER"),
        (3, 0.02, "WINNER"),
        (3, 0.02 + 9e-10, "WINNER"),
        (3, 0.02 + 2e-9, "continue"),
        (3, 0.2, "continue"),
        (3, 0.2 + 9e-10, "continue"),
        (3, 0.2 + 2e-9, "dropped"),
        (3, 0.99, "dropped"),
        (5, 0.02, "WINNER"),
        (5, 0.02 + 9e-10, "WINNER"),
        (5, 0.02 + 2e-9, "dropped"),
        (5, 1.0, "dropped"),
    ],
)
def test_a_look_decides_as_the_table_says_and_a_tie_within_a_billionth_counts(
    seeds: int, p: float, decision: Decision
) -> None:
    assert next(one for one in FIVE if one.seeds == seeds).decide(p) == decision


@pytest.mark.parametrize(
    ("seeds", "p", "decision"),
    [
        (3, 0.02, "WINNER"),
        (3, 0.021, "continue"),
        (3, 0.3, "continue"),
        (3, 0.31, "dropped"),
        (3, 0.979, "dropped"),
        (3, 0.98, "LOSER"),
        (5, 0.02, "WINNER"),
        (5, 0.021, "dropped"),
        (5, 0.98, "LOSER"),
    ],
)
def test_a_look_of_the_sequential_design_has_losers(seeds: int, p: float, decision: Decision) -> None:
    found = stages("sequential", 3, 5)
    assert next(one for one in found if one.seeds == seeds).decide(p) == decision


# Critical t of the limits: the baseline has five seeds, so df = 3 + n.
@pytest.mark.parametrize(
    ("seeds", "t", "decisions"),
    [
        (2, 0.559, ("dropped", "continue")),
        (3, 0.906, ("dropped", "continue")),
        (3, 2.612, ("continue", "WINNER")),
        (5, 2.449, ("dropped", "WINNER")),
    ],
)
def test_the_limits_lie_at_the_printed_t(seeds: int, t: float, decisions: tuple[Decision, Decision]) -> None:
    stage = next(one for one in FIVE if one.seeds == seeds)
    found = tuple(stage.decide(float(special.stdtr(3 + seeds, -at))) for at in (t - 1e-3, t + 1e-3))
    assert found == decisions


# --- how often it errs, and what it finds ---------------------------------------------------------


@pytest.mark.parametrize(("effect", "share"), [(0.0, 0.030), (1.0, 0.29), (2.0, 0.77), (3.0, 0.98)])
def test_the_shares_of_winners_are_those_that_are_claimed(effect: float, share: float) -> None:
    found = screening_power(effect, SIZES)
    half_a_digit = 0.0005 if effect == 0 else 0.005
    assert found.p_winner == pytest.approx(share, abs=four_errors(share) + half_a_digit)
    assert found.p_loser == 0.0


def test_runs_are_saved_where_nothing_differs_and_winners_are_as_rare_as_under_the_protocol() -> None:
    null, rule = screening_power(0.0, SIZES), protocol_power(0.0, SIZES)
    assert null.p_winner == pytest.approx(rule.p_winner, abs=four_errors(0.03))
    assert null.expected_runs < rule.expected_runs / 2
    assert screening_power(2.0, SIZES).p_winner > rule.p_winner


def test_the_shares_are_those_of_studies_that_are_decided_one_by_one() -> None:
    """The same rule, look by look through `look_p` and `decide`, on draws of its own."""
    rng, studies, effect = np.random.default_rng(7), 4_000, 1.0
    ends: list[tuple[Decision, int]] = []
    for _ in range(studies):
        base, exp = rng.standard_normal(5), rng.standard_normal(5) + effect
        for stage in FIVE:
            decided = stage.decide(look_p(list(base), list(exp[: stage.seeds]), 1))
            if decided != "continue":
                ends.append((decided, stage.seeds))
                break
    assert len(ends) == studies
    winners, runs = sum(decided == "WINNER" for decided, _ in ends) / studies, sum(n for _, n in ends) / studies
    found = screening_power(effect, SIZES)
    assert winners == pytest.approx(found.p_winner, abs=four_errors(0.29, studies))
    assert runs == pytest.approx(found.expected_runs, abs=4 * 1.7 / math.sqrt(studies))


def test_far_out_everything_is_found_at_three_seeds_and_nothing_at_the_other_side() -> None:
    assert screening_power(30.0, SIZES).p_winner == 1.0
    assert screening_power(30.0, SIZES).expected_runs == 3.0
    far = screening_power(-30.0, SIZES)
    assert (far.p_winner, far.p_loser, far.expected_runs) == (0.0, 0.0, 1.0)
    assert screening_power(-30.0, SIZES, "sequential").p_loser == 1.0


def test_without_extra_seeds_of_the_sequential_design_it_is_students_test() -> None:
    sizes = Rules(extra_seeds=()).sizes
    null = screening_power(0.0, sizes, "sequential")
    assert (null.p_winner, null.p_loser) == pytest.approx((0.02, 0.02), abs=four_errors(0.02))
    assert null.expected_runs == 3.0


def test_the_effect_that_is_found_four_times_in_five_is_found_four_times_in_five() -> None:
    effect = screening_effect(0.8, SIZES)
    assert 2.0 < effect < 2.3
    assert screening_power(effect, SIZES).p_winner == pytest.approx(0.8, abs=0.005)


def test_equal_calls_give_equal_numbers_and_more_seeds_find_more() -> None:
    found = screening_power(1.5, SIZES)
    screening_power.cache_clear()
    assert screening_power(1.5, SIZES) == found
    more = Sizes(2.0, 10, 3, 8, 3, 8)
    assert screening_power(1.5, more).p_winner > found.p_winner


# --- for any numbers ------------------------------------------------------------------------------

numbers = st.integers(-2000, 2000)
baselines = st.lists(numbers, min_size=3, max_size=7).filter(lambda values: len(set(values)) > 1)
experiments = st.lists(numbers, min_size=1, max_size=5)
CLEAR = 1e-6


def decide(base: Sequence[float], exp: Sequence[float], sign: int) -> tuple[Decision, float]:
    """What a look after these seeds says, and its p."""
    stage = next(one for one in FIVE if one.seeds >= len(exp))
    p = look_p(base, exp, sign)
    return stage.decide(p), p


def require_clear(p: float) -> None:
    """Leave out what the last bits of a float could decide."""
    assume(all(abs(p - limit) > CLEAR for limit in (0.02, 0.2, 0.3, 0.5)))


@given(baselines, experiments, st.integers(-100_000, 100_000), st.floats(1e-6, 1e6))
def test_a_shift_and_another_unit_change_no_decision(base: list[int], exp: list[int], shift: int, scale: float) -> None:
    before, p = decide(base, exp, 1)
    require_clear(p)
    for move in (lambda value: value + shift, lambda value: value * scale):
        after, moved_p = decide([move(value) for value in base], [move(value) for value in exp], 1)
        assert after == before
        assert moved_p == pytest.approx(p, abs=1e-7)


@given(baselines, experiments)
def test_the_direction_mirrors_the_p_and_a_negated_metric_is_the_other_direction(
    base: list[int], exp: list[int]
) -> None:
    p = look_p(base, exp, 1)
    assert look_p(base, exp, -1) == pytest.approx(1 - p, abs=1e-12)
    assert look_p([-value for value in base], [-value for value in exp], -1) == pytest.approx(p, abs=1e-12)


@given(baselines, experiments, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_changes_no_p(base: list[int], exp: list[int], random: Random) -> None:
    p = look_p(base, exp, 1)
    turned, other = list(base), list(exp)
    random.shuffle(turned)
    random.shuffle(other)
    assert look_p(turned, other, 1) == pytest.approx(p, abs=1e-12)


@given(baselines, experiments, st.integers(1, 4000))
def test_a_better_arm_has_a_smaller_p_and_is_never_decided_worse(base: list[int], exp: list[int], gain: int) -> None:
    rank = {"dropped": 0, "LOSER": 0, "continue": 1, "WINNER": 2}
    (before, p), (after, better_p) = decide(base, exp, 1), decide(base, [value + gain for value in exp], 1)
    assert better_p <= p + 1e-12
    assert rank[after] >= rank[before]


@given(st.floats(0, 1))
def test_the_limits_only_tighten_from_look_to_look(p: float) -> None:
    said = [one.decide(p) for one in FIVE]
    for one, other in itertools.pairwise(said):
        assert (one, other) != ("dropped", "continue")
    assert "WINNER" not in said[:2]
    assert said[-1] != "continue"
