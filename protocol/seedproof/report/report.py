"""Reports in Markdown on a baseline and on an experiment, and the JSON with their numbers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import REPORT_FORMAT, Comparison, Notice, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden, one_line
from seedproof.notices.environment import comparability_notices
from seedproof.notices.runs import baseline_notices, comparison_notices
from seedproof.report.code_section import code_lines
from seedproof.report.head import baseline_head, experiment_head
from seedproof.report.provenance import LedgerFacts, command_lines, provenance_lines, shorten_path
from seedproof.report.sections import confirmation_lines, evidence_lines
from seedproof.report.summary import Digits, paragraph, scale, scale_in_title
from seedproof.report.tables import metric_names, run_table, statistics_table, test_table, wall_clock_table
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.confirmation import pairs_of
from seedproof.verdict.evidence import Evidence, as_document
from seedproof.verdict.length import length_remark

__all__ = ["baseline_numbers", "baseline_report", "experiment_numbers", "experiment_report"]


def baseline_report(baseline: Baseline, facts: LedgerFacts, stem: str) -> str:
    """`baseline_variance_<scale>.md`.

    Args:
        stem: Name of the report's file without its ending; figure and numbers lie beside it.
    """
    rules = baseline.rules
    lines = [
        f"# Baseline Variance{scale_in_title(rules)}",
        "",
        *baseline_head(baseline, facts, stem),
        "",
        *_section(
            f"Baseline Statistics (N={len(rules.baseline_seeds)} runs)",
            statistics_table(baseline.arm, rules, Digits(baseline)),
        ),
        *run_table([("baseline", baseline.arm)], rules),
        "",
        *_section("Command", command_lines(rules, (), "baseline")),
        *provenance_lines(baseline, facts),
        *_notices([*baseline_notices(baseline), *comparability_notices(baseline.arm)]),
        *_machine_readable(stem),
        _last_line(rules),
    ]
    return "\n".join(lines) + "\n"


def experiment_report(
    comparison: Comparison,
    facts: LedgerFacts,
    evidence: Evidence | None,
    campaign: Campaign | None,
    stem: str,
    disclosed: Sequence[Notice] = (),
) -> str:
    """`experiment_<name>_<scale>.md`, with the sections of the experiment-runner protocol.

    Args:
        evidence: As recorded with the verdict; None in a ledger from before there was any.
        campaign: Likewise.
        stem: Name of the report's file without its ending; figure, numbers and change lie beside it.
        disclosed: Further notices, on what the ledger knows besides the runs of the two arms.
    """
    baseline, arm = comparison.baseline, comparison.arm
    rules, number = baseline.rules, Digits(baseline)
    lines = [
        f"# Experiment: {arm.experiment}",
        "",
        *experiment_head(comparison, facts, evidence, campaign, stem),
        "",
        *_section(
            f"Baseline Statistics (N={len(baseline.arm.counted)} runs)", statistics_table(baseline.arm, rules, number)
        ),
        *_section(f"Experiment Statistics (N={len(arm.counted)} runs)", statistics_table(arm, rules, number)),
        *_section("Statistical Test", test_table(comparison)),
        *_section("Wall Clock", wall_clock_table(comparison)),
        *_section(
            f"Verdict: {comparison.verdict.heading}",
            [comparison.reason, *_large_beside_neutral(comparison), *_other_length(comparison)],
        ),
        *_section("Confirmation", confirmation_lines(comparison)),
        *_section("Evidence", [] if evidence is None else evidence_lines(comparison, evidence, campaign)),
        *run_table([("baseline", baseline.arm), (arm.experiment or "", arm)], rules),
        "",
        *_section("Hypothesis", [f"> {escape_hidden(line)}".rstrip() for line in arm.hypothesis.splitlines() or [""]]),
        *_section("Code", code_lines(baseline, arm, facts.controls, facts.diff, stem)),
        *_section("Flags and Command", command_lines(rules, arm.flags, f"exp_{arm.experiment}", arm.replaces)),
        *_section("Paragraph to Paste", [] if evidence is None else [paragraph(comparison, evidence, campaign)]),
        *provenance_lines(baseline, facts, arm),
        *_notices([*comparison_notices(comparison), *comparability_notices(baseline.arm, arm), *disclosed]),
        *_machine_readable(stem),
        _last_line(rules),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    """A section with its heading; nothing where it has no lines."""
    return [f"## {title}", "", *lines, ""] if lines else []


def _large_beside_neutral(comparison: Comparison) -> list[str]:
    if comparison.verdict != "NEUTRAL" or comparison.caps or comparison.effect_size != "large":
        return []
    return [
        "",
        "Cohen's d is large although the verdict is NEUTRAL: it divides by the spread of both arms, which is small "
        "when the experiment's few seeds happen to lie close together. That is common without any effect, and d "
        "never decides.",
    ]


def _other_length(comparison: Comparison) -> list[str]:
    """Says that the arms trained for other lengths where the rules allow that."""
    remark = length_remark(comparison.baseline, comparison.arm)
    return [] if remark is None else ["", one_line(remark)]


def _last_line(rules: Rules) -> str:
    """What the numbers hold for."""
    return f"Measured{f'{scale(rules)},' if scale(rules) else ''} on this validation set."


def _notices(notices: Sequence[Notice]) -> list[str]:
    return _section("Notices", [f"- {one_line(notice.message)}" for notice in notices])


def _machine_readable(stem: str) -> list[str]:
    return _section("Machine Readable", [f"Every number of this report: [{stem}.json]({stem}.json)"])


# --- the numbers beside a report ----------------------------------------------------------------


def baseline_numbers(baseline: Baseline, facts: LedgerFacts) -> str:
    """`baseline_variance_<scale>.json`."""
    return _json(_baseline_document(baseline, facts))


def experiment_numbers(
    comparison: Comparison, facts: LedgerFacts, evidence: Evidence | None, campaign: Campaign | None
) -> str:
    """`experiment_<name>_<scale>.json`; the arguments are those of its report."""
    return _json(_comparison_document(comparison, facts, evidence, campaign))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def _arm_document(arm: Arm, rules: Rules) -> dict[str, Any]:
    return {name: {str(seed): value for seed, value in arm.finite(name).items()} for name in metric_names(rules)}


def _baseline_document(baseline: Baseline, facts: LedgerFacts) -> dict[str, Any]:
    return {
        "report_format": REPORT_FORMAT,
        "kind": "baseline",
        "generation": baseline.generation,
        "code_sha256": None if baseline.arm.code is None else baseline.arm.code.sha256,
        "ledger": facts.ledger,
        "ledger_head": facts.head,
        "mean": baseline.mean,
        "std": baseline.std,
        "winner_threshold": baseline.winner_threshold,
        "per_seed": _arm_document(baseline.arm, baseline.rules),
    }


def _comparison_document(
    comparison: Comparison, facts: LedgerFacts, evidence: Evidence | None, campaign: Campaign | None
) -> dict[str, Any]:
    rules = comparison.baseline.rules
    return {
        **_baseline_document(comparison.baseline, facts),
        "kind": "experiment",
        "experiment": comparison.arm.experiment,
        "experiment_code_sha256": None if comparison.arm.code is None else comparison.arm.code.sha256,
        "code_change": comparison.arm.code_change,
        "change": None if comparison.arm.change is None else comparison.arm.change.document(),
        "flags": [shorten_path(flag) for flag in comparison.arm.flags],
        "verdict": None if comparison.verdict is Verdict.DROPPED else str(comparison.verdict),
        "headline": comparison.headline,
        "caps": list(comparison.caps),
        "brackets": list(comparison.brackets),
        "pairs": None if comparison.pairs is None else asdict(comparison.pairs),
        "delta": comparison.delta,
        "improvement_sigma": comparison.improvement_sigma,
        "cohens_d": comparison.cohens_d,
        "wall_time_change_percent": comparison.wall_time_change_percent,
        "accepted": [asdict(one) for one in comparison.accepted],
        "experiment_per_seed": _arm_document(comparison.arm, rules),
        "evidence": None if evidence is None else asdict(evidence),
        "campaign": None if campaign is None else as_document(campaign),
        "confirmation": None if comparison.confirmation is None else asdict(comparison.confirmation),
        "fresh_per_seed": [
            {"seed": pair.seed, "control": _fresh(pair.control, rules), "experiment": _fresh(pair.experiment, rules)}
            for pair in pairs_of(comparison.arm)
        ],
    }


def _fresh(run: Run | None, rules: Rules) -> dict[str, float | None] | None:
    return None if run is None else {name: run.value(name) for name in metric_names(rules)}
