"""Dixon's test for one outlier, against a simulation."""

import math

import pytest
from seedproof.stats.coincidence import agreement_chance, share_step
from seedproof.stats.outliers import DIXON_Q, find_outlier

SAMPLES = 400_000


@pytest.mark.parametrize("n", DIXON_Q)
def test_noise_exceeds_the_limit_in_at_most_one_of_two_hundred_samples(n: int) -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.sort(numpy.random.default_rng(n).standard_normal((SAMPLES, n)), axis=1)
    gaps = numpy.maximum(values[:, 1] - values[:, 0], values[:, -1] - values[:, -2])
    share = (gaps / (values[:, -1] - values[:, 0]) >= DIXON_Q[n]).mean()
    assert share == pytest.approx(0.005, abs=4 * math.sqrt(0.005 / SAMPLES) + 0.0002)


def test_the_far_end_is_found_on_either_side_and_a_tie_with_the_limit_counts() -> None:
    values = dict(zip("abcde", (0.0, 0.0, 0.0, 0.141, 1.0), strict=True))
    found = find_outlier(values)
    assert found is not None and (found.key, found.q, found.limit) == ("e", 0.859, 0.859)
    mirrored = find_outlier({key: -value for key, value in values.items()})
    assert mirrored is not None and mirrored.key == "e"


def test_few_equal_or_rounded_values_have_no_outlier() -> None:
    assert find_outlier({"a": 0.0, "b": 0.0, "c": 0.0, "d": 9.0}) is None
    assert find_outlier(dict.fromkeys("abcde", 1.0)) is None
    ones = {**dict.fromkeys("abcd", 0.91), "e": 0.92}
    assert find_outlier(ones) is not None
    assert find_outlier(ones, step=0.01) is None


@pytest.mark.parametrize(("step", "n"), [(0.1, 2), (0.5, 3), (0.5, 5)])
def test_equal_values_by_chance_are_as_frequent_as_simulated(step: float, n: int) -> None:
    numpy = pytest.importorskip("numpy")
    shown = numpy.round(numpy.random.default_rng(n).standard_normal((SAMPLES, n)) / step)
    share = (shown == shown[:, :1]).all(axis=1).mean()
    assert share == pytest.approx(agreement_chance(step, 1.0, n), rel=0.1)


def test_what_is_not_known_is_no_agreement() -> None:
    assert agreement_chance(0.0, 1.0, 3) == agreement_chance(0.1, 0.0, 3) == agreement_chance(9.0, 1.0, 3) == 1.0


@pytest.mark.parametrize(
    ("texts", "step"),
    [
        (("0.9200", "0.9400", "0.9267", "0.9467"), 1 / 150),
        (("0.915", "0.905", "0.890"), 0.005),
        (("92.00", "94.00", "92.67"), 100 / 150),
        (("4.0123", "3.9871", "4.0042", "3.9934"), 0.0001),
        (("461.2", "480.7", "473.3"), 0.1),
    ],
)
def test_shares_of_a_number_of_cases_have_a_coarser_step(texts: tuple[str, ...], step: float) -> None:
    printed = 10.0 ** -len(texts[0].partition(".")[2])
    assert share_step([float(text) for text in texts], printed) == pytest.approx(step)
