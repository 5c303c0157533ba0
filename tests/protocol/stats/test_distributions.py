"""Distributions by quadrature: published values, scipy where it is right, and limits that are known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats
from seedproof.stats.distributions import (
    f_tail,
    noncentral_t_cdf,
    normal_band,
    normal_cdf,
    sigma_factors,
    sigma_nodes,
    sigma_upper_factor,
    t_quantile,
    t_tail,
)


def test_the_normal_distribution_needs_no_scipy_and_has_all_digits() -> None:
    x = np.linspace(-30, 9, 500)
    assert normal_cdf(x) == pytest.approx(special.ndtr(x), rel=1e-13, abs=1e-300)


# Nested quadrature of the density with mpmath 1.4 at 25 digits gives the same to 3e-16 on a grid of 320 points.
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.775, 0.95, 0.9999])
@pytest.mark.parametrize(("low", "high", "above"), [(-2, 2, 2.1), (-0.5, 0.5, -1.0), (-7, 6, 0.0), (1.0, 1.5, 1.2)])
def test_a_band_of_two_correlated_normals(low: float, high: float, above: float, correlation: float) -> None:
    rest = math.sqrt(1 - correlation**2)

    def density(x: float) -> float:
        return float(stats.norm.pdf(x) * special.ndtr((correlation * x - above) / rest))

    step = min(max(above, low), high)
    breaks = sorted({low, max(low, step - 8 * rest), step, min(high, step + 8 * rest), high})
    pieces = [integrate.quad(density, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(breaks)]
    assert float(normal_band(low, high, above, correlation)) == pytest.approx(sum(pieces), abs=1e-12)


@pytest.mark.parametrize("df", [1, 2, 4, 9, 99, 999])
def test_the_nodes_of_sigma_carry_its_moments(df: int) -> None:
    s, weights = sigma_nodes(df)
    mean = math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
    assert (weights.sum(), (weights * s * s).sum(), (weights * s).sum()) == pytest.approx((1, 1, mean), rel=1e-11)


# One-sided critical values of Student's t: Pearson and Hartley 1966, table 12.
@pytest.mark.parametrize(
    ("df", "p", "t"),
    [
        (1, 0.25, 1.0),
        (1, 0.05, 6.3138),
        (2, 0.10, 1.8856),
        (3, 0.025, 3.1824),
        (4, 0.01, 3.7469),
        (4, 0.05, 2.1318),
        (5, 0.005, 4.0321),
        (6, 0.25, 0.7176),
        (8, 0.025, 2.3060),
        (10, 0.05, 1.8125),
        (30, 0.01, 2.4573),
        (120, 0.05, 1.6577),
    ],
)
def test_the_tail_of_students_t_is_that_of_the_printed_tables(df: int, p: float, t: float) -> None:
    assert t_tail(t, df) == pytest.approx(p, abs=2e-5)
    assert t_tail(-t, df) == pytest.approx(1 - p, abs=2e-5)


@given(st.floats(-1e9, 1e9) | st.floats(-1e-4, 1e-4), st.integers(1, 400))
def test_the_tail_of_students_t_agrees_with_scipy(t: float, df: int) -> None:
    # Within 2e-6 of 0, scipy's stdtr is off by up to 3e-9; the density is level there.
    expected = 0.5 - t * stats.t.pdf(0.0, df) if abs(t) < 1e-5 else special.stdtr(df, -t)
    assert t_tail(t, df) == pytest.approx(float(expected), abs=1e-11)


@pytest.mark.parametrize("df", [1, 2, 7, 8])
def test_the_tail_of_students_t_has_its_limits_and_its_symmetry(df: int) -> None:
    assert (t_tail(0.0, df), t_tail(math.inf, df), t_tail(-math.inf, df)) == (0.5, 0.0, 1.0)
    assert t_tail(1.3, df) + t_tail(-1.3, df) == pytest.approx(1, abs=1e-15)
    assert t_tail(t_quantile(0.98, df), df) == pytest.approx(0.02, abs=1e-12)


@pytest.mark.parametrize("df", [2, 6, 40])
@pytest.mark.parametrize("t", [-3.0, 0.0, 0.5, 2.0, 6.0])
@pytest.mark.parametrize("delta", [-1.0, 0.0, 2.0, 5.0])
def test_the_noncentral_t_agrees_with_scipy_where_that_is_sound(t: float, df: int, delta: float) -> None:
    expected = stats.nct.cdf(t, df, delta) if delta else special.stdtr(df, t)
    assert noncentral_t_cdf(t, df, delta) == pytest.approx(float(expected), abs=2e-11)


@pytest.mark.parametrize("t", [0.0, 1e-320, -1e-12, 50.0, 1e6, -1e100, 1e149])
@pytest.mark.parametrize("df", [2, 6, 2000])
def test_the_noncentral_t_is_a_probability_in_every_tail(t: float, df: int) -> None:
    found = [noncentral_t_cdf(t, df, delta) for delta in (t - 4, t, t + 4, -30.0, 30.0)]
    assert all(0 <= p <= 1 for p in found)
    assert noncentral_t_cdf(0.0, df, 1.5) == pytest.approx(float(special.ndtr(-1.5)), rel=1e-11)


def test_sigmas_limits_for_five_seeds() -> None:
    # Chi-squared with 4 df, tabled: 0.4844, 11.1433, and 1.6488 for the lower fifth.
    assert sigma_factors(5) == pytest.approx((math.sqrt(4 / 11.143286781877796), math.sqrt(4 / 0.4844185570879299)))
    assert [round(factor, 2) for factor in sigma_factors(5)] == [0.6, 2.87]
    assert sigma_upper_factor(5) == pytest.approx(1.55757542255663, rel=1e-10)
    assert sigma_upper_factor(2, 0.975) == pytest.approx(sigma_factors(2)[1])
    for wrong in (1, 0):
        with pytest.raises(ValueError):
            sigma_factors(wrong)
    with pytest.raises(ValueError):
        sigma_upper_factor(5, 1.0)


# Upper 5 % points of F: Pearson and Hartley 1966, table 18.
@pytest.mark.parametrize(
    ("df", "df_below", "f"),
    [(1, 4, 7.71), (2, 4, 6.94), (3, 4, 6.59), (4, 4, 6.39), (5, 10, 3.33), (7, 3, 8.89), (9, 9, 3.18), (2, 9, 4.26)],
)
def test_the_tail_of_f_is_that_of_the_printed_tables(df: int, df_below: int, f: float) -> None:
    assert f_tail(f, df, df_below) == pytest.approx(0.05, abs=3e-4)


# A ratio of spreads is never as small as a float's last bit, at which 1 + f is 1.
@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e-3, 1e6))
def test_the_tail_of_f_is_scipys(df: int, df_below: int, f: float) -> None:
    assert f_tail(f, df, df_below) == pytest.approx(float(special.fdtrc(df, df_below, f)), abs=1e-12)


def test_the_tail_of_f_has_ends_and_many_degrees_of_freedom() -> None:
    assert (f_tail(0.0, 2, 4), f_tail(math.inf, 2, 4), f_tail(1e300, 3, 4)) == (1.0, 0.0, 0.0)
    assert f_tail(1.1, 3000, 5000) == pytest.approx(float(special.fdtrc(3000, 5000, 1.1)), abs=1e-9)
