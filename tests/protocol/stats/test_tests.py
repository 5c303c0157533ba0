"""The protocol's statistics: cases worked by hand, then what must hold for all numbers."""

import math
import statistics
from dataclasses import astuple
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from seedproof.stats.summary import SampleError, Summary, cohens_d, effect_size, percent_change, reaches, summarize
from seedproof.stats.tests import holm, paired, welch

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)
arms = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=2, max_size=8)


def test_five_values_by_hand() -> None:
    assert summarize([3.0, 3.0, 4.0, 5.0, 5.0]) == Summary(5, 4.0, 1.0, 3.0, 5.0)


def test_one_value_has_no_spread_to_speak_of() -> None:
    assert summarize([4.25]) == Summary(1, 4.25, None, 4.25, 4.25)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_no_number_comes_from_nothing(bad: list[float]) -> None:
    with pytest.raises(SampleError):
        summarize(bad)


@given(values)
def test_a_summary_agrees_with_exact_arithmetic(numbers: list[float]) -> None:
    found = summarize(numbers)
    assert found.min <= found.mean <= found.max
    assert found.mean == pytest.approx(statistics.fmean(numbers), rel=1e-12, abs=1e-9)
    if len(numbers) > 1:
        assert found.std == pytest.approx(statistics.stdev(numbers), rel=1e-9, abs=1e-9)


@given(values, st.randoms())
def test_the_order_of_the_values_does_not_matter(numbers: list[float], rng: object) -> None:
    shuffled = sorted(numbers)
    assert summarize(shuffled).mean == pytest.approx(summarize(numbers).mean, rel=1e-12, abs=1e-9)


def test_extreme_values_neither_overflow_nor_vanish() -> None:
    assert summarize([1e300, -1e300]).std == pytest.approx(math.sqrt(2) * 1e300)
    assert summarize([1e-300, -1e-300]).std == pytest.approx(math.sqrt(2) * 1e-300)


def test_cohens_d_by_hand() -> None:
    # Means 3 and 1; variances 2.5 and 1, so the pooled sigma is sqrt(1.75).
    assert cohens_d([1, 2, 3, 4, 5], [0, 1, 2]) == pytest.approx(-2 / math.sqrt(1.75), rel=1e-14)


def test_cohens_d_of_one_value_or_no_spread_is_not_known() -> None:
    assert cohens_d([1.0, 2.0], [3.0]) is None
    assert cohens_d([1.0, 1.0], [2.0, 2.0]) is None


@given(arms, arms, st.floats(0.1, 10), st.floats(-100, 100))
def test_cohens_d_does_not_depend_on_unit_or_origin(
    base: list[float], exp: list[float], scale: float, shift: float
) -> None:
    d = cohens_d(base, exp)
    moved = cohens_d([scale * value + shift for value in base], [scale * value + shift for value in exp])
    if d is not None and moved is not None and abs(d) < 1e3:
        assert moved == pytest.approx(d, rel=1e-4, abs=1e-6)


@given(arms, arms)
def test_cohens_d_turns_its_sign_with_the_arms(base: list[float], exp: list[float]) -> None:
    d, other = cohens_d(base, exp), cohens_d(exp, base)
    assert other == (None if d is None else pytest.approx(-d))


@pytest.mark.parametrize(
    ("d", "size"),
    [
        (0, "negligible"),
        (-0.199, "negligible"),
        (0.2, "small"),
        (-0.5, "medium"),
        (0.799, "medium"),
        (0.8, "large"),
        (-9, "large"),
    ],
)
def test_the_classes_begin_at_their_limits(d: float, size: str) -> None:
    assert effect_size(d) == size


def test_a_tie_reaches_the_threshold_even_where_rounding_has_split_it() -> None:
    assert (0.3 - 0.1) / 0.1 < 2
    assert reaches((0.3 - 0.1) / 0.1, 2)
    assert not reaches(2 - 1e-8, 2)
    assert not reaches(math.nan, 2)


def test_percent_change_is_of_the_baselines_size() -> None:
    assert percent_change(4.0, 3.0) == -25.0
    assert percent_change(-4.0, -3.0) == 25.0
    assert percent_change(0.0, 1.0) is None


# --- tests and intervals ----------------------------------------------------------------------

# Student 1908, table of the hours of sleep gained with two drugs by ten patients (R's `sleep`).
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
LOSS = ([3.9021, 3.8917, 3.9104, 3.8966, 3.9050], [3.8702, 3.8811, 3.8655])
TWO = ([1.0, 2.0], [5.0, 9.0])
UNEQUAL = ([10.1, 10.4, 9.7, 10.0, 9.9, 10.2, 10.3], [12.0, 19.5, 8.1])
TINY = ([1e-200, 3e-200, 2e-200], [4e-200, 7e-200, 5e-200])
FAR = ([1.0, 2.0, 3.0, 4.0, 5.0], [58.0, 59.5, 60.9])
Pair = tuple[list[float], list[float]]
Case = tuple[Pair, tuple[float, ...]]

# t, df, p, difference, low, high. Made with mpmath 1.4 at 30 digits: the textbook formulas, the regularised
# incomplete beta function for p, and its root for the limits.
WELCH: list[Case] = [
    (
        LOSS,
        (
            -5.1146752705937,
            3.9817562120013,
            0.006996995425732,
            -0.028893333333333,
            -0.044606143188966,
            -0.0131805234777,
        ),
    ),
    (TWO, (2.6678918753997, 1.124513618677, 0.20544915073089, 5.5, -14.743378906989, 25.743378906989)),
    (
        UNEQUAL,
        (0.93064150582717, 2.0029674244859, 0.45016054425378, 3.1142857142857, -11.263628846635, 17.492200275207),
    ),
    (
        TINY,
        (
            3.1622776601684,
            3.448275862069,
            0.041914517471454,
            3.3333333333333e-200,
            2.1244938143774e-201,
            6.4542172852289e-200,
        ),
    ),
    (FAR, (51.522930777759, 4.6797567534556, 1.255360722351e-7, 56.466666666667, 53.590446292556, 59.342887040777)),
]


def test_welch_finds_what_was_published_for_students_sleep() -> None:
    # R 4: t.test(extra ~ group, data = sleep).
    found = welch(SLEEP_1, SLEEP_2)
    assert (found.t, found.df, found.p_value) == pytest.approx((1.8608, 17.776, 0.07939), rel=1e-4)
    assert (found.low, found.high) == pytest.approx((-0.2054832, 3.3654832), rel=1e-6)


def test_the_paired_test_finds_what_was_published_for_students_sleep() -> None:
    found = paired(dict(enumerate(SLEEP_1)), dict(enumerate(SLEEP_2)))
    assert (found.t, found.df, found.p_value) == pytest.approx((4.0621, 9, 0.002833), rel=2e-4)
    assert (found.low, found.high, found.n) == pytest.approx((0.7001142, 2.4598858, 10), rel=1e-7)
    assert found.correlation == pytest.approx(0.7951702, rel=1e-6)


@pytest.mark.parametrize(("arms", "expected"), WELCH)
def test_welch_agrees_to_ten_digits(arms: Pair, expected: tuple[float, ...]) -> None:
    assert astuple(welch(*arms)) == pytest.approx(expected, rel=1e-10, abs=0)


def test_two_pairs_are_enough_and_a_seed_of_one_arm_is_left_out() -> None:
    # Differences 1 and 3: mean 2, standard error 1; t(.975, 1) = 12.7062047362.
    found = paired({1: 0.0, 2: 5.0, 9: 7.0}, {2: 8.0, 1: 1.0, 8: 0.0})
    assert (found.n, found.t, found.df, found.correlation) == (2, 2.0, 1, 1.0)
    assert found.low == pytest.approx(2 - 12.706204736174698, rel=1e-10)
    assert found.p_value == pytest.approx(1 - 2 * math.atan(2) / math.pi, rel=1e-10)


def test_an_arm_without_spread_has_no_correlation() -> None:
    assert paired({1: 1.0, 2: 1.0}, {1: 2.0, 2: 4.0}).correlation is None


@pytest.mark.parametrize(
    ("base", "exp"),
    [
        ([], [1.0, 2.0]),
        ([1.0], [1.0, 2.0]),
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0, 2.0], [math.inf, 2.0]),
        ([1.0, 1.0], [2.0, 2.0]),
        ([1e308, -1e308], [1.7e308, -1.7e308]),
        ([1.0, 1.0 + 2**-52], [1e300, 1e300]),
    ],
)
def test_two_arms_that_cannot_be_compared_are_refused_by_name(base: list[float], exp: list[float]) -> None:
    with pytest.raises(SampleError):
        welch(base, exp)
    with pytest.raises(SampleError):
        paired(dict(enumerate(base)), dict(enumerate(exp)))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-8, 1e8, 1e160, 1e300])
def test_the_unit_does_not_matter_however_small_or_large(scale: float) -> None:
    arms = ([1.0, 2.0, 4.0], [3.0, 5.0, 4.5])
    scaled = ([value * scale for value in arms[0]], [value * scale for value in arms[1]])
    found, unscaled = welch(*scaled), welch(*arms)
    assert (found.t, found.df, found.p_value) == pytest.approx((unscaled.t, unscaled.df, unscaled.p_value))


def test_equal_differences_and_single_common_seeds_are_refused() -> None:
    with pytest.raises(SampleError, match="do not vary"):
        paired({1: 0.1, 2: 0.2, 3: 0.3}, {1: 0.2, 2: 0.3, 3: 0.4})
    with pytest.raises(SampleError, match="1 seeds in common"):
        paired({1: 1.0, 2: 2.0}, {2: 1.0, 3: 5.0})


def test_what_is_not_a_number_has_neither_size_nor_percentage() -> None:
    with pytest.raises(SampleError):
        effect_size(math.nan)
    with pytest.raises(SampleError):
        percent_change(1.0, math.nan)
    assert percent_change(1e-300, 1e300) is None
    with pytest.raises(SampleError):
        summarize([1.7e308, -1.7e308])


decimals = st.lists(st.integers(-9999, 9999).map(lambda value: value / 100), min_size=2, max_size=8)


def _spread_out(*arms: list[float]) -> bool:
    return all(max(arm) - min(arm) > 0.5 for arm in arms)


@given(decimals, decimals, st.integers(-1000, 1000), st.sampled_from([0.25, 2.0, 1024.0]), st.randoms())
def test_tests_do_not_depend_on_origin_unit_or_order(
    base: list[float], exp: list[float], shift: int, scale: float, rng: Random
) -> None:
    assume(_spread_out(base, exp))
    moved = tuple([scale * (value + shift) for value in rng.sample(arm, len(arm))] for arm in (base, exp))
    one, other = welch(base, exp), welch(moved[0], moved[1])
    assert (other.t, other.df, other.p_value) == pytest.approx((one.t, one.df, one.p_value), rel=1e-6, abs=1e-9)
    assert (other.low, other.high) == pytest.approx((scale * one.low, scale * one.high), rel=1e-6, abs=1e-6)


@given(decimals, decimals)
def test_tests_turn_their_sign_with_the_arms(base: list[float], exp: list[float]) -> None:
    assume(_spread_out(base, exp))
    one, other = welch(base, exp), welch(exp, base)
    assert (other.t, other.low, other.high) == pytest.approx((-one.t, -one.high, -one.low), rel=1e-9, abs=1e-9)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
    assert (one.p_value < 0.05) == (one.low > 0 or one.high < 0)


# --- many experiments -------------------------------------------------------------------------


def test_holms_adjustment_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2, 0.04]) == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.2, 0.12])
    assert holm([]) == []
    assert holm([1.0, 1.0]) == [1.0, 1.0]


def test_holm_rejects_three_of_fifteen_published_p_values() -> None:
    # The p values of Benjamini and Hochberg 1995, section 4.1.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(q <= 0.05 for q in holm(p)) == 3


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [math.nan]])
def test_what_is_no_p_value_is_refused(bad: list[float]) -> None:
    with pytest.raises(SampleError):
        holm(bad)


@given(st.lists(st.floats(0, 1), max_size=12), st.randoms())
def test_adjusted_values_keep_the_order_and_never_fall(p: list[float], rng: Random) -> None:
    adjusted = holm(p)
    assert all(raw <= least <= 1 for raw, least in zip(p, adjusted, strict=True))
    places = rng.sample(range(len(p)), len(p))
    assert holm([p[place] for place in places]) == [adjusted[place] for place in places]
