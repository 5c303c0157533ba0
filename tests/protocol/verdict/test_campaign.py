"""The campaign: how many experiments were declared, and what one verdict is worth among them."""

import math
from collections.abc import Sequence
from typing import Literal

import pytest
from seedproof.model.rules import Rules
from seedproof.phases.study import Memory, Study
from seedproof.stats.power import protocol_power
from seedproof.stats.screening import screening_power
from seedproof.stats.summary import SampleError
from seedproof.stats.tests import welch
from seedproof.verdict.campaign import adjusted_p, campaign, campaign_at_verdict, choose_primary, stored_p_values

from tests.support.stories import Story

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
SINGLE = 0.0305  # P(WINNER) of the protocol's rule where nothing differs


def apart(values: tuple[float, ...], shift: float) -> list[float]:
    """The same seeds, all moved alike and each a little: correlation near 1."""
    return [value + shift + (0.001 if place % 2 else -0.001) for place, value in enumerate(values)]


def story(rules: Rules | None = None) -> Story:
    return Story(rules).baseline(BASE)


# --- the count ------------------------------------------------------------------------------------


def test_abandoned_failed_diverged_and_null_experiments_of_every_generation_are_counted() -> None:
    told = story().experiment("old", (3.9, 3.91, 3.92)).verdict("old", "WINNER", 0.001)
    told.baseline(BASE)
    told.experiment("abandoned", (4.0,)).experiment("lost", (None,)).experiment(
        "nothing", (4.0, 4.01, 4.02), "Null: no effect"
    )
    found = campaign(told.state)
    assert (found.declared, found.declared_in_generation, found.nulls, found.winners) == (4, 3, 1, 1)
    assert found.false_winners_expected == pytest.approx(4 * SINGLE, rel=1e-2)
    assert found.label == "independent seeds, normal noise, equal spread"


def test_an_experiment_without_a_value_is_no_idea_until_a_run_may_show_one() -> None:
    told = story().declare("null", "null: nothing").declare("typo").experiment("a", (4.0,))
    found = campaign(told.state)
    assert (found.declared, found.declared_in_generation, found.nulls, found.without_value) == (1, 1, 0, 2)
    told.request("typo", 42)
    assert campaign(told.state).declared == 2
    told.tell("run_finished", run_id="g1-exp-typo-s42-a1", state="failed", reason="exit code 2", metrics={})
    assert campaign(told.state).declared == 1
    told.tell("experiment_withdrawn", generation=1, experiment="typo", reason="misspelt")
    assert (campaign(told.state).declared, campaign(told.state).without_value) == (1, 2)


def test_an_experiment_that_an_earlier_version_declared_counts_from_its_declaration_on() -> None:
    told = story()
    words = {"flags": ["--lr", "1"], "hypothesis": "it helps", "code_change": False}
    told.tell("experiment_declared", generation=1, experiment="old", **words)
    assert campaign(told.state).declared == 1
    told.tell("experiment_withdrawn", generation=1, experiment="old", reason="misspelt")
    assert campaign(told.state).declared == 0


def test_the_adjusted_p_follows_the_number_of_ideas() -> None:
    told = story().experiment("a", (3.9, 3.91, 3.92)).verdict("a", "WINNER", 0.01).declare("b")
    memory = Memory()
    one = stored_p_values(Study(told.state, told.rules, memory))[1, "a"]
    told.request("b", 42)
    assert (one, stored_p_values(Study(told.state, told.rules, memory))[1, "a"]) == ((0.01, 0.01), (0.01, 0.02))


def test_an_empty_ledger_has_a_campaign_of_nothing() -> None:
    found = campaign(Story().state)
    assert (found.declared, found.winners, found.false_winners_expected, found.false_winner_chance) == (0, 0, 0.0, 0.0)
    assert found.advice is None


def test_experiments_of_one_baseline_err_together_and_those_of_two_baselines_apart() -> None:
    together = story()
    for number in range(50):
        together.experiment(f"e{number}", (4.0,))
    found = campaign(together.state)
    # The number for 50 experiments on one baseline; independent ones would give 1 - (1 - .0305)^50 = .79.
    assert found.false_winner_chance == pytest.approx(0.26, abs=0.005)
    one = campaign(story().experiment("a", (4.0,)).state)
    assert one.false_winner_chance == pytest.approx(protocol_power(0.0, Rules().sizes).p_winner, rel=1e-6)
    two = campaign(story().experiment("a", (4.0,)).baseline(BASE).experiment("b", (4.0,)).state)
    assert two.false_winner_chance == pytest.approx(1 - (1 - one.false_winner_chance) ** 2)


@pytest.mark.parametrize("design", ["screening", "sequential"])
def test_under_another_design_the_expected_number_is_given_and_no_chance(design: str) -> None:
    rules = Rules(design=design)
    found = campaign(story(rules).experiment("a", (4.0,)).experiment("b", (4.0,)).state)
    assert (
        found.label
        == "about, independent seeds, normal noise, equal spread; docs/calibration.md has the chance of at least one"
    )
    assert found.false_winner_chance is None
    assert found.false_winners_expected == 2 * screening_power(0.0, rules.sizes, rules.design).p_winner


def test_one_generation_of_another_design_leaves_the_chance_of_the_whole_ledger_unsaid() -> None:
    mixed = story().experiment("a", (4.0,)).baseline(BASE, Rules(design="screening")).experiment("b", (4.0,))
    found = campaign(mixed.state)
    assert found.false_winner_chance is None
    assert found.false_winners_expected == pytest.approx(2 * SINGLE, rel=2e-2)


def test_a_dropped_idea_is_declared_and_no_winner_and_enters_holm() -> None:
    told = story(Rules(design="screening")).experiment("a", (4.01,)).verdict("a", "DROPPED")
    told.experiment("b", (3.9, 3.91, 3.92))
    found = campaign_at_verdict(told.state, told.of("b"), "WINNER")
    assert (found.declared, found.winners, told.state.judged) == (2, 1, 0)
    assert found.p_better is not None
    assert found.p_holm == pytest.approx(2 * found.p_better)


def test_no_larger_baseline_is_advised_under_another_design() -> None:
    told = story(Rules(design="screening"))
    for number in range(30):
        told.experiment(f"e{number}", (4.0,))
    assert campaign(told.state).advice is None


def test_the_verdict_being_given_counts_once_and_replaces_an_earlier_one_of_the_same_experiment() -> None:
    told = story().experiment("a", (3.9, 3.91, 3.92))
    assert campaign_at_verdict(told.state, told.of("a"), "WINNER").winners == 1
    told.verdict("a", "WINNER", 0.001)
    assert campaign_at_verdict(told.state, told.of("a"), "WINNER").winners == 1


# --- Holm -----------------------------------------------------------------------------------------


def test_holms_adjustment_is_the_one_worked_by_hand_and_those_without_p_enter_as_one() -> None:
    p_values = {(1, "a"): 0.03, (1, "b"): 0.01, (2, "c"): 0.02}
    # Sorted .01, .02, .03, 1, 1: times 5, 4, 3, 2, 1, never falling.
    assert adjusted_p(p_values, 5) == pytest.approx({(1, "a"): 0.09, (1, "b"): 0.05, (2, "c"): 0.08})
    assert adjusted_p({}, 3) == {}


def test_the_own_p_is_the_one_sided_welch_p_adjusted_for_every_declared_experiment() -> None:
    told = story().experiment("a", (3.99, 3.98, 3.97)).experiment("abandoned", (4.0,)).experiment("one", (4.0,))
    told.experiment("worse", (4.1, 4.11, 4.12))
    found = campaign_at_verdict(told.state, told.of("a"), "NEUTRAL")
    two_sided = welch(BASE, [3.99, 3.98, 3.97]).p_value
    assert found.p_better == pytest.approx(two_sided / 2)
    # `one` has a single value; `worse` a p near 1: four enter, and this one is the smallest.
    assert found.p_holm == pytest.approx(4 * two_sided / 2)
    assert campaign_at_verdict(told.state, told.of("worse"), "LOSER").p_better == pytest.approx(1, abs=1e-3)
    assert campaign_at_verdict(told.state, told.of("one"), "NEUTRAL").p_better is None
    assert campaign_at_verdict(told.state, told.of("abandoned"), "NEUTRAL").p_holm is None


def test_a_diverged_arm_enters_as_one_however_good_its_other_seeds_are() -> None:
    told = story().experiment("a", (3.99, 3.98, 3.97)).experiment("lost", (3.0, 3.01, None))
    assert campaign_at_verdict(told.state, told.of("lost"), "LOSER").p_better is None
    found = campaign_at_verdict(told.state, told.of("a"), "NEUTRAL")
    assert found.p_better is not None
    assert found.p_holm == pytest.approx(2 * found.p_better)


def test_the_p_value_written_with_a_verdict_is_the_one_that_counts() -> None:
    told = story().experiment("a", (3.99, 3.98, 3.97)).verdict("a", "NEUTRAL", 0.02).experiment("b", (4.0, 4.01, 4.02))
    assert told.state.p_values == {(1, "a"): 0.02}
    assert campaign_at_verdict(told.state, told.of("a"), "NEUTRAL").p_holm == pytest.approx(0.04)


def p_under(pairing: Literal["paired", "unpaired"], values: Sequence[float]) -> float | None:
    told = story(Rules(pairing=pairing)).experiment("a", values)
    return campaign_at_verdict(told.state, told.of("a"), "NEUTRAL").p_better


def test_the_paired_p_enters_where_the_paired_interval_is_the_primary_one() -> None:
    values = apart(BASE, -0.005)
    unpaired, by_seed = p_under("unpaired", values), p_under("paired", values)
    assert unpaired is not None and by_seed is not None
    assert by_seed < 0.01 < 0.2 < unpaired


def test_where_a_declared_paired_test_cannot_be_made_the_unpaired_p_enters_as_in_the_evidence() -> None:
    moved = [value - 0.25 for value in BASE]
    assert p_under("paired", moved) == p_under("unpaired", moved) is not None


# --- advice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "seeds"), [(3, None), (4, 6), (9, 9), (25, 15)])
def test_a_larger_baseline_is_advised_from_the_fourth_experiment_on_it(k: int, seeds: int | None) -> None:
    told = story()
    for number in range(k):
        told.experiment(f"e{number}", (4.0,))
    advice = campaign(told.state).advice
    if seeds is None:
        assert advice is None
        return
    assert advice is not None
    said = f"{k} experiments share 5 baseline seeds; {seeds} would pay (n x sqrt(K)): more runs: {seeds - 5}, "
    assert advice.startswith(said)
    assert "false WINNERs 3.0 -> " in advice
    assert "smallest detectable effect 2.53 -> " in advice


def test_a_baseline_that_is_large_enough_and_a_new_generation_get_no_advice() -> None:
    larger = story(Rules(baseline_seeds=(42, 137, 256, 512, 1024, 1, 2)))
    for number in range(5):
        larger.experiment(f"e{number}", (4.0,))
    assert campaign(larger.state).advice is None  # 3 x sqrt(5) = 6.7, and there are 7
    assert (
        campaign(larger.experiment("e5", (4.0,)).experiment("e6", (4.0,)).experiment("e7", (4.0,)).state).advice
        is not None
    )
    assert campaign(larger.baseline(BASE).experiment("e0", (4.0,)).state).advice is None


# --- what is fixed at the declaration -------------------------------------------------------------


def test_the_seeds_of_three_earlier_arms_that_move_together_make_the_fourth_paired() -> None:
    told = story()
    for number in range(3):
        assert told.declare(f"d{number}").of(f"d{number}").primary == "unpaired"
    for number in range(3):
        told.runs(f"d{number}", dict(zip(told.rules.experiment_seeds, apart(BASE, -0.01 * number)[:3], strict=True)))
    told.declare("fourth")
    assert told.of("fourth").primary == "paired"
    assert told.of("fourth").primary_reason == (
        "as the correlation of the seeds over 3 earlier arms is 1.00 (0.4 or more: paired)"
    )
    # What was declared before stays as it was declared.
    assert [told.of(f"d{number}").primary for number in range(3)] == ["unpaired"] * 3
    assert told.of("d2").primary_reason.startswith("by default: 0 earlier arms show the correlation of the seeds")


def test_a_pooled_correlation_below_point_four_leaves_the_unpaired_interval_primary() -> None:
    told = story()
    for name, values in {"a": (4.0, 4.0, 4.01), "b": (4.01, 4.0, 4.02), "c": (4.02, 4.01, 4.02)}.items():
        told.experiment(name, values)
    # Over 42, 137, 256 the baseline lies 0, +1, -1 from its mean of 4.00; the products add up to -1 - 2 - 1, negative.
    primary, reason = choose_primary(told.state, told.rules)
    assert primary == "unpaired"
    assert "over 3 earlier arms is -0." in reason


def test_the_pooled_correlation_is_the_one_worked_by_hand() -> None:
    # Baseline at 42, 137, 256: 0, +.01, -.01 from its mean. The arms lie (0, 1, -1), (1, 0, -1) and (1, -1, 0)
    # hundredths from theirs: products 2, 1 and -1; squares 2 + 2 + 2 on either side, so 2 / 6.
    told = story()
    for name, steps in {"a": (0, 1, -1), "b": (1, 0, -1), "c": (1, -1, 0)}.items():
        told.experiment(name, [4.5 + step / 100 for step in steps])
    assert choose_primary(told.state, told.rules)[1].endswith("over 3 earlier arms is 0.33 (0.4 or more: paired)")
    told.experiment("d", [4.5, 4.51, 4.49])  # one more of correlation 1: 4 / 8
    assert choose_primary(told.state, told.rules) == (
        "paired",
        "as the correlation of the seeds over 4 earlier arms is 0.50 (0.4 or more: paired)",
    )


def test_arms_with_fewer_than_three_common_seeds_or_a_diverged_one_say_nothing_about_correlation() -> None:
    told = story().experiment("two", apart(BASE, 0)[:2]).experiment("lost", (4.0, 4.01, None))
    told.experiment("a", apart(BASE, 0)).experiment("b", apart(BASE, 0))
    assert choose_primary(told.state, told.rules) == (
        "unpaired",
        "by default: 2 earlier arms show the correlation of the seeds, 3 are needed",
    )


def test_arms_without_spread_show_no_correlation() -> None:
    told = story()
    for name in ("a", "b", "c"):
        told.experiment(name, (4.0, 4.0, 4.0))
    assert choose_primary(told.state, told.rules)[1].startswith("by default: 0 earlier arms show the correlation")


def test_the_unit_of_an_earlier_metric_has_no_weight_in_the_correlation() -> None:
    def correlation(scale: float) -> str:
        told = story()
        told.baseline([scale * value for value in BASE]).experiment("huge", [scale * value for value in apart(BASE, 1)])
        told.baseline(BASE)
        for name, steps in {"a": (0, -1, 1), "b": (0, -1, 1), "c": (1, 0, -1)}.items():
            told.experiment(name, [4.5 + step / 100 for step in steps])
        return choose_primary(told.state, told.rules)[1]

    assert correlation(1000.0) == correlation(1.0)


def test_earlier_arms_of_an_earlier_generation_count_for_the_correlation() -> None:
    told = story()
    for name in ("a", "b", "c"):
        told.experiment(name, apart(BASE, 0))
    assert choose_primary(told.baseline(BASE).state, told.rules)[0] == "paired"


@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_the_rules_choose_the_primary_interval_where_they_say_so(pairing: str) -> None:
    rules = Rules(pairing=pairing)
    told = story(rules)
    for name in ("a", "b", "c"):
        told.experiment(name, apart(BASE, 0))
    assert choose_primary(told.state, rules) == (pairing, "by rules.pairing")


def test_numbers_that_no_test_can_be_made_of_are_not_nan() -> None:
    told = story().experiment("same", (4.0, 4.0, 4.0)).experiment("moved", [value - 0.5 for value in BASE])
    for name in ("same", "moved"):
        found = campaign_at_verdict(told.state, told.of(name), "NEUTRAL")
        assert found.p_better is not None and math.isfinite(found.p_better)
    with pytest.raises(SampleError):
        welch([4.0], [4.0])
