"""A confirmed WINNER is merged where the next baseline has its code and its command, and nowhere else."""

from typing import Any

import pytest
from seedproof.ledger.determinism import conditions
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.model.rules import Rules
from seedproof.notices.merged import merged_notices
from seedproof.phases.merged import merged_experiments

from tests.support.arms import RULES
from tests.support.stories import Story
from tests.support.study_stories import CONFIRMED, EDITED, FIRST_CODE, declare, generation, judged, merged_rules

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
FLAGS = ("--lr", "0.02")


def confirmed(flags: tuple[str, ...] = FLAGS, code: Code = FIRST_CODE, **verdict: Any) -> Story:
    """A baseline and a WINNER that fresh seeds confirmed."""
    told = generation(Story(), RULES)
    told.runs(None, dict(zip(RULES.baseline_seeds, BASE, strict=True)))
    declare(told, "muon", flags, code=code.document(), code_change=code is EDITED)
    fields = {"verdict": "WINNER", "confirmation": CONFIRMED, **verdict}
    judged(told, "muon", (3.91, 3.92, 3.90), headline="a headline", **fields)
    return told


@pytest.mark.parametrize(
    ("flags", "added"),
    [
        (FLAGS, FLAGS),
        (FLAGS, ("--lr=0.02",)),
        (("--a", "1", "--b", "2"), ("--b", "2", "--a", "1")),
    ],
)
def test_flags_in_the_command_are_merged_in_any_order_and_form(flags: tuple[str, ...], added: tuple[str, ...]) -> None:
    told = generation(confirmed(flags), merged_rules(*added))
    assert merged_experiments(told.state) == {0: 2}


def test_edited_code_is_merged_where_the_baseline_has_that_code() -> None:
    assert merged_experiments(generation(confirmed((), EDITED), RULES, EDITED).state) == {0: 2}
    assert merged_experiments(generation(confirmed((), EDITED), RULES, FIRST_CODE).state) == {}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (merged_rules("--lr", "0.03"), FIRST_CODE),
        (merged_rules(*FLAGS, "--wd", "1"), FIRST_CODE),
        (RULES, FIRST_CODE),
        (merged_rules(*FLAGS), EDITED),
        (merged_rules(*FLAGS), None),
    ],
)
def test_another_value_more_than_the_change_other_code_and_unknown_code_are_not_merged(
    rules: Rules, code: Code | None
) -> None:
    assert merged_experiments(generation(confirmed(), rules, code).state) == {}


@pytest.mark.parametrize(
    "verdict",
    [
        {"confirmation": None},
        {"confirmation": {**CONFIRMED, "state": "not_confirmed"}},
        {"verdict": "NEUTRAL"},
    ],
)
def test_only_a_confirmed_winner_is_merged(verdict: dict[str, Any]) -> None:
    assert merged_experiments(generation(confirmed(**verdict), merged_rules(*FLAGS)).state) == {}


def test_a_generation_without_experiments_in_between_does_not_hide_it() -> None:
    told = generation(generation(confirmed(), RULES), merged_rules(*FLAGS))
    assert merged_experiments(told.state) == {0: 3}


# --- the check of the first seed ------------------------------------------------------------------


def said(state: State) -> str:
    """What check_baseline is told; empty where it is told nothing."""
    return " ".join(notice.message for notice in merged_notices(state))


def test_the_first_seed_of_the_baseline_is_held_against_the_winners() -> None:
    told = generation(confirmed(), merged_rules(*FLAGS))
    assert said(told.state) == (
        "this generation has the code and the command of muon, confirmed in generation 1: the merged experiment's "
        "seed 42 gave 3.91, and seed 42 of this baseline should give nearly that."
    )
    told.runs(None, {42: 3.91})
    assert said(told.state).endswith("the merged experiment's seed 42 gave 3.91, this baseline's 3.91.")


def test_another_value_is_told_with_its_distance() -> None:
    told = generation(confirmed(), merged_rules(*FLAGS)).runs(None, {42: 3.918})
    # .008 over the sigma of .01581 that it was judged by.
    assert said(told.state).endswith("seed 42 gave 3.91, this baseline's 3.918, 0.51 sigma apart.")


def test_where_trainings_repeat_themselves_another_value_means_that_something_else_differs() -> None:
    told = generation(confirmed(), merged_rules(*FLAGS))
    told.runs(None, {42: 3.918})
    run = told.state.runs["g2-baseline-s42-a1"]
    told.state.repeats.repeated.add(conditions(run))
    assert said(told.state).endswith(
        "0.51 sigma apart, although trainings repeat themselves bit for bit here: something else differs."
    )


@pytest.mark.parametrize("scale", [{"train_tokens": 10_000_000}, {"scale": "20 epochs"}])
def test_nothing_is_to_be_expected_at_another_scale(scale: dict[str, Any]) -> None:
    # Rules from settings have one of the two; which one differs is all that is looked at here.
    told = generation(confirmed(), merged_rules(*FLAGS))
    told.state.generations[1].rules = merged_rules(*FLAGS).model_copy(update=scale)
    assert (merged_experiments(told.state), said(told.state)) == ({0: 2}, "")


def test_nothing_is_said_after_the_next_experiment() -> None:
    told = generation(confirmed(), merged_rules(*FLAGS)).runs(None, {42: 3.91})
    assert said(declare(told, "next", ("--x", "1")).state) == ""
