"""The protocol's statistics: cases worked by hand, then what must hold for all numbers."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.stats import SampleError, Summary, cohens_d, effect_size, percent_change, summarize

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


def test_percent_change_is_of_the_baselines_size() -> None:
    assert percent_change(4.0, 3.0) == -25.0
    assert percent_change(-4.0, -3.0) == 25.0
    assert percent_change(0.0, 1.0) is None
