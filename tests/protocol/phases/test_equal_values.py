"""Equal values of the first seeds: which end a baseline early, and which may be chance."""

from dataclasses import replace
from typing import Literal

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.model.seeding import Seeding
from seedproof.phases.baseline import assess_baseline
from seedproof.phases.equal_values import may_be_equal

from tests.support.arms import RULES, SEEDS, baseline_arm, make_run

LOSS, SCORE = "minimize", "maximize"


def metric(name: str, direction: Literal["minimize", "maximize"]) -> MetricRule:
    return MetricRule(name=name, direction=direction, pattern=r"(?P<value>\d+)")


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("3.2841", "val_loss", LOSS),
        ("0.9979", "val_bpb", LOSS),
        ("10.8249", "val_loss", LOSS),
        ("18.734", "perplexity", LOSS),
        ("213.4567", "episode_reward", SCORE),
        ("-12.3457", "log_likelihood", SCORE),
        ("0.87340918273645", "accuracy", SCORE),  # no share of so few cases
        ("1.2345e-05", "mse", LOSS),
    ],
)
def test_a_fine_value_is_not_equal_by_chance(text: str, name: str, direction: Literal["minimize", "maximize"]) -> None:
    assert not may_be_equal([text, text], metric(name, direction))


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("0.91", "accuracy", SCORE),
        ("0.9100", "accuracy", SCORE),
        ("0.8774509803921569", "acc", SCORE),  # 358 of 408
        ("87.74509803921569", "acc", SCORE),
        ("0.9667", "accuracy", SCORE),
        ("91.25", "top1", SCORE),
        ("27.1234", "bleu", SCORE),
        ("0.1225", "error_rate", LOSS),
        ("12.25", "test_error", LOSS),
        ("0.12254901960784313", "one_minus_accuracy", LOSS),  # 50 of 408
        ("3.28", "val_loss", LOSS),
        ("3.2800", "val_loss", LOSS),
        ("1200", "episode_reward", SCORE),
        ("4.0", "val_loss", LOSS),
    ],
)
def test_a_coarse_value_may_be(text: str, name: str, direction: Literal["minimize", "maximize"]) -> None:
    assert may_be_equal([text, text], metric(name, direction))


def runs(*texts: str) -> tuple[Run, ...]:
    found = zip(SEEDS, texts, strict=False)
    return tuple(
        make_run(seed, experiment=None, metrics={"val_loss": MetricValue(float(one), one)}) for seed, one in found
    )


def test_two_equal_fine_values_void_a_baseline_and_nothing_more_is_due() -> None:
    assessed = assess_baseline(baseline_arm(*runs("3.2841", "3.2841")), RULES)
    assert (assessed.phase, assessed.look.due) == ("void", ())
    assert assessed.reason == (
        "the first 2 seeds gave the same val_loss, so the others are not run; does the script use --seed?"
    )


@pytest.mark.parametrize("texts", [("3.28", "3.28"), ("3.2841",), ("3.2841", "3.2842"), ("3.2841", "3.2841", "3.2842")])
def test_coarse_or_other_values_let_it_go_on(texts: tuple[str, ...]) -> None:
    assessed = assess_baseline(baseline_arm(*runs(*texts)), RULES)
    assert (assessed.phase, assessed.look.due) == ("measuring", SEEDS[len(texts) :])


@pytest.mark.parametrize(
    ("first", "second", "phase"), [("4.1203", "4.1177", "measuring"), ("4.1203", "4.1203", "void")]
)
def test_runs_that_began_with_other_values_end_alike_by_chance(first: str, second: str, phase: str) -> None:
    one, other = runs("3.2841", "3.2841")
    begun = replace(one, early=((10, first),)), replace(other, early=((10, second),))
    assert assess_baseline(baseline_arm(*begun), RULES).phase == phase


def test_coarse_values_that_are_all_equal_void_it_in_the_end() -> None:
    assessed = assess_baseline(baseline_arm(*runs(*["3.28"] * 5)), RULES)
    assert assessed.reason == "all 5 seeds gave the same val_loss; does the script use --seed?"


def test_one_run_that_its_seed_did_not_reach_voids_it() -> None:
    rules = Rules(command=("python", "train.py", "{flags}"), seed="inject", replace_seed=42)
    seeding = Seeding({}, {"1337": ("random.seed",)})
    run = make_run(42, 4.0, experiment=None, state=RunState.FAILED, reason=seeding.fault(42), seeding=seeding)
    assessed = assess_baseline(baseline_arm(run), rules)
    assert (assessed.phase, assessed.look.due) == ("void", ())
    assert assessed.reason == (
        "baseline seed 42: seed_not_injected: the training seeds itself with 1337 (random.seed), and never with "
        "rules.replace_seed, 42. Name the number that it uses, or let it take the seed."
    )
