"""What caps a WINNER: runs that stopped early, did not train, or were drawn a second time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.model.arms import Arm, Baseline
from seedproof.model.lengths import Lengths
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.results import Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.phases.baseline import establish_baseline
from seedproof.report.sections import evidence_lines
from seedproof.report.summary import paragraph
from seedproof.report.tables import test_table as significance_table
from seedproof.verdict.judge import judge
from seedproof.verdict.plausibility import caps_on, did_not_train
from seedproof.verdict.weigh import weigh

from tests.support.arms import ROUND_VALUES, RULES, SEEDS, as_attempt, baseline_arm, experiment_arm, make_run, measured

SEQUENTIAL = Rules(design="sequential")
BETTER = (0.9, 1.0, 1.1)


def base_of(
    steps: Sequence[int | None] = (100,) * 5,
    walls: Sequence[float | None] = (10.0,) * 5,
    rules: Rules = RULES,
    extra: Sequence[Run] = (),
    lengths: Lengths = Lengths(),  # noqa: B008 - frozen
) -> Baseline:
    """A baseline of mean 4 and sigma 1."""
    runs = [
        make_run(seed, value, experiment=None, step=step, wall_time_s=wall, lengths=lengths)
        for seed, value, step, wall in zip(SEEDS, ROUND_VALUES, steps, walls, strict=True)
    ]
    return establish_baseline(baseline_arm(*extra, *runs), rules)


def arm_of(values: Sequence[float] = BETTER, **more: object) -> Arm:
    return experiment_arm(*measured(values, **{"step": 100, **more}))


def stopped(seed: int, value: float | None = 5.0, **more: object) -> Run:
    return make_run(seed, value, state=RunState.CANCELLED, reason="# not good", **more)


def again(seed: int, arm: Arm) -> Arm:
    """The same arm with an attempt that was stopped before one of its seeds."""
    runs = tuple(as_attempt(run, 2) if run.seed == seed else run for run in arm.runs)
    return replace(arm, runs=(stopped(seed), *runs))


def test_an_experiment_that_trained_as_long_is_capped_by_nothing() -> None:
    comparison = judge(base_of(), arm_of())
    assert (comparison.verdict, comparison.caps) == (Verdict.WINNER, ())


@pytest.mark.parametrize(
    ("base_wall", "wall", "is_capped"),
    [
        (10.0, 1.9, True),
        (10.0, 2.0, False),  # exactly a fifth
        (10.0, None, False),
        (None, 1.0, False),
        (0.9, 0.01, False),  # start-up and load, not training
    ],
)
def test_less_than_a_fifth_of_the_baselines_wall_time_caps(
    base_wall: float | None, wall: float | None, is_capped: bool
) -> None:
    comparison = judge(base_of(walls=(base_wall,) * 5), arm_of(wall_time_s=wall))
    assert comparison.caps == (("did not train",) if is_capped else ())
    if is_capped:
        assert comparison.headline == "NEUTRAL (capped: did not train): 3.00 sigma better"
        assert "seed 42 lasted 1.90 s" in comparison.reason and "10.00 s: did it train?" in comparison.reason


@pytest.mark.parametrize(("wall", "is_capped"), [(1.9, False), (0.4, True)])
def test_a_run_with_less_company_than_the_baseline_had_may_be_as_much_faster(wall: float, is_capped: bool) -> None:
    alone, baseline = arm_of(wall_time_s=wall), base_of(walls=(10.0,) * 5)
    crowded = replace(baseline.arm, runs=tuple(replace(run, neighbours=3) for run in baseline.arm.runs))
    assert (did_not_train(crowded, alone) is not None) is is_capped
    assert did_not_train(baseline.arm, alone) is not None


def test_a_counted_seed_that_was_stopped_after_its_first_value_caps() -> None:
    comparison = judge(base_of(), again(42, arm_of()))
    assert comparison.headline == "NEUTRAL (capped: cancelled seed): 3.00 sigma better"
    assert "Cancelled seed: seed 42 was stopped after it had shown 5, and was run anew" in comparison.reason
    assert "# not good" not in comparison.reason  # words that somebody chose stay in the table of runs


def test_a_seed_of_the_baseline_that_was_drawn_again_caps_as_well() -> None:
    comparison = judge(base_of(extra=[stopped(42, experiment=None)]), arm_of())
    assert comparison.caps == ("cancelled seed",)
    assert "the baseline's seed 42 was stopped after it had shown 5" in comparison.reason


@pytest.mark.parametrize(
    "first",
    [
        stopped(42, None),
        make_run(42, 5.0, state=RunState.FAILED),
        make_run(42, 5.0, state=RunState.INTERRUPTED),
        make_run(42, 5.0, state=RunState.TIMED_OUT),
        stopped(512),  # a seed that does not count
    ],
    ids=["no value", "failed", "interrupted", "timed out", "not counted"],
)
def test_other_attempts_without_a_result_do_not_cap(first: Run) -> None:
    runs = tuple(as_attempt(run, 2) if run.seed == first.seed else run for run in arm_of().runs)
    assert judge(base_of(), experiment_arm(first, *runs)).caps == ()


def test_a_value_that_the_log_showed_at_step_0_counts_where_the_metric_is_read_from_a_file() -> None:
    arm = experiment_arm(stopped(42, None, start_text="6.2394"), *arm_of().runs)
    assert judge(base_of(), arm).caps == ("cancelled seed",)


def test_several_caps_stand_together() -> None:
    comparison = judge(base_of(), again(42, arm_of(step=1, wall_time_s=0.1)))
    assert comparison.headline == "NEUTRAL (capped: stopped early, did not train, cancelled seed): 3.00 sigma better"
    assert comparison.caps == ("stopped early", "did not train", "cancelled seed")


def test_a_loser_stays_a_loser_and_a_neutral_one_keeps_its_words() -> None:
    loser = judge(base_of(), again(42, arm_of((7.0, 7.0, 7.0), step=1)))
    assert (loser.headline, loser.caps) == ("LOSER (trained shorter): 3.00 sigma worse", ())
    neutral = judge(base_of(), arm_of((2.5,) * 5, step=1))
    assert (neutral.headline, neutral.caps) == (
        "NEUTRAL (trained shorter): 1.50 sigma better, suggestive but inconclusive",
        (),
    )


def test_under_the_sequential_design_a_cap_stands_before_the_design() -> None:
    comparison = judge(base_of(rules=SEQUENTIAL), arm_of(step=50, wall_time_s=5.0))
    assert (comparison.verdict, comparison.caps) == (Verdict.NEUTRAL, ("stopped early",))
    assert comparison.headline == ("NEUTRAL (capped: stopped early) (sequential design): 3.00 sigma better")


def test_nothing_beside_a_capped_verdict_calls_it_inconclusive_or_a_claim() -> None:
    comparison = judge(base_of(), arm_of(step=50, wall_time_s=5.0))
    evidence = weigh(comparison)
    lines = evidence_lines(comparison, evidence, None)
    text = "\n".join([*lines, paragraph(comparison, evidence, None), *significance_table(comparison)])
    assert "The difference is not trusted (stopped early)" in text
    assert "disagree" not in text and "suggestive" not in text
    assert "yes (2 sigma rule), capped: stopped early" in text


# --- for any runs ---------------------------------------------------------------------------------

steps = st.one_of(st.none(), st.integers(0, 120))
walls = st.one_of(st.none(), st.floats(0, 20))
values = st.integers(-8, 12).map(float)
sides = st.lists(st.tuples(values, steps, walls, st.booleans()), min_size=5, max_size=5)
RANK = {Verdict.LOSER: 0, Verdict.NEUTRAL: 1, Verdict.WINNER: 2}


def runs_of(side: Sequence[tuple[float, int | None, float | None, bool]], experiment: str | None) -> list[Run]:
    runs = []
    for seed, (value, step, wall, was_stopped) in zip(SEEDS, side, strict=False):
        runs += [stopped(seed, experiment=experiment)] if was_stopped else []
        runs.append(make_run(seed, value, experiment=experiment, step=step, wall_time_s=wall, attempt=1 + was_stopped))
    return runs


def judged(baseline: Baseline, runs: Sequence[Run]) -> Comparison:
    try:
        return judge(baseline, experiment_arm(*[run for run in runs if run.seed in SEEDS[:3]]))
    except MoreSeedsNeeded:
        return judge(baseline, experiment_arm(*runs))


def plain(run: Run) -> Run:
    return replace(run, step=None, wall_time_s=None)


@given(sides, sides, st.sampled_from([RULES, SEQUENTIAL]))
def test_a_cap_changes_a_winner_into_neutral_and_nothing_else(
    base: Sequence[tuple[float, int | None, float | None, bool]],
    exp: Sequence[tuple[float, int | None, float | None, bool]],
    rules: Rules,
) -> None:
    base = [(value, *rest) for value, (_, *rest) in zip(ROUND_VALUES, base, strict=True)]
    shown = runs_of(base, None)
    baseline = establish_baseline(baseline_arm(*shown), rules)
    comparison = judged(baseline, runs_of(exp, "muon"))
    uncapped = judged(
        establish_baseline(baseline_arm(*[plain(run) for run in shown if run.state.is_counted]), rules),
        [plain(run) for run in runs_of(exp, "muon") if run.state.is_counted],
    )
    assert uncapped.caps == ()
    assert RANK[comparison.verdict] <= RANK[uncapped.verdict]
    changed = comparison.verdict is not uncapped.verdict
    assert changed == bool(comparison.caps)
    if changed:
        assert (uncapped.verdict, comparison.verdict) == (Verdict.WINNER, Verdict.NEUTRAL)
        assert comparison.caps == tuple(cap.name for cap in caps_on(baseline, comparison.arm))
        assert comparison.headline.startswith(f"NEUTRAL (capped: {', '.join(comparison.caps)})")
    else:
        assert (comparison.headline, comparison.reason) == (uncapped.headline, uncapped.reason)
    assert comparison.improvement_sigma == uncapped.improvement_sigma
