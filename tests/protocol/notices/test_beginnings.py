"""The notice on a first value that does not depend on the seed."""

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run
from seedproof.notices.beginnings import beginning_notices

from tests.support.arms import RULES, SEEDS, baseline_arm, make_run

LAST = ("3.2841", "3.2912", "3.2779", "3.2850", "3.2801")


def runs(start: str | None, early: tuple[tuple[int | None, str], ...] = ()) -> list[Run]:
    return [
        make_run(
            seed, experiment=None, metrics={"val_loss": MetricValue(float(one), one)}, start_text=start, early=early
        )
        for seed, one in zip(SEEDS, LAST, strict=True)
    ]


def said(found: list[Run], rules: Rules = RULES) -> str:
    return " ".join(one.message for one in beginning_notices(baseline_arm(*found), rules))


def test_a_start_that_is_the_same_for_all_seeds_is_told() -> None:
    assert said(runs("10.9871")) == (
        "baseline: all 5 seeds have val_loss 10.9871 at step 0, and other values at the end: the initialisation does "
        "not depend on the seed, unless the model's first outputs are the same whatever its weights are. Sigma does "
        "not cover what the seed does not vary."
    )
    assert "10.9871 at step 20, and other values at the end: initialisation and first steps" in said(
        runs(None, ((20, "10.9871"),))
    )
    assert "10.9871 at their first value" in said(runs(None, ((None, "10.9871"),)))


@pytest.mark.parametrize(
    "start",
    [
        "9.5000",  # few digits
        "10.8249",  # ln 50257
        "10.8258",  # ln 50304
        "10.3735",  # ln 32000
        "2.302585",  # ln 10
        "2.3026",
        "4.1744",  # ln 65
        "0.6931",  # ln 2
        "3.3219",  # the binary logarithm of 10
        "nan",
    ],
)
def test_a_constant_start_of_an_honest_model_is_not(start: str) -> None:
    assert said(runs(start)) == ""


def test_starts_that_differ_and_ends_that_do_not_are_not() -> None:
    one, *others = runs("10.9871")
    assert said([make_run(42, 3.3, experiment=None, start_text="10.9123"), *others]) == ""
    same = [make_run(seed, 3.2841, experiment=None, start_text="10.9871") for seed in SEEDS]
    assert said(same) == ""
    assert said([]) == said([one]) == said(runs(None)) == ""


def test_accuracies_begin_alike_by_chance() -> None:
    rules = Rules(metric=MetricRule(name="val_loss", direction="maximize", pattern=r"(?P<value>\d+)"))
    assert said(runs("0.0980"), rules) == said(runs("0.1012"), rules) == ""


def test_runs_without_a_seed_say_nothing_of_it() -> None:
    assert said(runs("10.9871"), Rules(command=("python", "t.py", "{flags}"), seed="unseeded")) == ""
