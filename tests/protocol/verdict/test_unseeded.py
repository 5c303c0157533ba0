"""Verdicts on runs without a seed: each headline says so, and nothing goes by pairs."""

import pytest
from seedproof.ledger.state import State
from seedproof.model.results import Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.notices.runs import bracket_sentences
from seedproof.report.sections import evidence_lines
from seedproof.report.summary import paragraph
from seedproof.verdict.campaign import choose_primary
from seedproof.verdict.headline import shown_brackets
from seedproof.verdict.judge import judge
from seedproof.verdict.weigh import weigh

from tests.protocol.verdict.test_signs import SAME, arm_of, baseline_of
from tests.support.arms import RULES, diverged, experiment_arm, make_baseline, measured
from tests.support.stories import Story

UNSEEDED = Rules(command=("python", "train.py", "{flags}"), seed="unseeded", winner_sigma=2.0)
SCREENING = UNSEEDED.model_copy(update={"design": "screening"})
# Each seed a little better than the baseline's (3, 3, 4, 5, 5): pairs would tell, the means do not.
PAIRED = (2.9, 2.89, 3.9, 4.91, 4.9)


def judged(*runs: Run, rules: Rules = UNSEEDED) -> Comparison:
    return judge(make_baseline(rules=rules), experiment_arm(*runs))


@pytest.mark.parametrize(
    ("runs", "rules", "headline"),
    [
        (measured((1.0, 1.1, 0.9)), UNSEEDED, "WINNER (unconfirmed; unseeded): 3.00 sigma better"),
        (measured((7.0, 7.1, 6.9)), UNSEEDED, "LOSER (unseeded): 3.00 sigma worse"),
        (measured(PAIRED), UNSEEDED, "NEUTRAL (unseeded): 0.10 sigma better, noise"),
        ((diverged(42),), UNSEEDED, "LOSER (diverged: 1 of 1 seeds; unseeded)"),
        (measured((6.0,)), SCREENING, "DROPPED after 1 seed (screening; no verdict; unseeded)"),
    ],
)
def test_every_headline_says_it(runs: tuple[Run, ...], rules: Rules, headline: str) -> None:
    assert judged(*runs, rules=rules).headline == headline


def test_it_takes_no_place_from_other_brackets() -> None:
    others = ("trained shorter", "inputs differ: a", "variables differ")
    assert shown_brackets(("unseeded", *others)) == (
        "unseeded",
        "inputs differ: a",
        "variables differ",
        "+1 more, see report",
    )
    assert shown_brackets(others[:2]) == ("inputs differ: a", "trained shorter")


def test_the_report_says_what_it_means() -> None:
    (name, sentence), *others = bracket_sentences(judged(*measured((7.0, 7.1, 6.9))))
    assert (name, others) == ("unseeded", [])
    assert "the runs were given no seed, so none can be repeated" in sentence


def test_pairs_of_equal_seeds_are_never_said() -> None:
    seeded, without = judged(*measured(PAIRED), rules=RULES), judged(*measured(PAIRED))
    assert seeded.pairs is not None and without.pairs is None
    assert without.verdict is Verdict.NEUTRAL
    evidence = weigh(without)
    assert (evidence.primary, evidence.paired, evidence.per_seed) == ("unpaired", None, None)
    assert evidence.false_winner.correlation_06 is None
    words = " ".join([*evidence_lines(without, evidence, None), paragraph(without, evidence, None)])
    assert "Seed by seed" not in words and "correlate" not in words
    assert "Not available: paired (the runs have no seed, so none of them belong together)." in words


def test_the_paired_interval_is_never_primary_and_their_correlation_is_not_counted() -> None:
    rules = UNSEEDED.model_copy(update={"pairing": "paired"})
    assert choose_primary(State(), rules) == ("unpaired", "as the runs have no seed")
    told = Story(UNSEEDED)
    told.baseline((4.00, 4.01, 3.99, 4.02, 3.98))
    for name in ("a", "b", "c"):
        told.experiment(name, [4.50, 4.51, 4.49])
    assert choose_primary(told.state, RULES)[1].startswith("by default: 0 earlier arms")


def test_that_no_seed_varies_the_runs_is_not_told_once_more() -> None:
    baseline, arm = baseline_of(SAME, rules=UNSEEDED), arm_of([f"{4 + place / 100:.4f}" for place in range(5)])
    assert [name for name, _ in bracket_sentences(judge(baseline, arm))] == ["unseeded"]


@pytest.mark.parametrize(("rules", "is_told"), [(UNSEEDED, False), (RULES, True)])
def test_runs_of_equal_seed_are_no_repeats(rules: Rules, is_told: bool) -> None:
    told = Story(rules)
    told.tell("generation_started", generation=1, rules=rules.document(), reason=None)
    key = {"run_id": "g1-baseline-s42-a1", "generation": 1, "role": "measure", "experiment": None}
    told.tell("run_requested", **key, seed=42, attempt=1)
    fingerprint = {"code_sha256": "c", "environment_sha256": "e"}
    told.tell("run_started", run_id=key["run_id"], argv=[], output_dir="out", timeout_s=None, fingerprint=fingerprint)
    value = {"val_loss": {"value": 4.0, "text": "4.0"}}
    told.tell("run_finished", run_id=key["run_id"], state="succeeded", metrics=value, wall_time_s=2.0)
    assert bool(told.state.repeats.values) is is_told
