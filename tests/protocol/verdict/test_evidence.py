"""The evidence as a pure function: both directions, what it leaves out, and its words."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.baseline import establish_baseline
from seedproof.report.sections import evidence_lines
from seedproof.report.summary import ideas_line, paragraph
from seedproof.stats.tests import paired, welch
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence, as_document
from seedproof.verdict.judge import judge
from seedproof.verdict.weigh import p_better, weigh

from tests.protocol.verdict.test_judge import KIT_BASELINE, KIT_MUON_LR_0012
from tests.support.arms import (
    MAXIMIZE,
    ROUND_VALUES,
    RULES,
    SEEDS,
    as_attempt,
    baseline_arm,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)

FIVE = (3.2, 3.4, 4.1, 4.6, 5.3)


def compared(values: Sequence[float], base: Sequence[float] = ROUND_VALUES, rules: Rules = RULES) -> Comparison:
    baseline = make_baseline(base, rules)
    try:
        return judge(baseline, experiment_arm(*measured(values[:3])))
    except MoreSeedsNeeded:
        return judge(baseline, experiment_arm(*measured(values)))


BASE_RUNS = list(zip(SEEDS, ROUND_VALUES, strict=True))


def with_runs(base: Sequence[Run], exp: Sequence[Run]) -> Comparison:
    """A comparison of exactly these runs."""
    return judge(establish_baseline(baseline_arm(*base), RULES), experiment_arm(*exp))


def test_the_intervals_are_those_of_the_statistics_in_the_metrics_unit_and_in_percent() -> None:
    found = weigh(compared(FIVE))
    by_seed = paired(dict(zip(SEEDS, ROUND_VALUES, strict=True)), dict(zip(SEEDS, FIVE, strict=True)))
    for interval, expected in ((found.unpaired, welch(ROUND_VALUES, FIVE)), (found.paired, by_seed)):
        assert interval is not None
        assert (interval.difference, interval.low, interval.high) == (
            expected.difference,
            expected.low,
            expected.high,
        )
        assert (interval.t, interval.df, interval.p_value) == (expected.t, expected.df, expected.p_value)
        # The baseline's mean is 4.
        assert interval.low_percent == pytest.approx(25 * expected.low)
        assert interval.high_percent == pytest.approx(25 * expected.high)
        assert interval.p_better == pytest.approx(1 - expected.p_value / 2)  # higher, so worse
    assert found.paired is not None and found.paired.correlation == by_seed.correlation


def test_with_maximize_the_same_numbers_are_better() -> None:
    up, down = weigh(compared(FIVE, rules=MAXIMIZE)), weigh(compared(FIVE))
    assert up.unpaired is not None and down.unpaired is not None
    assert up.unpaired.p_better == pytest.approx(1 - down.unpaired.p_better)
    assert up.per_seed is not None and down.per_seed is not None
    assert (up.per_seed.improved, down.per_seed.improved) == (4, 1)


def test_hours_lie_between_the_baselines_last_end_and_the_experiments_first_start() -> None:
    def at(hour: float) -> str:
        return f"2026-01-01T{int(hour):02}:{round(hour % 1 * 60):02}:00.000Z"

    base = [make_run(seed, value, experiment=None, ended=at(place)) for place, (seed, value) in enumerate(BASE_RUNS)]
    exp = [replace(run, started=at(5.5 + place)) for place, run in enumerate(measured(FIVE))]
    assert weigh(with_runs(base, exp)).hours_between == pytest.approx(1.5)  # from 4:00 to 5:30
    overlapping = [replace(run, started=at(1)) for run in exp]
    assert weigh(with_runs(base, overlapping)).hours_between == 0
    assert weigh(with_runs(base, [replace(run, started=None) for run in exp])).hours_between is None


@pytest.mark.parametrize(
    ("hosts", "same"), [(("lab", "lab"), True), (("lab", "other"), False), (("lab", None), None), ((None, None), None)]
)
def test_the_machine_is_the_same_different_or_not_known(
    hosts: tuple[str | None, str | None], same: bool | None
) -> None:
    surroundings = [{} if host is None else {"host": host} for host in hosts]
    base = [make_run(seed, value, experiment=None, surroundings=surroundings[0]) for seed, value in BASE_RUNS]
    exp = [make_run(seed, value, surroundings=surroundings[1]) for seed, value in zip(SEEDS, FIVE, strict=True)]
    found = with_runs(base, exp)
    assert weigh(found).same_machine is same
    said = {True: "on the same machine", False: "on different machines", None: "on machines that are not known"}[same]
    assert said in evidence_lines(found, weigh(found), None)[-1]


@pytest.mark.parametrize(
    ("starts", "said"),
    [(("6.2", "6.2", "6.2", "6.2", "6.2"), True), (("6.2",) * 4 + ("6.3",), False), (("6.2",) * 4 + (None,), False)],
)
def test_equal_losses_at_step_0_say_that_sigma_covers_no_initialisation(
    starts: Sequence[str | None], said: bool
) -> None:
    base = [
        make_run(seed, value, experiment=None, start_text=text)
        for (seed, value), text in zip(BASE_RUNS, starts, strict=True)
    ]
    words = weigh(with_runs(base, measured(FIVE))).seed_varies
    expected = "val_loss at step 0 is 6.2 for all seeds: sigma covers data order, not initialisation."
    assert words == (expected if said else None)


def test_a_diverged_arm_keeps_what_needs_no_difference() -> None:
    found = weigh(judge(make_baseline(), experiment_arm(*measured((1.0, 1.1)), diverged(256))))
    assert found.unavailable == {"differences": "seed 256 diverged, so no difference has a meaning"}
    assert (found.unpaired, found.paired, found.per_seed) == (None,) * 3
    assert found.false_winner.independent == pytest.approx(0.0305, abs=5e-5)
    assert found.smallest_detectable.difference == pytest.approx(2.53, abs=0.005)


def test_attempts_that_failed_do_not_enter() -> None:
    runs = (failed(42, shown=True), *(as_attempt(run, 2) if run.seed == 42 else run for run in measured(FIVE)))
    clean = weigh(judge(make_baseline(), experiment_arm(*measured(FIVE))))
    assert weigh(judge(make_baseline(), experiment_arm(*runs))) == clean


def test_a_single_value_gives_no_p() -> None:
    base = dict(zip(SEEDS, ROUND_VALUES, strict=True))
    for primary in ("unpaired", "paired"):
        assert p_better(base, {42: 1.0}, primary, -1) is None  # type: ignore[arg-type]
        assert p_better(base, {}, primary, -1) is None  # type: ignore[arg-type]


def test_what_the_ledger_keeps_reads_back_as_the_same_evidence_to_ten_digits() -> None:
    found = weigh(compared(KIT_MUON_LR_0012, KIT_BASELINE))
    document = json.loads(json.dumps(as_document(found), allow_nan=False))
    back = TypeAdapter(Evidence).validate_python(document)
    assert as_document(back) == as_document(found)
    assert back.unpaired is not None and found.unpaired is not None
    assert back.unpaired.t == pytest.approx(found.unpaired.t, rel=1e-9)


def test_the_paragraph_is_one_that_a_researcher_can_paste() -> None:
    comparison = compared(KIT_MUON_LR_0012, KIT_BASELINE)
    assert paragraph(comparison, weigh(comparison), None) == (
        "muon was compared with its baseline over 5 baseline and 5 experiment seeds at 1M tokens: NEUTRAL: 1.60 sigma "
        "better, below the 2-sigma rule; same-seed pairs -0.0499. Difference in val_loss: -0.0499 (-1.32 %), "
        "experiment minus baseline: better; 95 % interval -0.0900 to -0.0098 (Welch). Where nothing differs, the rule "
        "says WINNER in 3.0 % and LOSER in 3.0 % of experiments (independent seeds, normal noise, equal spread); it "
        "misses one in five true improvements of 2.5 sigma. Confirmation: 0 of 12 runs on fresh seeds."
    )


SELECTED = " A WINNER was selected by its size: its interval covers a small true effect less often than 95 %."


def test_beside_a_winner_its_interval_x() -> None:
    for values, said in (((1.0, 1.1, 0.9), True), (FIVE, False), ((7.0, 7.5, 8.0), False)):
        comparison = compared(values)
        evidence = weigh(comparison)
        assert (f"(Welch).{SELECTED}" in paragraph(comparison, evidence, None)) == said


def test_the_section_says_how_often_the_rule_errs_to_either_side() -> None:
    comparison = compared(FIVE)
    found = weigh(comparison)
    assert found.false_winner.loser == found.false_winner.independent
    assert (
        "- Where nothing differs, the rule says WINNER in 3.0 % and LOSER in 3.0 % of experiments "
        "(independent seeds, normal noise, equal spread); WINNER in 1.0 % and in 0.1 % where equal seeds correlate by "
        ".6 and .9."
    ) in evidence_lines(comparison, found, None)


def test_evidence_that_a_version_before_recorded_is_read_without_what_went_and_says_nothing_of_losers() -> None:
    comparison = compared(FIVE)
    old = as_document(weigh(comparison)) | {"claim": None, "class_share_under_no_effect": {"large": 0.3}}
    old["hedges_g"] = {"g": 1.0, "low": 0.0, "high": 2.0}
    del old["false_winner"]["loser"]
    back = TypeAdapter(Evidence).validate_python(old)
    assert back.false_winner.loser is None
    said = paragraph(comparison, back, None)
    assert (
        "the rule says WINNER in 3.0 % of experiments (independent seeds, normal noise, equal spread); it misses"
        in said
    )


@pytest.mark.parametrize(
    ("declared", "chance", "said"),
    [
        (1, 0.0305, "1. If none helped, one idea would show a WINNER by luck 3.0 % of the time"),
        (3, 0.0679, "3. If none helped, three ideas would show a WINNER by luck 6.8 % of the time"),
        (12, 0.15, "12. If none helped, twelve ideas would show a WINNER by luck 15.0 % of the time"),
        (13, 0.16, "13. If none helped, 13 ideas would show a WINNER by luck 16.0 % of the time"),
        (2, None, "2. If none helped, two ideas would show 0.06 WINNERs by luck"),
    ],
)
def test_the_number_of_ideas_is_said_with_what_luck_alone_makes_of_them(
    declared: int, chance: float | None, said: str
) -> None:
    label = "independent seeds, normal noise, equal spread"
    counted = Campaign(declared, declared, 0, 0, 0.0609, chance, label)
    assert ideas_line(counted) == f"Ideas tried: {said}"


def test_there_is_no_power_at_the_effect_seen() -> None:
    words = "\n".join(evidence_lines(comparison := compared(FIVE), weigh(comparison), None))
    assert "80 % probability" in words
    assert "observed power" not in words and "post hoc" not in words


values = st.lists(st.integers(0, 12).map(float), min_size=5, max_size=5)


@given(values.filter(lambda base: len(set(base)) > 1), values)
def test_for_any_values_every_number_is_finite_and_what_is_missing_has_its_reason(
    base: list[float], exp: list[float]
) -> None:
    found = weigh(compared(exp, base))
    json.dumps(as_document(found), allow_nan=False)
    for part in ("unpaired", "paired"):
        assert (getattr(found, part) is None) == (part in found.unavailable)
    if found.unpaired is not None:
        assert found.unpaired.low <= found.unpaired.difference <= found.unpaired.high
        assert 0 <= found.unpaired.p_better <= 1
    assert found.per_seed is not None
    assert math.isfinite(found.smallest_detectable.high)


@pytest.mark.parametrize(
    ("differences", "outlier"),
    [
        ((0.1, 0.2, 0.15, 0.12, 9.0), 1024),
        ((0.1, 0.1, 0.1, 0.1, 9.0), 1024),
        ((0.1, 0.1, 0.1, 0.1, 0.1), None),
        ((0.1, 0.2, 0.15, 0.12, 0.25), None),
        ((-9.0, 0.2, 0.15, 0.12, 9.0), None),
    ],
    ids=["far from the rest", "far from equal ones", "all equal", "none", "two"],
)
def test_a_seed_far_from_the_others_is_named(differences: tuple[float, ...], outlier: int | None) -> None:
    # Sigma is 100, so that all five seeds are due whatever the differences are.
    base = (300.0, 300.0, 400.0, 500.0, 500.0)
    values = [before + after for before, after in zip(base, differences, strict=True)]
    found = weigh(compared(values, base)).per_seed
    assert found is not None
    assert found.outlier_seed == outlier
    assert (found.pattern == "one_outlier") == (outlier is not None)
