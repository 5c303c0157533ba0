"""When two lists of flags are the same, near, or different ideas."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.notices.declarations import likeness


@pytest.mark.parametrize(
    ("flags", "earlier"),
    [
        (["--lr", "0.01"], ["--lr=0.01"]),
        (["--a", "1", "--b", "2"], ["--b", "2", "--a", "1"]),
        (["--muon"], ["--muon"]),
    ],
)
def test_another_spelling_of_the_same_list_is_the_same(flags: Sequence[str], earlier: Sequence[str]) -> None:
    assert likeness(flags, earlier) == "same"


@pytest.mark.parametrize(
    ("flags", "earlier"),
    [
        (["--lr", "0.012"], ["--lr", "0.01"]),  # exactly 20 %
        (["--lr", "0.008"], ["--lr", "0.01"]),
        (["--lr", "1e-2"], ["--lr", "0.01"]),
        (["--lr=0.011", "--opt", "muon"], ["--opt=muon", "--lr", "0.01"]),
        (["--muon-lr", "0.01"], ["--muon_lr", "0.01"]),
        (["--betas", "0.9,0.95"], ["--betas", "0.9,0.99"]),
        (["--betas", "0.9", "0.95"], ["--betas", "0.91", "0.95"]),
        (["--set", "lr=0.011"], ["--set", "lr=0.01"]),
        (["--shift", "-0.11"], ["--shift", "-0.1"]),
    ],
)
def test_the_same_options_with_all_numbers_within_a_fifth_are_near(
    flags: Sequence[str], earlier: Sequence[str]
) -> None:
    assert likeness(flags, earlier) == "near"


@pytest.mark.parametrize(
    ("flags", "earlier"),
    [
        (["--lr", "0.0121"], ["--lr", "0.01"]),
        (["--lr", "0.02"], ["--lr", "0.01"]),
        (["--lr", "0.01", "--wd", "1"], ["--lr", "0.01", "--wd", "2"]),
        (["--lr", "0.01"], ["--wd", "0.01"]),
        (["--lr", "0.01", "--muon"], ["--lr", "0.01"]),
        (["--opt", "muon"], ["--opt", "adam"]),
        (["--lr", "0.0001"], ["--lr", "0"]),
        (["--lr", "-0.01"], ["--lr", "0.01"]),
        (["--lr", "nan"], ["--lr", "inf"]),
        (["--betas", "0.9,0.95"], ["--betas", "0.9"]),
        (["--set", "lr=0.01"], ["--set", "wd=0.01"]),
        ([], []),
        (["--lr", "1"], []),
    ],
)
def test_everything_else_is_another_idea(flags: Sequence[str], earlier: Sequence[str]) -> None:
    assert likeness(flags, earlier) is None


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_near_is_measured_by_the_earlier_value(new: float, old: float) -> None:
    found = likeness(["--lr", f"{new:.12f}"], ["--lr", f"{old:.12f}"])
    distance, limit = abs(new - old), 0.2 * abs(old)
    if distance < limit * (1 - 1e-6) - 1e-9:
        assert found in ("near", "same")
    elif distance > limit * (1 + 1e-6) + 1e-9:
        assert found is None
