"""Flags that say the same in other words."""

import pytest
from seedproof.phases.twins import say_the_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--tag=a"], ["--tag", "a"]),
        (["--a", "1", "--b"], ["--b", "--a=1"]),
        (["--lr", ".01"], ["--lr", "1e-2"]),
        (["--lr", "0.10"], ["--lr", "0.1"]),
        (["--learning_rate", "1"], ["--Learning-Rate", "1"]),
        (["--learning_r", "1"], ["--learning_rate", "1"]),
        (["-r0.01"], ["-r", "0.01"]),
        (["--no-bias"], ["--bias", "false"]),
        (["--bias"], ["--bias", "True"]),
        (["--lr", "9", "--lr", "1"], ["--lr", "1"]),
        (["--opts", "lr=0.10", "wd=1"], ["--opts", "wd=1.0", "lr=.1"]),
    ],
)
def test_flags_in_other_words_say_the_same_both_ways(one: list[str], other: list[str]) -> None:
    assert say_the_same(one, other)
    assert say_the_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], []),
        (["--lr", "0.1"], ["--lr", "0.11"]),
        (["--lr", "0.1"], ["--learning_rate", "0.1"]),
        (["--muon"], ["--muon", "--lr", "1"]),
        (["--bias"], ["--no-bias"]),
        (["--opt", "adam"], ["--opt", "Adam"]),
        (["-a", "1"], ["--alpha", "1"]),
    ],
)
def test_other_flags_do_not(one: list[str], other: list[str]) -> None:
    assert not say_the_same(one, other)
    assert not say_the_same(other, one)
