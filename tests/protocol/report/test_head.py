"""The head of a report: ten lines at most, in their order, and what each of them says."""

import re
from dataclasses import replace

import pytest
from seedproof.model.arms import Arm
from seedproof.model.code import Change, ChangedFile
from seedproof.model.results import Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.phases.baseline import establish_baseline
from seedproof.report.head import experiment_head, tried_words
from seedproof.report.provenance import LedgerFacts
from seedproof.report.summary import reply_lines
from seedproof.verdict.judge import judge

from tests.protocol.report.test_report import (
    CAMPAIGN,
    FACTS,
    LOSSES,
    REPORTS,
    SCREENING,
    arm,
    baseline,
    capped,
    confirmed,
    make_baseline,
    moved,
    on,
)
from tests.support.arms import RULES

WORD = re.compile(r"\S*[A-Za-z0-9]\S*")


def head_of(comparison: Comparison, facts: LedgerFacts = FACTS) -> list[str]:
    return experiment_head(comparison, facts, None, CAMPAIGN, "experiment_muon_1M")


def merge_of(found: Arm | Comparison, facts: LedgerFacts = FACTS) -> str:
    comparison = judge(baseline(), found) if isinstance(found, Arm) else found
    return head_of(comparison, facts)[1].removeprefix("- Merge: ")


def reply_merge(found: Arm | Comparison) -> str:
    comparison = judge(baseline(), found) if isinstance(found, Arm) else found
    return next(line for line in reply_lines(comparison, None, None) if line.startswith("Merge: "))[7:]


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "studies"])
def test_a_head_has_ten_lines_at_most_and_what_a_person_reads_first_500_words(name: str) -> None:
    text = REPORTS[name]()
    head = text.partition("\n## ")[0].splitlines()[1:]
    assert 3 <= sum(bool(line) for line in head) <= 10
    assert all(len(line) <= 260 for line in head)
    assert len(WORD.findall(text.partition("\n## Every Run")[0])) <= 500
    evidence = text.partition("\n## Evidence\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"(?m)^- ", evidence)) <= 6


def test_everything_at_once_fits_in_ten_lines() -> None:
    rules = RULES.model_copy(update={"winner_sigma": 1.5})
    found = replace(moved(), brackets=("13 discarded attempts", "inputs differ: a.bin", "seed not seen"))
    found = replace(found, baseline=make_baseline(LOSSES, rules))
    facts = replace(FACTS, head_lines=("An earlier ledger is gone.", "2 other ledgers began with this code."))
    head = [line for line in head_of(found, facts) if line]
    assert len(head) == 10
    said = "\n".join(head)
    for words in (
        "13 discarded attempts",
        "Inputs differ: a.bin",
        "Accepted: other device",
        "earlier ledger is gone",
        "2 other",
    ):
        assert words in said


def test_what_to_merge_is_a_line_to_paste_once_it_is_confirmed_and_nothing_before() -> None:
    held = confirmed(4.13, 4.121, 4.128, 4.02, 4.012, 4.015)
    assert merge_of(held) == "`--lr 0.02`"
    edited = replace(held, change=Change((ChangedFile("m.py", 1, 1),), "d" * 64), code_change=True)
    with_diff = replace(FACTS, diff="diff --git a/m.py b/m.py\n")
    assert merge_of(edited, with_diff) == "`git apply docs/research/experiment_muon_1M.diff` with `--lr 0.02`"
    assert merge_of(replace(edited, flags=())) == "the change of code in section Code"
    lost = confirmed(4.13, 4.121, 4.128, 4.13, 4.12, 4.13)
    assert merge_of(arm(4.01, 4.02, 4.0)) == "nothing yet, fresh seeds have not confirmed it; tried: `--lr 0.02`"
    assert merge_of(confirmed(4.13)) == "nothing yet, its confirmation has begun; tried: `--lr 0.02`"
    assert merge_of(lost) == "nothing; tried: `--lr 0.02`"
    for found in (arm(4.1175, 4.1174, 4.1176, 4.1175, 4.1174), arm(4.2, 4.21, 4.19)):
        assert merge_of(found) == "nothing; tried: `--lr 0.02`"
    assert merge_of(judge(make_baseline(LOSSES, step=100), capped())).startswith("nothing; tried: ")
    null = replace(held, hypothesis="null: nothing changes")
    assert merge_of(null) == "nothing, it was declared to have no effect; tried: `--lr 0.02`"


def test_compare_merges_what_the_head_merges() -> None:
    held = confirmed(4.13, 4.121, 4.128, 4.02, 4.012, 4.015)
    null = replace(held, hypothesis="null: nothing changes")
    small = replace(judge(baseline(), held), verdict=Verdict.NEUTRAL)
    said = {merge_of(one): reply_merge(one) for one in (held, null, small)}
    assert list(said.values()) == ["--lr 0.02", "nothing", "nothing by the 2-sigma rule, though its small effect holds"]
    for in_head, in_reply in list(said.items())[1:]:
        assert in_head.startswith(in_reply)


def test_flags_are_quoted_as_a_shell_reads_them_and_end_no_code() -> None:
    flags = ("--say", "it`s x", "--data=/home/me/data/x.bin")
    assert merge_of(arm(4.2, 4.21, 4.19, flags=flags)) == "nothing; tried: `--say 'it's x' --data=…/data/x.bin`"


def test_a_diverged_seed_and_a_dropped_idea_have_their_own_words() -> None:
    dropped = head_of(judge(baseline(SCREENING), arm(4.1231, 4.1238)))
    assert dropped[1] == "- Merge: nothing; tried: `--lr 0.02`"
    assert REPORTS["loser_diverged"]().splitlines()[4:6] == [
        "- Effect: none can be given, a seed diverged. Cost: wall times do not compare.",
        "- val_loss 4.1239 -> no mean (5 and 1 seeds)",
    ]


def test_the_place_names_the_date_the_gpu_python_and_the_packages_that_matter() -> None:
    def there(side: Arm) -> Arm:
        runs = (on(run, "NVIDIA H100", "2.12.0") for run in side.runs)
        return replace(
            side, runs=tuple(replace(run, started="2026-11-28T23:59:00Z", ended="2026-11-29T00:01:00Z") for run in runs)
        )

    base = establish_baseline(there(baseline().arm), RULES)
    facts = replace(FACTS, ledger="0123456789ab")
    (place,) = (
        line for line in head_of(judge(base, there(arm(4.01, 4.02, 4.0))), facts) if line.startswith("- Measured")
    )
    assert place == (
        "- Measured 2026-11-28 to 2026-11-29: NVIDIA H100, Python 3.12.1, torch 2.12.0, numpy 2.4.6; "
        "ledger 0123456789ab, head #41 9f2c04a1b7d3"
    )


def test_what_was_tried_is_named_by_flags_and_the_first_files() -> None:
    many = Change(tuple(ChangedFile(f"m{number}.py", 1, 0) for number in range(5)))
    assert tried_words(replace(arm(4.0), change=many)) == "--lr 0.02, m0.py (+1 -0), m1.py (+1 -0), 3 more files"
    assert tried_words(arm(4.0, flags=())) == "no change"


def test_rules_that_differ_stand_in_the_head_with_their_short_values() -> None:
    found = judge(baseline(Rules(winner_sigma=2.5)), arm(4.01, 4.02, 4.0))
    assert "- Rules that differ from the protocol: winner_sigma 2.5" in head_of(found)
