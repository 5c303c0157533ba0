"""Reports, compared whole with the files in tests/golden, and what no text from outside may do to them."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import TypeAdapter
from seedproof.model.arms import Arm, Baseline, FreshPlan
from seedproof.model.code import Change, ChangedFile, Code
from seedproof.model.metric_rule import MetricRule
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.baseline import establish_baseline
from seedproof.report.provenance import EarlierGeneration, LedgerFacts
from seedproof.report.report import baseline_report, experiment_report
from seedproof.report.study_page import study_page
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.comparability import differences
from seedproof.verdict.evidence import Evidence, as_document
from seedproof.verdict.judge import judge
from seedproof.verdict.weigh import weigh

from tests.support.arms import (
    MAXIMIZE,
    RULES,
    as_attempt,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)
from tests.support.places import GOLDEN
from tests.support.seeds import FRESH_SIX
from tests.support.study_stories import a_study, study_of

FACTS = LedgerFacts(head="#41 9f2c04a1b7d3", records=41, began="2026-01-01T00:00:00.000Z", reason=None, earlier=())
LATER = LedgerFacts(
    head="#99 0123456789ab",
    records=99,
    began="2026-01-01T00:00:00.000Z",
    reason="new driver\n# and a heading",
    earlier=(EarlierGeneration(1, None, 5, 4.25), EarlierGeneration(2, "the data | moved", 0, None)),
    past=("An earlier ledger of this folder, begun 2025-12-31T00:00:00.000Z, with 41 records, is gone.",),
)
LOSSES = (4.1234, 4.1190, 4.1302, 4.1251, 4.1218)
TUNED = Rules(
    winner_sigma=2.5,
    extra_metrics=(MetricRule(name="val_accuracy", direction="maximize", pattern="acc (?P<value>.+)"),),
)


SCREENING = Rules(winner_sigma=2.0, design="screening")


def baseline(rules: Rules = RULES) -> Baseline:
    return make_baseline(LOSSES, rules)


def arm(*losses: float, flags: tuple[str, ...] = ("--lr", "0.02"), hypothesis: str = "a higher rate helps") -> Arm:
    return experiment_arm(*measured(losses, wall_time_s=8.0), flags=flags, hypothesis=hypothesis)


CAMPAIGN = Campaign(
    declared=12,
    declared_in_generation=3,
    nulls=2,
    winners=1,
    false_winners_expected=0.365,
    false_winner_chance=0.1875,
    label="independent seeds, normal noise, equal spread",
    p_better=0.0123,
    p_holm=0.1476,
    advice="A larger baseline would pay.",
)


def report_of(comparison: Comparison, facts: LedgerFacts = FACTS, disclosed: Sequence[Notice] = ()) -> str:
    """The report beside which the evidence stands as the ledger keeps it."""
    evidence = TypeAdapter(Evidence).validate_python(as_document(weigh(comparison)))
    return experiment_report(comparison, facts, evidence, CAMPAIGN, "figure", disclosed)


def retried() -> Arm:
    again = make_run(42, 4.2, attempt=2)
    runs = (failed(42, shown=True), again, *measured((4.21, 4.19), seeds=(137, 256)))
    return experiment_arm(*runs, flags=("--say", "it's", "x y"), hypothesis="null: | nothing\n# changes")


def confirmed(*losses: float, slower: float = 0.0) -> Arm:
    """A WINNER with the fresh runs of its first three pairs: three controls, then three with flags."""
    winner, fresh = arm(4.01, 4.02, 4.0), []
    for place, loss in enumerate(losses):
        seed, is_control = FRESH_SIX[place % 3], place < 3
        wall_time_s = 8.0 + place % 3 / 10 + (0.0 if is_control else slower)
        here = {"host": "lab-1"}
        more = {"role": Role.CONFIRM, "is_control": is_control, "surroundings": here, "wall_time_s": wall_time_s}
        fresh.append(make_run(seed, loss, **more))
    return replace(winner, fresh_plan=FreshPlan(FRESH_SIX, "winner"), fresh=tuple(fresh))


def on(run: Run, gpu: str, torch: str, load: float = 0.5, **more: object) -> Run:
    """The run with a place: a GPU, a version of torch, and what else its fingerprint holds."""
    packages = {"numpy": "2.4.6", "torch": torch}
    place = {"implementation": "cpython", "version": "3.12.1", "packages": packages, "torch": torch, "cuda": "12.8"}
    surroundings = {"host": "lab-1", "cpu_count": 8, "env": {}, **more}
    environment = {**place, "gpus": [gpu], "driver": "550.54"}
    return replace(run, environment=environment, surroundings=surroundings, load=load)


def moved() -> Comparison:
    """A WINNER measured with another torch, on another GPU and host than its baseline: accepted by the settings."""
    base, exp = baseline(), arm(4.01, 4.02, 4.0)
    runs = tuple(on(run, "NVIDIA A100", "2.12.0") for run in base.arm.runs)
    base = establish_baseline(replace(base.arm, runs=runs), RULES)
    more = {"host": "lab-2", "env": {"OMP_NUM_THREADS": "4", "PYTHONPATH": "/home/me/lib"}}
    exp = replace(exp, runs=tuple(on(run, "NVIDIA H100", "2.13.0", 9.0, **more) for run in exp.runs))
    return judge(base, exp, accepted=differences(base.arm, exp))


def capped() -> Arm:
    """A WINNER by its values: one seed was stopped and drawn anew, another one ended early."""
    losses = (4.01, 4.02, 4.0)
    second = [as_attempt(run, 2 if run.seed == 42 else 1) for run in measured(losses, step=100, wall_time_s=8.0)]
    runs = (
        make_run(42, 4.2, state=RunState.CANCELLED, reason="it looked bad\n# truly", step=50, wall_time_s=4.0),
        *second[:2],
        replace(second[2], step=60, wall_time_s=1.5),
    )
    control = make_run(42, 4.1234, role=Role.CONTROL, step=100)
    return experiment_arm(*runs, controls=(control,), flags=("--val_tokens", "65536"), hypothesis="it helps")


def edited_in_place() -> Comparison:
    """A WINNER by a change of code where no code can be given back."""
    base = baseline()
    base = establish_baseline(replace(base.arm, code=Code("b" * 64, "in-place")), RULES)
    winner = arm(4.01, 4.02, 4.0, flags=())
    change = Change((ChangedFile("train_llm.py", 2, 1),), "d" * 64)
    return judge(base, replace(winner, code=Code("e" * 64, "in-place"), change=change, code_change=True))


DISCLOSED = (Notice("flag_suspect", "muon: by its name --val_tokens may change evaluation, data or length."),)

REPORTS = {
    "winner_accepted_elsewhere": lambda: report_of(moved()),
    "baseline": lambda: baseline_report(baseline(), FACTS, "figure"),
    "baseline_generation_3": lambda: baseline_report(baseline(TUNED), LATER, "figure"),
    "baseline_maximize": lambda: baseline_report(
        make_baseline((0.5, 0.51, 0.49, 0.52, 0.5), MAXIMIZE), FACTS, "figure"
    ),
    "winner": lambda: report_of(judge(baseline(), arm(4.01, 4.02, 4.0))),
    "neutral_large_d": lambda: report_of(judge(baseline(), arm(4.1175, 4.1174, 4.1176, 4.1175, 4.1174))),
    "loser_with_a_failed_attempt": lambda: report_of(judge(baseline(TUNED), retried()), LATER),
    "loser_diverged": lambda: report_of(
        judge(baseline(), experiment_arm(diverged(42, reason="the last val_loss is nan"), flags=("--lr", "9")))
    ),
    "dropped_by_screening": lambda: report_of(judge(baseline(SCREENING), arm(4.1231, 4.1238))),
    "before_there_was_evidence": lambda: experiment_report(
        judge(baseline(), arm(4.01, 4.02, 4.0)), FACTS, None, None, "figure"
    ),
    "winner_capped": lambda: report_of(judge(make_baseline(LOSSES, step=100), capped()), disclosed=DISCLOSED),
    "winner_that_cannot_be_confirmed": lambda: report_of(edited_in_place()),
    "winner_confirmed": lambda: report_of(judge(baseline(), confirmed(4.13, 4.121, 4.128, 4.02, 4.012, 4.015))),
    "studies": lambda: study_page(study_of(a_study()), "studies.svg"),
    "winner_not_confirmed_and_slower": lambda: report_of(
        judge(baseline(), confirmed(4.13, 4.121, 4.128, 4.13, 4.12, 4.13, slower=3.0))
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_is_the_golden_one_byte_for_byte(name: str) -> None:
    golden, text = GOLDEN / f"{name}.md", REPORTS[name]()
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(text)
        pytest.skip("written anew by `make golden`")
    assert text == golden.read_text()


OTHER = Rules(
    winner_sigma=3.0,
    suggestive_sigma=1.5,
    worthwhile_sigma=2.5,
    baseline_seeds=(42, 137, 256, 512),
    experiment_seeds=(42, 137, 256, 512),
    extra_seeds=(),
)


def test_a_report_under_other_rules_has_the_numbers_of_these_rules() -> None:
    base = make_baseline(LOSSES[:4], OTHER)
    base = establish_baseline(replace(base.arm, code=Code("b" * 64, "in-place")), OTHER)
    # Each seed a little better than its baseline: the paired interval leaves zero out, the distance is below 3 sigma.
    better = arm(*(loss - 0.003 - place * 1e-4 for place, loss in enumerate(LOSSES[:4])))
    control = make_run(42, LOSSES[0], role=Role.CONTROL)
    code = Code("e" * 64, "in-place")
    change = Change((ChangedFile("train_llm.py", 2, 1),), None)
    text = report_of(judge(base, replace(better, code=code, change=change, controls=(control,))))
    assert "the 3-sigma rule does not" in text
    assert "(3 sigma rule)" in text
    assert "moves every result by 3 true sigma passes in" in text and "by 7.5 in" in text
    for report in (text, baseline_report(base, FACTS, "figure")):
        # The list of rules that differ names the protocol's numbers; one in five is the power, which is no rule.
        own = re.sub(r"(?m)^- Rule .*$|one in five", "", report)
        assert (
            re.findall(r"(?i)\b2(?:\.0)?[- ](?:true )?sigma|\b(?:five|5) (?:\w+ )?(?:seeds?|runs?)|five|six", own) == []
        )


def test_the_report_of_a_dropped_idea_stands_under_neutral_and_says_that_it_is_no_verdict() -> None:
    text = REPORTS["dropped_by_screening"]()
    assert "- DROPPED after 2 seeds (screening; no verdict)" in text
    assert re.findall(r"(?m)^## Verdict: .*$", text) == ["## Verdict: NEUTRAL"]
    assert "That is no verdict: screening saves runs and misses 23 % of 2-sigma improvements." in text
    assert "The verdict DROPPED" not in text and "noise" not in text.replace("normal noise", "")


def test_no_golden_report_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.md")} == set(REPORTS)


@pytest.mark.parametrize("name", REPORTS)
def test_words_from_outside_begin_no_heading_and_no_table_row(name: str) -> None:
    expected = {"Baseline", "Experiment", "Experiment:", "Statistical", "Wall", "Verdict:", "Hypothesis", "Flags"}
    expected |= {"Command", "Every", "Provenance", "Machine", "Notices", "Evidence", "Confirmation", "Code"}
    expected |= {"Study", "Generation", "Error", "Paragraph"}
    headings = [line for line in REPORTS[name]().splitlines() if line.startswith("#")]
    assert {line.split()[1] for line in headings} <= expected


def test_the_sections_are_those_of_the_protocol_in_its_order() -> None:
    text = REPORTS["winner"]()
    wanted = [
        "# Experiment: muon",
        "## Baseline Statistics (N=5 runs)",
        "| Metric | Mean | Std | Min | Max |",
        "## Experiment Statistics (N=3 runs)",
        "## Statistical Test",
        "| Metric | Cohen's d | Effect Size | Significant? |",
        "## Wall Clock",
        "| | Baseline Mean | Experiment Mean | Delta |",
        "## Verdict: WINNER",
    ]
    places = [text.index(line) for line in wanted]
    assert places == sorted(places)
