"""Experiments in which another number takes the place of the run's seed, and what reports say of seeding."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from seedproof.model.arms import Arm
from seedproof.model.rules import Rules
from seedproof.model.seeding import Seeding
from seedproof.verdict.given_seeds import displaced_seed, seeding_lines
from seedproof.verdict.judge import judge

from tests.support.arms import experiment_arm, make_baseline, measured

INJECTED = Rules(command=("python", "train.py", "{flags}"), seed="inject", replace_seed=1337)
BASE = ({"random.Random": 1, "numpy.random.seed": 1}, {"9": ("random.seed",)})
Told = tuple[Mapping[str, int], Mapping[str, tuple[str, ...]]]


def arm_with(*told: Told) -> Arm:
    runs = measured((7.0, 7.1, 6.9))
    return experiment_arm(*(replace(run, seeding=Seeding(*one)) for run, one in zip(runs, told, strict=True)))


def displaced(*told: Told) -> str | None:
    return displaced_seed(arm_with(BASE, BASE, BASE), arm_with(*told))


def test_a_number_in_place_of_the_runs_seed_is_told() -> None:
    other: Told = ({"numpy.random.seed": 1}, {"7": ("random.Random",), "9": ("random.seed",)})
    said = displaced(other, other, other)
    assert said is not None and "random.Random by 7" in said and "numpy.random.seed" not in said


@pytest.mark.parametrize(
    "told",
    [
        BASE,
        ({"numpy.random.seed": 1}, {}),  # does not call it
        ({"numpy.random.seed": 1, "random.Random": 1}, {"7": ("random.Random",)}),  # one more of it
        ({"numpy.random.seed": 1}, {"9": ("random.seed",), "7": ("torch.manual_seed",)}),  # something new
    ],
)
def test_what_an_honest_flag_may_do_is_not(told: Told) -> None:
    assert displaced(told, told, told) is None


def test_one_run_that_has_its_seed_is_enough() -> None:
    other: Told = ({"numpy.random.seed": 1}, {"7": ("random.Random",)})
    assert displaced(other, BASE, other) is None
    assert displaced_seed(experiment_arm(*measured((1.0, 2.0, 3.0))), arm_with(other, other, other)) is None


def test_the_headline_says_it() -> None:
    other: Told = ({"numpy.random.seed": 1}, {"7": ("random.Random",)})
    baseline = make_baseline(rules=INJECTED, seeding=Seeding(*BASE))
    assert judge(baseline, arm_with(other, other, other)).headline.startswith("LOSER (seed not seen to vary the run)")
    assert "seed not seen" not in judge(baseline, arm_with(BASE, BASE, BASE)).headline


def test_reports_name_what_was_replaced_and_what_stayed() -> None:
    base = arm_with(BASE, BASE, BASE)
    line = "Seed replaced in the baseline: numpy.random.seed, random.Random; other numbers stayed: 9 (random.seed)"
    assert list(seeding_lines(base, base)) == [line]
    other: Told = ({"numpy.random.seed": 1}, {str(number): ("x",) for number in range(8)})
    told = (
        "Seed replaced in the experiment: numpy.random.seed; other numbers stayed: 0 (x), 1 (x), 2 (x), 3 (x), 4 (x) "
        "and 3 more"
    )
    assert list(seeding_lines(base, arm_with(other, other, other))) == [line, told]
    assert list(seeding_lines(experiment_arm(*measured((1.0, 2.0, 3.0))))) == []
