"""The verdict: cases worked by hand and real ones first, then what must hold for any numbers."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from seedproof.ledger.study_events import VerdictIssued
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, ExperimentIncomplete, MoreSeedsNeeded
from seedproof.model.results import REPORT_FORMAT, Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.stats.screening import screening_power
from seedproof.verdict.comparability import runs_behind
from seedproof.verdict.judge import judge

from tests.support.arms import (
    MAXIMIZE,
    ROUND_VALUES,
    RULES,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)
from tests.support.seeds import SEEDS

WINNER, NEUTRAL, LOSER = Verdict.WINNER, Verdict.NEUTRAL, Verdict.LOSER

# Real values. tests/real_logs/llm-research-kit/*.metrics.json, final_metrics.val_loss, seeds 42, 137, 256, 512, 1024.
KIT_BASELINE = (3.75375, 3.7265625, 3.801875, 3.766875, 3.796875)
KIT_MUON_LR_0012 = (3.7028125, 3.6975, 3.7521875, 3.7165625, 3.7275)
# tests/real_logs/makemore/*.stdout, the last `test loss`, the same seeds.
MAKEMORE_BASELINE = (2.2068018913269043, 2.2235870361328125, 2.220393657684326, 2.229583263397217, 2.2277324199676514)
MAKEMORE_LR_0001 = (2.1888504028320312, 2.198087215423584, 2.207066297531128)
MAKEMORE_LR_000055 = (2.205021381378174, 2.219363212585449, 2.21917986869812, 2.2264552116394043, 2.2232003211975098)


def judged(baseline: Baseline, values: Sequence[float]) -> Comparison:
    """Judge as the protocol does: three seeds, and all five where three do not decide."""
    try:
        return judge(baseline, experiment_arm(*measured(values[:3])))
    except MoreSeedsNeeded:
        return judge(baseline, experiment_arm(*measured(values)))


def five(value: float) -> tuple[float, ...]:
    """Five seeds with nearly the same value: their mean is this value."""
    return (value - 0.25, value + 0.25, value, value - 0.25, value + 0.25)


def unlike(value: float) -> tuple[float, ...]:
    """Five seeds with this mean that go their own ways, so that pairs with the baseline say nothing."""
    return (value + 1.0, value + 1.0, value - 2.0, value - 1.5, value + 1.5)


# --- real cases -----------------------------------------------------------------------------------


def test_the_real_experiment_is_1_66_sigma_better_after_three_seeds_and_needs_two_more() -> None:
    baseline = make_baseline(KIT_BASELINE)
    # (3.75375 + 3.7265625 + 3.801875 + 3.766875 + 3.796875) / 5 = 18.8459375 / 5
    assert (round(baseline.mean, 5), round(baseline.std, 5)) == (3.76919, 0.03121)
    # (3.7028125 + 3.6975 + 3.7521875) / 3 = 3.7175; (3.7691875 - 3.7175) / 0.0312075 = 1.656
    with pytest.raises(MoreSeedsNeeded, match=r"after 3 seeds .* less than 2 sigma .* seeds 512, 1024 are needed"):
        judge(baseline, experiment_arm(*measured(KIT_MUON_LR_0012[:3])))


def test_the_real_experiment_is_neutral_after_five_seeds_beside_a_large_d_and_pairs_that_tell_more() -> None:
    comparison = judged(make_baseline(KIT_BASELINE), KIT_MUON_LR_0012)
    # The five differences: mean -0.049875, standard deviation 0.0142; t = -7.84 with four degrees of freedom.
    assert comparison.headline == "NEUTRAL: 1.60 sigma better, below the 2-sigma rule; same-seed pairs -0.0499"
    assert comparison.pairs is not None
    assert (comparison.pairs.n, comparison.pairs.p_better) == (5, pytest.approx(0.00072, abs=2e-5))
    # mean 18.5965625 / 5 = 3.7193125, minus 3.7691875
    assert comparison.delta == pytest.approx(-0.049875)
    # -0.049875 / sqrt((0.0312075^2 + 0.0218140^2) / 2) = -0.049875 / 0.0269236
    assert comparison.cohens_d == pytest.approx(-1.8525, abs=5e-5)
    assert (comparison.effect_size, comparison.significant) == ("large", False)
    assert comparison.change_percent == pytest.approx(-100 * 0.049875 / 3.7691875)


def test_the_real_better_learning_rate_of_makemore_wins_by_2_62_sigma_after_three_seeds() -> None:
    comparison = judge(make_baseline(MAKEMORE_BASELINE), experiment_arm(*measured(MAKEMORE_LR_0001)))
    # (2.2216197 - 2.1980013) / 0.0090239 = 2.617
    assert (comparison.verdict, comparison.headline) == (WINNER, "WINNER (unconfirmed): 2.62 sigma better")
    assert comparison.significant


def test_the_real_tiny_change_of_makemore_is_below_the_rule_and_its_pairs_are_told_and_it_is_not_called_noise() -> None:
    baseline = make_baseline(MAKEMORE_BASELINE)
    # after three seeds (2.2216197 - 2.2145215) / 0.0090239 = 0.787
    with pytest.raises(MoreSeedsNeeded):
        judge(baseline, experiment_arm(*measured(MAKEMORE_LR_000055[:3])))
    # after five (2.2216197 - 2.2186440) / 0.0090239 = 0.330
    comparison = judged(baseline, MAKEMORE_LR_000055)
    assert comparison.headline == "NEUTRAL: 0.33 sigma better, below the 2-sigma rule; same-seed pairs -0.0030"
    assert comparison.reason == (
        "The mean is 0.33 sigma better than the baseline's; 2 sigma decide. The same-seed pairs, which that rule does "
        "not see, are better: one-sided paired p 0.0052 over 5 seeds."
    )


# --- by hand, on a baseline of mean 4 and sigma 1 ---------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "verdict", "headline"),
    [
        (1.0, WINNER, "WINNER (unconfirmed): 3.00 sigma better"),
        (2.0, WINNER, "WINNER (unconfirmed): 2.00 sigma better"),
        (2.0 + 1e-10, WINNER, "WINNER (unconfirmed): 2.00 sigma better"),
        (2.5, NEUTRAL, "NEUTRAL: 1.50 sigma better, suggestive but inconclusive"),
        (3.0, NEUTRAL, "NEUTRAL: 1.00 sigma better, suggestive but inconclusive"),
        (3.0 + 1e-10, NEUTRAL, "NEUTRAL: 1.00 sigma better, suggestive but inconclusive"),
        (3.25, NEUTRAL, "NEUTRAL: 0.75 sigma better, noise"),
        (4.0, NEUTRAL, "NEUTRAL: 0.00 sigma, no difference"),
        (5.0, NEUTRAL, "NEUTRAL: 1.00 sigma worse, noise"),
        (5.5, NEUTRAL, "NEUTRAL: 1.50 sigma worse, noise"),
        (6.0 - 1e-10, LOSER, "LOSER: 2.00 sigma worse"),
        (6.0, LOSER, "LOSER: 2.00 sigma worse"),
        (7.0, LOSER, "LOSER: 3.00 sigma worse"),
    ],
)
def test_the_verdict_follows_the_distance_of_the_means_and_a_tie_counts(
    mean: float, verdict: Verdict, headline: str
) -> None:
    comparison = judged(make_baseline(), [mean] * 5)
    assert (comparison.verdict, comparison.headline) == (verdict, headline)
    assert comparison.significant is (verdict is not NEUTRAL)


@pytest.mark.parametrize("mean", [2.0 + 2e-9, 6.0 - 2e-9])
def test_two_billionths_of_a_sigma_short_of_a_tie_is_neutral(mean: float) -> None:
    comparison = judged(make_baseline(), [mean] * 5)
    assert (comparison.verdict, comparison.significant) == (NEUTRAL, False)


@pytest.mark.parametrize(("mean", "word"), [(2.004, "suggestive"), (3.004, "noise")])
def test_a_headline_does_not_round_a_missed_threshold_up_to_the_threshold(mean: float, word: str) -> None:
    # 1.996 sigma written as 2.00 beside NEUTRAL reads as a mistake of the judge.
    headline = judged(make_baseline(), unlike(mean)).headline
    assert word in headline
    assert "2.00 sigma" not in headline and "1.00 sigma" not in headline


def test_the_numbers_of_a_comparison_are_those_worked_by_hand() -> None:
    runs = measured(five(3.0), wall_time_s=15.0)
    comparison = judge(make_baseline(), experiment_arm(*runs))
    # values 2.75, 3.25, 3.0, 2.75, 3.25: mean 3; squared distances 4 * 0.0625 = 0.25, so the variance is 0.0625
    assert comparison.delta == pytest.approx(-1.0)
    assert comparison.improvement_sigma == pytest.approx(1.0)
    assert comparison.change_percent == pytest.approx(-25.0)
    # -1 / sqrt((1 + 0.0625) / 2) = -1 / 0.72887
    assert comparison.cohens_d == pytest.approx(-1.37198868)
    assert comparison.effect_size == "large"
    assert comparison.wall_time_change_percent == pytest.approx(50.0)


def test_a_small_d_stands_beside_noise() -> None:
    # All distances as in the baseline, moved by 0.25: d = -0.25 / 1.
    comparison = judged(make_baseline(), [value - 0.25 for value in ROUND_VALUES])
    assert comparison.cohens_d == pytest.approx(-0.25)
    assert (comparison.effect_size, comparison.verdict) == ("small", NEUTRAL)


def test_the_reason_names_the_rule_that_decided() -> None:
    reasons = [judged(make_baseline(), [mean] * 5).reason for mean in (1.0, 2.5, 3.5, 4.0, 5.0, 7.0)]
    assert reasons == [
        "The mean is 3.00 sigma better than the baseline's; 2 sigma decide.",
        "The mean is 1.50 sigma better than the baseline's: "
        "at least 1 but less than 2 sigma is suggestive, not conclusive.",
        "The mean is 0.50 sigma better than the baseline's; "
        "an improvement of less than 1 sigma is noise, a loss of less than 2 too.",
        "The means are equal; an improvement of less than 1 sigma is noise, a loss of less than 2 too.",
        "The mean is 1.00 sigma worse than the baseline's; "
        "an improvement of less than 1 sigma is noise, a loss of less than 2 too.",
        "The mean is 3.00 sigma worse than the baseline's; 2 sigma decide.",
    ]


def test_with_maximize_a_higher_mean_wins_and_a_lower_one_loses() -> None:
    baseline = make_baseline(rules=MAXIMIZE)
    assert baseline.winner_threshold == pytest.approx(6.0)
    better, worse = judged(baseline, [6.5] * 5), judged(baseline, [1.5] * 5)
    assert (better.headline, better.delta) == ("WINNER (unconfirmed): 2.50 sigma better", pytest.approx(2.5))
    assert (worse.headline, worse.delta) == ("LOSER: 2.50 sigma worse", pytest.approx(-2.5))


def test_thresholds_of_the_rules_replace_the_protocols() -> None:
    rules = Rules(winner_sigma=3.0, suggestive_sigma=2.5)
    headlines = [judged(make_baseline(rules=rules), unlike(mean)).headline for mean in (1.0, 1.25, 1.75)]
    assert headlines == [
        "WINNER (unconfirmed): 3.00 sigma better",
        "NEUTRAL: 2.75 sigma better, suggestive but inconclusive",
        "NEUTRAL: 2.25 sigma better, noise",
    ]


def test_the_extra_seeds_can_turn_a_close_first_look_into_a_winner() -> None:
    # first look: mean 2.5, 1.5 sigma; all five: (7.5 + 1 + 1) / 5 = 1.9, 2.1 sigma
    comparison = judged(make_baseline(), [2.5, 2.5, 2.5, 1.0, 1.0])
    assert (comparison.headline, len(comparison.arm.counted)) == ("WINNER (unconfirmed): 2.10 sigma better", 5)


def test_a_baseline_mean_of_zero_leaves_the_percentage_unsaid() -> None:
    baseline = make_baseline((-1.0, -1.0, 0.0, 1.0, 1.0))
    assert judged(baseline, [-3.0] * 5).change_percent is None


def test_a_missing_wall_time_leaves_its_change_unsaid() -> None:
    comparison = judge(make_baseline(), experiment_arm(*measured([1.0] * 3, wall_time_s=None)))
    assert comparison.wall_time_change_percent is None


# --- seeds that diverged, failed or are missing -----------------------------------------------------


def assert_nothing_is_said_but_the_verdict(comparison: Comparison) -> None:
    said = (comparison.delta, comparison.improvement_sigma, comparison.change_percent, comparison.cohens_d)
    assert said == (None,) * 4
    assert (comparison.effect_size, comparison.significant, comparison.wall_time_change_percent) == (None,) * 3


def test_one_diverged_seed_of_one_loses_at_once_without_numbers() -> None:
    comparison = judge(make_baseline(), experiment_arm(diverged(42)))
    assert comparison.headline == "LOSER (diverged: 1 of 1 seeds)"
    assert comparison.reason == "The last val_loss of seed 42 is not finite; a diverged seed decides."
    assert_nothing_is_said_but_the_verdict(comparison)


def test_one_diverged_seed_of_three_loses_however_good_the_others_are() -> None:
    comparison = judge(make_baseline(), experiment_arm(make_run(42, 0.1), diverged(137, "inf"), make_run(256, 0.1)))
    assert comparison.headline == "LOSER (diverged: 1 of 3 seeds)"
    assert_nothing_is_said_but_the_verdict(comparison)


def test_a_seed_that_diverges_among_the_extra_seeds_loses() -> None:
    runs = (*measured([4.0] * 4), diverged(1024))
    assert judge(make_baseline(), experiment_arm(*runs)).headline == "LOSER (diverged: 1 of 5 seeds)"


def test_a_diverged_seed_decides_even_beside_one_that_failed_for_good() -> None:
    runs = (failed(42, shown=True), failed(42, shown=True, attempt=2), diverged(137))
    assert judge(make_baseline(), experiment_arm(*runs)).verdict is LOSER


def test_a_seed_that_failed_for_good_ends_the_arm_without_a_verdict() -> None:
    runs = (*measured([1.0, 1.0]), failed(256, shown=True), failed(256, shown=True, attempt=2))
    with pytest.raises(ArmFailed, match="muon: seed 256 failed for good; the arm ends without a verdict"):
        judge(make_baseline(), experiment_arm(*runs))


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ((), "muon has 0 of 3 seeds; missing: 42, 137, 256."),
        ((137,), "muon has 1 of 3 seeds; missing: 42, 256."),
        ((42, 137), "muon has 2 of 3 seeds; missing: 256."),
    ],
)
def test_fewer_than_three_seeds_are_refused_with_their_number(seeds: Sequence[int], text: str) -> None:
    arm = experiment_arm(*(make_run(seed, 1.0) for seed in seeds))
    with pytest.raises(ExperimentIncomplete) as refusal:
        judge(make_baseline(), arm)
    assert refusal.value.message == text


def test_one_extra_seed_is_not_enough() -> None:
    with pytest.raises(MoreSeedsNeeded, match="seed 1024 is needed as well"):
        judge(make_baseline(), experiment_arm(*measured([3.0] * 4)))


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED])
def test_a_run_without_a_result_is_not_a_seed(state: RunState) -> None:
    arm = experiment_arm(*measured([1.0, 1.0]), make_run(256, state=state))
    with pytest.raises(ExperimentIncomplete, match="2 of 3"):
        judge(make_baseline(), arm)


def test_the_values_of_failed_attempts_do_not_count() -> None:
    shown = make_run(42, 1000.0, state=RunState.FAILED)
    runs = (shown, make_run(42, 1.0, attempt=2), *measured([1.0, 1.0], seeds=(137, 256)))
    assert judge(make_baseline(), experiment_arm(*runs)).delta == pytest.approx(-3.0)


# --- the screening design ---------------------------------------------------------------------------

SCREENING = Rules(design="screening")
SEQUENTIAL = Rules(design="sequential")
MISSED = "That is no verdict: screening saves runs and misses 23 % of 2-sigma improvements."


def judged_under(rules: Rules, values: Sequence[float]) -> Comparison:
    """Judge after each seed until there is an end."""
    baseline = make_baseline(rules=rules)
    for n in range(1, len(values)):
        try:
            return judge(baseline, experiment_arm(*measured(values[:n])))
        except (MoreSeedsNeeded, ExperimentIncomplete):
            continue
    return judge(baseline, experiment_arm(*measured(values)))


@pytest.mark.parametrize(
    ("values", "headline", "reason"),
    [
        # t = -.1 / sqrt(1.2) with four degrees of freedom.
        ([4.1], "DROPPED after 1 seed (screening; no verdict)", "0.5342 after 1 seed; more than 0.5 drops it."),
        # t = .1 / sqrt(.8 x .7) with five.
        ([3.9, 3.9], "DROPPED after 2 seeds (screening; no verdict)", "0.4495 after 2 seeds; more than 0.3 drops it."),
        # t = .5 / sqrt(4/6 x 8/15) with six.
        ([3.5] * 3, "DROPPED after 3 seeds (screening; no verdict)", "0.2169 after 3 seeds; more than 0.2 drops it."),
        # t = .8 / sqrt(.5 x .4) with eight.
        (
            [3.2] * 5,
            "DROPPED after 5 seeds (screening; no verdict)",
            "0.0557 after 5 seeds; at most 0.02 is a WINNER.",
        ),
    ],
)
def test_screening_drops_an_idea_at_each_look_without_a_verdict_and_says_what_it_misses(
    values: list[float], headline: str, reason: str
) -> None:
    comparison = judged_under(SCREENING, values)
    assert (comparison.verdict, comparison.headline) == (Verdict.DROPPED, headline)
    assert comparison.reason == f"One-sided p that the experiment is better: {reason} {MISSED}"
    assert comparison.verdict.heading == "NEUTRAL"
    assert (comparison.confirmation, comparison.caps, comparison.pairs) == (None, (), None)
    assert len(comparison.arm.counted) == len(values)


@pytest.mark.parametrize(
    ("values", "headline", "reason"),
    [
        # t = 2 / sqrt(4/6 x 8/15) with six degrees of freedom, and 1.2 / sqrt(4.02/8 x .4) with eight.
        ([2.0] * 3, "WINNER (unconfirmed; screening design): 2.00 sigma better", "0.0077 after 3 seeds"),
        (
            [2.7, 2.8, 2.9, 2.8, 2.8],
            "WINNER (unconfirmed; screening design): 1.20 sigma better",
            "0.0140 after 5 seeds",
        ),
    ],
)
def test_screening_finds_a_winner_after_three_and_after_five_seeds(
    values: list[float], headline: str, reason: str
) -> None:
    comparison = judged_under(SCREENING, values)
    assert (comparison.verdict, comparison.headline) == (WINNER, headline)
    assert comparison.reason == f"One-sided p that the experiment is better: {reason}; at most 0.02 is a WINNER."
    assert comparison.confirmation is not None and comparison.confirmation.state == "open"


def test_screening_says_no_winner_below_three_seeds_however_clear_they_are() -> None:
    for n, after, due in ((1, "1 seed", 137), (2, "2 seeds", 256)):
        with pytest.raises(MoreSeedsNeeded) as refusal:
            judge(make_baseline(rules=SCREENING), experiment_arm(*measured([-100.0] * n)))
        assert refusal.value.message == f"the look after {after} of muon is open; next: 1 seed, {due}."
    assert judged_under(SCREENING, [-100.0] * 3).verdict is WINNER


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ((), "muon has 0 of 1 seeds; missing: 42."),
        (measured([3.0, 3.0, 3.0, 3.0]), "muon has 4 of 5 seeds; missing: 1024."),
        ((make_run(42, 3.0), make_run(137, state=RunState.RUNNING)), "muon has 1 of 2 seeds; missing: 137."),
        ((make_run(42, 3.0), failed(137, shown=True)), "muon has 1 of 2 seeds; missing: 137."),
    ],
)
def test_screening_names_what_its_next_look_misses(runs: Sequence[Run], says: str) -> None:
    with pytest.raises(ExperimentIncomplete) as refusal:
        judge(make_baseline(rules=SCREENING), experiment_arm(*runs))
    assert refusal.value.message == says


def test_screening_asks_for_both_extra_seeds_where_three_leave_it_open() -> None:
    with pytest.raises(MoreSeedsNeeded) as refusal:
        judge(make_baseline(rules=SCREENING), experiment_arm(*measured([3.0] * 3)))
    assert refusal.value.message == "the look after 3 seeds of muon is open; next: 2 seeds, 512, 1024."


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_under_screening_a_diverged_seed_stays_a_loser_at_every_look(seeds: int) -> None:
    runs = (*measured([2.5] * (seeds - 1)), diverged(SEEDS[seeds - 1]))
    comparison = judge(make_baseline(rules=SCREENING), experiment_arm(*runs))
    assert (comparison.verdict, comparison.headline) == (LOSER, f"LOSER (diverged: 1 of {seeds} seeds)")


def test_under_screening_a_worse_idea_is_dropped_and_no_loser_however_bad_it_is() -> None:
    assert judged_under(SCREENING, [1000.0]).headline == "DROPPED after 1 seed (screening; no verdict)"


def test_screening_with_more_seeds_names_its_own_numbers() -> None:
    rules = Rules(design="screening", experiment_seeds=(42, 137, 256, 512), extra_seeds=())
    dropped = judged_under(rules, [3.2] * 4)
    assert dropped.headline == "DROPPED after 4 seeds (screening; no verdict)"
    assert "after 4 seeds; at most 0.02 is a WINNER" in dropped.reason
    missed = 100 * (1 - screening_power(2.0, rules.sizes).p_winner)
    assert f"misses {missed:.0f} % of 2-sigma improvements" in dropped.reason


def test_an_open_arm_of_the_sequential_design_is_judged_with_p_point_02_at_each_look() -> None:
    baseline = make_baseline(rules=SEQUENTIAL)
    said = [judged_under(SEQUENTIAL, values).headline for values in ([2.0] * 3, [4.1] * 3, [6.0] * 3, [3.2] * 5)]
    assert said == [
        "WINNER (unconfirmed; sequential design): 2.00 sigma better",
        "NEUTRAL (sequential design): 0.10 sigma worse",
        "LOSER (sequential design): 2.00 sigma worse",
        "NEUTRAL (sequential design): 0.80 sigma better",
    ]
    with pytest.raises(ExperimentIncomplete, match="muon has 1 of 3 seeds; missing: 137, 256"):
        judge(baseline, experiment_arm(make_run(42, 9.0)))


# --- verdicts that were given ------------------------------------------------------------------------


def test_a_verdict_of_an_earlier_version_stays_as_it_was_given_whatever_the_rules_of_today_say() -> None:
    arm = replace(experiment_arm(*measured([2.0] * 3)), is_judged=True)
    for rules in (RULES, SEQUENTIAL):
        baseline = make_baseline(rules=rules)
        given = VerdictIssued(
            generation=1,
            experiment="muon",
            runs=runs_behind(arm, baseline),
            verdict="NEUTRAL",
            headline="NEUTRAL (as it was): said",
            report_format=REPORT_FORMAT - 1,
        )
        comparison = judge(baseline, arm, given)
        assert (comparison.verdict, comparison.headline) == (NEUTRAL, "NEUTRAL (as it was): said")
        assert comparison.confirmation is None


def test_a_verdict_of_this_version_is_judged_from_its_runs() -> None:
    baseline = make_baseline(rules=SCREENING)
    arm = replace(experiment_arm(make_run(42, 4.1)), is_judged=True)
    given = VerdictIssued(
        generation=1,
        experiment="muon",
        runs=runs_behind(arm, baseline),
        verdict="WINNER",
        headline="forged",
        report_format=REPORT_FORMAT,
    )
    assert judge(baseline, arm, given).headline == "DROPPED after 1 seed (screening; no verdict)"


# --- for any numbers --------------------------------------------------------------------------------

numbers = st.integers(-2000, 2000)
five_numbers = st.tuples(numbers, numbers, numbers, numbers, numbers)
baselines = five_numbers.filter(lambda values: len(set(values)) > 1)
# Far enough from a threshold that the last bits of a float cannot decide.
CLEAR = 1e-6


def is_clear(comparison: Comparison) -> bool:
    """Whether no threshold is so near that rounding could cross it."""
    sigma = comparison.improvement_sigma
    assert sigma is not None
    return all(abs(abs(sigma) - threshold) > CLEAR for threshold in (1.0, 2.0))


def first_look_is_clear(baseline: Baseline, values: Sequence[float]) -> bool:
    """Whether rounding could not change how many seeds are needed."""
    mean = sum(values[:3]) / 3
    return abs(abs(mean - baseline.mean) / baseline.std - 2) > CLEAR


def moved(values: Sequence[int], scale: float = 1.0, shift: float = 0.0) -> list[float]:
    """The values on another scale."""
    return [value * scale + shift for value in values]


def assert_same_verdict(one: Comparison, other: Comparison) -> None:
    assert other.verdict is one.verdict
    assert len(other.arm.counted) == len(one.arm.counted)
    assert other.improvement_sigma == pytest.approx(one.improvement_sigma, rel=1e-6, abs=1e-6)
    assert other.headline.split()[0] == one.headline.split()[0]


@given(baselines, five_numbers, st.integers(-100_000, 100_000))
def test_adding_the_same_number_to_every_value_changes_no_verdict(
    base: Sequence[int], exp: Sequence[int], shift: int
) -> None:
    baseline = make_baseline(moved(base))
    before = judged(baseline, moved(exp))
    assume(is_clear(before) and first_look_is_clear(baseline, exp))
    after = judged(make_baseline(moved(base, shift=shift)), moved(exp, shift=shift))
    assert_same_verdict(before, after)
    assert after.delta == pytest.approx(before.delta, rel=1e-6, abs=1e-6)


@given(baselines, five_numbers, st.floats(1e-6, 1e6))
def test_measuring_in_another_unit_changes_no_verdict(base: Sequence[int], exp: Sequence[int], scale: float) -> None:
    baseline = make_baseline(moved(base))
    before = judged(baseline, moved(exp))
    assume(is_clear(before) and first_look_is_clear(baseline, exp))
    after = judged(make_baseline(moved(base, scale)), moved(exp, scale))
    assert_same_verdict(before, after)
    assert after.cohens_d == (None if before.cohens_d is None else pytest.approx(before.cohens_d, rel=1e-6, abs=1e-6))


@given(baselines, five_numbers, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_does_not_matter(base: Sequence[int], exp: Sequence[int], random: Random) -> None:
    baseline = make_baseline(moved(base))
    before = judged(baseline, moved(exp))
    assume(is_clear(before))
    runs = list(before.arm.runs)
    random.shuffle(runs)
    after = judge(baseline, Arm(generation=1, experiment="muon", runs=tuple(runs)))
    assert_same_verdict(before, after)
    # Which of the first three seeds had which value does not matter either.
    turned = [*exp[1:3], exp[0], exp[4], exp[3]]
    assert_same_verdict(before, judged(make_baseline(moved(base[::-1])), moved(turned)))


@given(baselines, five_numbers)
def test_negating_every_value_and_turning_the_direction_mirrors_the_verdict(
    base: Sequence[int], exp: Sequence[int]
) -> None:
    minimized = judged(make_baseline(moved(base)), moved(exp))
    maximized = judged(make_baseline(moved(base, -1.0), MAXIMIZE), moved(exp, -1.0))
    assert maximized.verdict is minimized.verdict
    # The mean difference of pairs is printed in the metric's unit, so its sign turns too.
    one, other = (re.sub(r"pairs [+-]", "pairs ", each.headline) for each in (minimized, maximized))
    assert one == other
    assert maximized.delta == -minimized.delta
    assert maximized.cohens_d == (None if minimized.cohens_d is None else -minimized.cohens_d)


@given(baselines, five_numbers)
@example(base=(3, 3, 4, 5, 5), exp=(2, 2, 2, 2, 2))
@example(base=(3, 3, 4, 5, 5), exp=(6, 6, 6, 6, 6))
def test_a_verdict_is_the_exact_comparison_of_the_means_with_two_sigma(base: Sequence[int], exp: Sequence[int]) -> None:
    comparison = judged(make_baseline(moved(base)), moved(exp))
    counted = exp[: len(comparison.arm.counted)]
    better = mean(base) - mean(counted)
    # Squares of whole fractions: no rounding, so a tie is a tie.
    reached = better**2 >= 4 * variance(base)
    assert comparison.verdict is ((WINNER if better > 0 else LOSER) if reached else NEUTRAL)
    assert (comparison.verdict is WINNER) == (comparison.improvement_sigma >= 2 - 1e-9)
    assert (comparison.verdict is LOSER) == (comparison.improvement_sigma <= -2 + 1e-9)


def mean(values: Sequence[int]) -> Fraction:
    """The mean without rounding."""
    return Fraction(sum(values), len(values))


def variance(values: Sequence[int]) -> Fraction:
    """The sample variance (ddof = 1) without rounding."""
    middle = mean(values)
    return sum(((value - middle) ** 2 for value in values), Fraction(0)) / (len(values) - 1)


def test_the_default_rules_are_the_ones_these_cases_were_worked_with() -> None:
    assert (RULES.winner_sigma, RULES.suggestive_sigma, RULES.metric.direction) == (2.0, 1.0, "minimize")
