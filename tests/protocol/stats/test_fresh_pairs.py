"""Tests on fresh pairs: worked by hand with printed tables first, then what must hold for any numbers."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from seedproof.stats.fresh_pairs import (
    CONFIRM_P,
    EARLIER_P,
    OTHER_SPREAD_P,
    PairTest,
    decide_stage,
    has_other_spread,
    paired_gain,
    pooled_gain,
)
from seedproof.stats.summary import Summary, summarize

# Student's t from printed tables, one-sided .98, and .70 at 4 degrees of freedom.
T_98 = {4: 2.999, 5: 2.757, 6: 2.612, 10: 2.359, 12: 2.303}
T_70_DF_4 = 0.569
# F(.95) from printed tables: 2 and 4, and 4 and 4 degrees of freedom.
F_95 = {(3, 5): 6.944, (5, 5): 6.388}


def summary(n: int, std: float) -> Summary:
    """An arm of two or more values with this standard deviation."""
    half = std * math.sqrt((n - 1) / 2)
    return summarize([100.0 - half, 100.0 + half, *[100.0] * (n - 2)])


def known(found: PairTest | None) -> PairTest:
    assert found is not None
    return found


# --- by hand ------------------------------------------------------------------------------------


def test_three_pairs_pool_the_spread_of_both_fresh_sides() -> None:
    # Sums of squares 2 and 2 over 2 + 2 degrees: s = 1; the error is sqrt(2 / 3).
    found = known(pooled_gain([100.0, 102.0, 101.0], [97.0, 99.0, 98.0], -1))
    assert (found.pairs, found.df, found.std) == (3, 4, pytest.approx(1))
    assert (found.gain, found.error) == (pytest.approx(3), pytest.approx(math.sqrt(2 / 3)))
    assert found.p == pytest.approx(float(stats.t.sf(3 / math.sqrt(2 / 3), 4)), rel=1e-12)


def test_six_pairs_leave_ten_degrees_of_freedom() -> None:
    found = known(pooled_gain([1.0, 2, 3, 1, 2, 3], [4.0, 5, 6, 4, 5, 6], 1))
    assert (found.pairs, found.df) == (6, 10)
    # Sums of squares 4 and 4 over 10 degrees.
    assert (found.gain, found.std) == (pytest.approx(3), pytest.approx(math.sqrt(0.8)))
    assert found.error == pytest.approx(math.sqrt(0.8) * math.sqrt(2 / 6))


def test_the_spread_of_the_experiment_adds_its_degrees_and_not_its_mean() -> None:
    control, experiment = [100.0, 102.0, 101.0], [97.0, 99.0, 98.0]
    # Two sums of squares of 2, and one of 8 with 2 degrees: 12 over 6.
    for mean in (0.0, 500.0):
        found = known(pooled_gain(control, experiment, -1, [summarize([mean - 2, mean, mean + 2])]))
        assert (found.gain, found.df, found.std) == (pytest.approx(3), 6, pytest.approx(math.sqrt(2)))


@pytest.mark.parametrize("df", T_98)
def test_what_confirms_is_the_t_of_printed_tables(df: int) -> None:
    error = 0.5
    found = PairTest(3, 1.0, 1.0, df, error, 0.01)
    assert found.least_gain(CONFIRM_P) == pytest.approx(T_98[df] * error, abs=5e-4 * error)


@pytest.mark.parametrize("n", [3, 6])
@pytest.mark.parametrize(("share", "state"), [(1.001, "confirmed"), (0.999, "not_confirmed")])
def test_a_thousandth_of_the_gain_that_confirms_decides(n: int, share: float, state: str) -> None:
    control = [100.0, 102.0, 101.0, 100.0, 102.0, 101.0][:n]
    equal = known(pooled_gain(control, control, -1))
    gain = share * equal.least_gain(CONFIRM_P)
    p = known(pooled_gain(control, [value - gain for value in control], -1)).p
    assert decide_stage(p, CONFIRM_P, may_confirm=True, is_last=True) == state


@pytest.mark.parametrize(("share", "state"), [(1.002, "continue"), (0.998, "not_confirmed")])
def test_three_pairs_end_it_below_t_of_point_569(share: float, state: str) -> None:
    control = [100.0, 102.0, 101.0]  # with an equal other side s = 1
    gain = share * T_70_DF_4 * math.sqrt(2 / 3)
    p = known(pooled_gain(control, [value - gain for value in control], -1)).p
    assert decide_stage(p, CONFIRM_P, may_confirm=True, is_last=False) == state


def test_the_differences_of_the_pairs_are_tested_where_the_pairs_count() -> None:
    # Gains 1, 2 and 3: mean 2, standard deviation 1, two degrees of freedom.
    found = known(paired_gain([10.0, 20.0, 30.0], [9.0, 18.0, 27.0], -1))
    assert (found.pairs, found.gain, found.std, found.df) == (3, pytest.approx(2), pytest.approx(1), 2)
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.p == pytest.approx(float(stats.t.sf(2 * math.sqrt(3), 2)), rel=1e-12)


@pytest.mark.parametrize(
    ("p", "limit", "may_confirm", "is_last", "state"),
    [
        (0.02, CONFIRM_P, True, False, "confirmed"),
        (0.02 + 9e-10, CONFIRM_P, True, False, "confirmed"),
        (0.02 + 2e-9, CONFIRM_P, True, False, "continue"),
        (0.02 + 2e-9, CONFIRM_P, True, True, "not_confirmed"),
        (0.30, CONFIRM_P, True, False, "continue"),
        (0.30 + 9e-10, CONFIRM_P, True, False, "continue"),
        (0.30 + 2e-9, CONFIRM_P, True, False, "not_confirmed"),
        (1e-9, OTHER_SPREAD_P, False, False, "continue"),
        (0.31, OTHER_SPREAD_P, False, False, "not_confirmed"),
        (0.002, OTHER_SPREAD_P, True, True, "confirmed"),
        (0.002 + 2e-9, OTHER_SPREAD_P, True, True, "not_confirmed"),
        (0.10, EARLIER_P, True, True, "confirmed"),
    ],
)
def test_a_limit_within_a_billionth_counts_as_reached(
    p: float, limit: float, may_confirm: bool, is_last: bool, state: str
) -> None:
    assert decide_stage(p, limit, may_confirm=may_confirm, is_last=is_last) == state


@pytest.mark.parametrize("seeds", F_95)
@pytest.mark.parametrize(("share", "is_other"), [(1.001, True), (0.999, False)])
def test_another_spread_begins_at_the_root_of_printed_f(seeds: tuple[int, int], share: float, is_other: bool) -> None:
    n_experiment, n_baseline = seeds
    limit = math.sqrt(F_95[seeds])
    assert limit == pytest.approx({3: 2.64, 5: 2.53}[n_experiment], abs=0.005)
    assert has_other_spread(summary(n_baseline, 0.5), summary(n_experiment, share * limit * 0.5)) is is_other


def test_a_smaller_spread_and_an_unknown_one_are_no_other_spread() -> None:
    assert not has_other_spread(summary(5, 1.0), summary(3, 0.01))
    assert not has_other_spread(summary(5, 0.0), summary(3, 1.0))
    assert not has_other_spread(summary(5, 1.0), summarize([4.0]))


# --- coarse steps -------------------------------------------------------------------------------


def test_equal_values_are_as_good_as_the_step_in_which_they_are_printed() -> None:
    # A value printed with step h lies within h / 2: standard deviation h / sqrt(12), of a difference h / sqrt(6).
    pooled = known(pooled_gain([4.1] * 3, [4.0] * 3, -1, step=0.1))
    assert (pooled.std, pooled.error) == (pytest.approx(0.1 / 12**0.5), pytest.approx(0.1 / 12**0.5 * (2 / 3) ** 0.5))
    pairs = known(paired_gain([4.1] * 6, [4.0] * 6, -1, step=0.1))
    assert (pairs.std, pairs.error) == (pytest.approx(0.1 / 6**0.5), pytest.approx(0.1 / 6))


def test_a_spread_above_the_step_is_the_values_own() -> None:
    control, experiment = [100.0, 102.0, 101.0], [97.0, 99.0, 98.0]
    assert pooled_gain(control, experiment, -1, step=0.01) == pooled_gain(control, experiment, -1)
    assert paired_gain(control, [97.0, 98.0, 98.5], -1, 0.01) == paired_gain(control, [97.0, 98.0, 98.5], -1)


def test_equal_values_whose_step_is_not_known_cannot_be_tested() -> None:
    assert pooled_gain([4.0] * 3, [3.0] * 3, -1) is None
    assert pooled_gain([4.0] * 3, [3.0] * 3, -1, [summarize([2.0, 2.0, 2.0])]) is None
    assert paired_gain([4.0, 5.0, 6.0], [3.0, 4.0, 5.0], -1) is None
    assert paired_gain([4.0], [3.0], -1, 0.1) is None


# --- for any numbers ----------------------------------------------------------------------------

whole = st.lists(st.integers(-100, 100).map(float), min_size=6, max_size=6)
sides = st.tuples(whole, whole)
Sides = tuple[list[float], list[float]]


def both(control: Sequence[float], experiment: Sequence[float], sign: int, step: float) -> list[PairTest | None]:
    own = [summarize([1.0, 2.0, 4.0])]
    return [pooled_gain(control, experiment, sign, own, step), paired_gain(control, experiment, sign, step)]


def assert_alike(found: Sequence[PairTest | None], other: Sequence[PairTest | None], scale: float = 1.0) -> None:
    for one, two in zip(map(known, found), map(known, other), strict=True):
        assert (two.pairs, two.df, two.p) == (one.pairs, one.df, pytest.approx(one.p, rel=1e-6, abs=1e-12))
        assert two.gain == pytest.approx(scale * one.gain, abs=1e-9)
        assert two.error == pytest.approx(scale * one.error)


@given(sides, st.integers(-1000, 1000))
def test_a_shift_of_every_value_changes_nothing(found: Sides, shift: int) -> None:
    control, experiment = found
    moved = [[value + shift for value in side] for side in found]
    assert_alike(both(control, experiment, -1, 1.0), both(moved[0], moved[1], -1, 1.0))


@given(sides, st.sampled_from([0.125, 3.0, 1024.0]))
def test_a_scale_of_every_value_scales_gain_and_error_and_leaves_p(found: Sides, scale: float) -> None:
    control, experiment = found
    own, scaled = summarize([1.0, 2.0, 4.0]), summarize([scale * value for value in (1.0, 2.0, 4.0)])
    larger = [[scale * value for value in side] for side in found]
    assert_alike([pooled_gain(control, experiment, 1, [own])], [pooled_gain(larger[0], larger[1], 1, [scaled])], scale)
    assert_alike([paired_gain(control, experiment, 1, 1.0)], [paired_gain(larger[0], larger[1], 1, scale)], scale)


@given(sides, st.permutations(range(6)), st.permutations(range(6)))
def test_the_order_of_the_pairs_does_not_matter_and_pooling_does_not_know_the_pairs(
    found: Sides, order: list[int], other: list[int]
) -> None:
    control, experiment = found
    shuffled = [control[place] for place in order]
    by_pair = [experiment[place] for place in order]
    assert_alike(both(control, experiment, -1, 1.0), both(shuffled, by_pair, -1, 1.0))
    unpaired = [experiment[place] for place in other]
    assert_alike([pooled_gain(control, experiment, -1, (), 1.0)], [pooled_gain(shuffled, unpaired, -1, (), 1.0)])


@given(sides)
def test_turning_every_value_and_the_direction_changes_nothing(found: Sides) -> None:
    control, experiment = found
    turned = [[-value for value in side] for side in found]
    assert_alike(both(control, experiment, -1, 1.0), both(turned[0], turned[1], 1, 1.0))


@given(sides)
def test_exchanging_the_sides_turns_the_gain_and_the_tail(found: Sides) -> None:
    control, experiment = found
    for here, there in zip(both(control, experiment, -1, 1.0), both(experiment, control, -1, 1.0), strict=True):
        assert known(there).gain == pytest.approx(-known(here).gain)
        assert known(there).p == pytest.approx(1 - known(here).p, abs=1e-12)


@given(sides)
def test_scipy_says_the_same(found: Sides) -> None:
    control, experiment = found
    if len(set(control)) == 1 or len(set(experiment)) == 1:
        return
    expected = stats.ttest_ind(experiment, control, alternative="greater")
    assert known(pooled_gain(control, experiment, 1)).p == pytest.approx(float(expected.pvalue), rel=1e-9)
    if len({after - before for before, after in zip(control, experiment, strict=True)}) > 1:
        related = stats.ttest_rel(experiment, control, alternative="greater")
        assert known(paired_gain(control, experiment, 1)).p == pytest.approx(float(related.pvalue), rel=1e-9)


def test_a_gain_too_large_for_its_spread_has_no_chance_of_being_none() -> None:
    for sign, p in ((1, 0.0), (-1, 1.0)):
        assert known(pooled_gain([0.0, 0.0, 1e-200], [1e150] * 3, sign)).p == p
        assert known(paired_gain([0.0, 0.0, 1e-200], [1e149] * 3, sign, step=1e-200)).p == p
