"""Records of withdrawals and of generations without a value: what may stand in a ledger, and what contradicts it."""

import pytest
from seedproof.model.refusals import LedgerDamaged

from tests.support.arms import RULES
from tests.support.stories import Story

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
WITHDRAWN = {"generation": 1, "experiment": "a", "reason": "misspelt"}


def withdrawn(story: Story) -> Story:
    return story.tell("experiment_withdrawn", **WITHDRAWN)


def empty(story: Story) -> Story:
    number, rules = len(story.state.generations) + 1, RULES.document()
    return story.tell("generation_started", generation=number, rules=rules, reason="x", replaces_empty=True)


def test_an_experiment_is_withdrawn_and_stands_again_once_it_is_declared_anew() -> None:
    told = withdrawn(Story().baseline(BASE).declare("a"))
    found = told.of("a")
    assert found.withdrawn is not None and found.withdrawn.reason == "misspelt"
    assert told.state.experiment_arm(found).is_withdrawn
    told.declare("a")
    assert found.withdrawn is None and [one.withdrawn for one in found.earlier] == ["misspelt"]
    assert not told.state.experiment_arm(found).is_withdrawn


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(lambda: Story().baseline(BASE).experiment("a", (4.0,)), id="with a value"),
        pytest.param(lambda: Story().baseline(BASE).declare("a").request("a", 42), id="with a queued run"),
        pytest.param(lambda: withdrawn(Story().baseline(BASE).declare("a")), id="twice"),
        pytest.param(lambda: Story().baseline(BASE), id="never declared"),
    ],
)
def test_a_withdrawal_of_anything_else_contradicts_the_ledger(story) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LedgerDamaged):
        withdrawn(story())


def test_an_experiment_with_values_may_be_closed_and_counts() -> None:
    told = Story().baseline(BASE).experiment("a", (4.0,)).tell("experiment_withdrawn", **WITHDRAWN, is_measured=True)
    assert told.of("a").is_closed and told.state.ideas == [told.of("a")]
    assert told.state.experiment_arm(told.of("a")).is_withdrawn
    for story in (told, Story().baseline(BASE).declare("a")):
        with pytest.raises(LedgerDamaged):
            story.tell("experiment_withdrawn", **WITHDRAWN, is_measured=True)


def test_a_generation_may_take_the_place_of_one_without_a_value_alone() -> None:
    told = empty(Story().baseline(()))
    assert [one.is_empty for one in told.state.generations] == [True, False]
    for story in (Story(), Story().baseline(BASE[:1]), Story().baseline(()).request(None, 42)):
        with pytest.raises(LedgerDamaged):
            empty(story)
