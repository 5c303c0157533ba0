"""Baselines and comparisons become Markdown: a pure function of the ledger before the report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seedproof.model.arms import Arm, Baseline
from seedproof.model.command import training_argv
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden, one_line
from seedproof.notices.environment import comparability_notices
from seedproof.notices.runs import baseline_notices, comparison_notices
from seedproof.report.code_section import code_lines, identity
from seedproof.report.sections import Digits, confirmation_lines, evidence_lines, summary_lines
from seedproof.report.tables import metric_names, run_table, statistics_table, test_table, wall_clock_table
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.confirmation import pairs_of
from seedproof.verdict.evidence import Evidence, as_document

__all__ = [
    "REPORT_FORMAT",
    "EarlierGeneration",
    "EarlierVerdict",
    "LedgerFacts",
    "baseline_report",
    "experiment_report",
]

REPORT_FORMAT = 4


@dataclass(frozen=True, slots=True)
class EarlierGeneration:
    """A superseded baseline as later reports print it."""

    number: int
    """Its number."""
    reason: str | None
    """Why it was started; None for the first."""
    seeds: int
    """Seeds with a finite value."""
    mean: float | None
    """Their mean; None if there is none."""


@dataclass(frozen=True, slots=True)
class EarlierVerdict:
    """What an earlier generation said of an experiment of the same name."""

    generation: int
    """Its number."""
    headline: str
    """Verdict and distance."""
    at_seq: int
    """Number of the record."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What a report says of the ledger it was written from."""

    head: str
    """Ledger head before the report's own record, such as `#41 9f2c04a1b7d3`."""
    records: int
    """How many records it held."""
    began: str
    """Time of the first record."""
    reason: str | None
    """Why the present generation was started."""
    earlier: tuple[EarlierGeneration, ...]
    """Generations before the present one."""
    adoption: str | None = None
    """What the present generation took over from the one before, or why it took over nothing."""
    verdicts: tuple[EarlierVerdict, ...] = ()
    """Verdicts of earlier generations on the experiment of this name: its report replaces theirs."""
    controls: tuple[Run, ...] = ()
    """Every control run of the ledger, in the order of their requests."""
    past: tuple[str, ...] = ()
    """What is known of ledgers before it, of copies, and of records that it does not hold any more."""


def baseline_report(baseline: Baseline, facts: LedgerFacts, figure: str) -> str:
    """`baseline_variance_<scale>.md`.

    Args:
        figure: File name of the figure, which lies beside the report.
    """
    rules = baseline.rules
    name = rules.metric.name
    side = "at most" if rules.metric.direction == "minimize" else "at least"
    n = len(rules.baseline_seeds)
    number = Digits(baseline)
    lines = [
        f"# Baseline Variance ({rules.label} tokens)",
        "",
        f"- {name}: {number(baseline.mean)} ± {number(baseline.std)} (mean ± standard deviation, {n} seeds)",
        f"- {_what_a_winner_needs(rules)} {side} {number(baseline.winner_threshold)} ({rules.winner_sigma:g} sigma).",
        "",
        f"![Every baseline seed: {name} and wall time]({figure})",
        "",
        f"## Baseline Statistics (N={n} runs)",
        "",
        *statistics_table(baseline.arm, rules, number),
        "",
        *run_table([("baseline", baseline.arm)], rules),
        "",
        "## Command",
        "",
        *_command(rules, (), "baseline"),
        "",
        *_provenance(baseline, facts),
        *_notices([*baseline_notices(baseline), *comparability_notices(baseline.arm)]),
        *_machine_readable(_baseline_document(baseline, facts)),
        "",
        _closing(rules),
    ]
    return "\n".join(lines) + "\n"


def experiment_report(
    comparison: Comparison,
    facts: LedgerFacts,
    evidence: Evidence | None,
    campaign: Campaign | None,
    figure: str,
    disclosed: Sequence[Notice] = (),
) -> str:
    """`experiment_<name>_<scale>.md`, with the sections of the experiment-runner protocol.

    Args:
        evidence: As written down with the verdict; None in a ledger from before there was any.
        campaign: Likewise.
        figure: File name of the figure, which lies beside the report.
        disclosed: What the ledger knows of the experiment beside the runs of the two arms.
    """
    baseline, arm = comparison.baseline, comparison.arm
    number = Digits(baseline)
    rules = baseline.rules
    lines = [
        f"# Experiment: {arm.experiment}",
        "",
        *(f"- {line}" for line in summary_lines(comparison, evidence, campaign)),
        "",
        f"![Every seed of {arm.experiment} and of the baseline: {rules.metric.name} and wall time]({figure})",
        "",
        f"## Baseline Statistics (N={len(baseline.arm.counted)} runs)",
        "",
        *statistics_table(baseline.arm, rules, number),
        "",
        f"## Experiment Statistics (N={len(arm.counted)} runs)",
        "",
        *statistics_table(arm, rules, number),
        "",
        "## Statistical Test",
        "",
        *test_table(comparison),
        "",
        "## Wall Clock",
        "",
        *wall_clock_table(comparison),
        "",
        f"## Verdict: {comparison.verdict}",
        "",
        comparison.reason,
        *_large_beside_neutral(comparison),
        "",
        *_section("Confirmation", confirmation_lines(comparison)),
        *_section("Evidence", [] if evidence is None else evidence_lines(comparison, evidence, campaign)),
        "## Hypothesis",
        "",
        *_quoted(arm.hypothesis),
        "",
        *_section("Code", code_lines(baseline, arm, facts.controls)),
        "## Flags and Command",
        "",
        *_command(rules, arm.flags, f"exp_{arm.experiment}"),
        "",
        *run_table([("baseline", baseline.arm), (arm.experiment or "", arm)], rules),
        "",
        *_provenance(baseline, facts),
        *_notices([*comparison_notices(comparison), *comparability_notices(baseline.arm, arm), *disclosed]),
        *_machine_readable(_comparison_document(comparison, facts, evidence, campaign)),
        "",
        _closing(rules),
    ]
    return "\n".join(lines) + "\n"


def _what_a_winner_needs(rules: Rules) -> str:
    if rules.design == "sequential":
        return "Experiments are judged by the sequential design; the protocol's own rule would ask for a mean of"
    return "A WINNER needs a mean of"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _large_beside_neutral(comparison: Comparison) -> list[str]:
    if comparison.verdict != "NEUTRAL" or comparison.caps or comparison.effect_size != "large":
        return []
    return [
        "",
        "Cohen's d is large although the verdict is NEUTRAL: d divides by the spread pooled over both arms, "
        "which is small when the experiment's few seeds happen to lie close together, while the verdict asks "
        "for a distance in the baseline's own sigma. "
        "With so few seeds a large d is common without any effect; it is reported and never decides.",
    ]


def _quoted(text: str) -> list[str]:
    lines = text.splitlines() or [""]
    return [f"> {escape_hidden(line)}".rstrip() for line in lines]


def _command(rules: Rules, flags: Sequence[str], arm: str) -> list[str]:
    seed = rules.baseline_seeds[0]
    folder = f"checkpoints/{arm}_{rules.label}_seed{seed}"
    shown = " ".join(_shell(_short(part)) for part in training_argv(rules, "python", seed, flags, folder))
    flag_text = _json([_short(flag) for flag in flags]) if flags else "none"
    return ["```text", f"flags: {flag_text}", "```", "", "```bash", shown, "```"]


def _short(part: str) -> str:
    """A word of a command as a report shows it: of an absolute path, the last two names.

    Reports are published; how the folders of one machine are called says nothing about a result.
    """
    name, equals, value = part.partition("=")
    if part.startswith("/"):
        name, equals, value = "", "", part
    if not value.startswith("/"):
        return part
    return f"{name}{equals}…/{'/'.join([one for one in value.split('/') if one][-2:])}"


def _json(value: Any) -> str:
    """JSON for a reader: ASCII, but for the ellipsis that `_short` writes."""
    return json.dumps(value).replace(r"\u2026", "…")


def _shell(part: str) -> str:
    plain = part and all(letter.isalnum() or letter in "-_=./,:+@%…" for letter in part)
    return part if plain else "'" + part.replace("'", "'\"'\"'") + "'"


def _provenance(baseline: Baseline, facts: LedgerFacts) -> list[str]:
    lines = [
        "## Provenance",
        "",
        f"- Ledger head: {facts.head}; {facts.records} records, begun {facts.began}",
        *(f"- {line}" for line in facts.past),
        f"- Baseline generation: {baseline.generation}",
        *([] if baseline.arm.code is None else [f"- Code of the baseline: {identity(baseline.arm.code)}"]),
    ]
    if facts.adoption:
        lines.append(f"- This generation {one_line(facts.adoption)}.")
    if facts.reason:
        lines.append(f"- Reason of this generation: {one_line(facts.reason)}")
    for earlier in facts.earlier:
        mean = "no result" if earlier.mean is None else f"mean {earlier.mean:.6g} over {earlier.seeds} seeds"
        reason = f"; reason: {one_line(earlier.reason)}" if earlier.reason else ""
        lines.append(f"- Earlier generation {earlier.number}: {mean}{reason}")
    for verdict in facts.verdicts:
        lines.append(
            f"- Earlier verdict on this name, generation {verdict.generation}: "
            f"{verdict.headline} (record #{verdict.at_seq})"
        )
    differences = baseline.rules.differences()
    if not differences:
        lines.append("- Rules: all as in the protocol.")
    for name, default, present in differences:
        if name == "command":
            present = [_short(part) for part in present]
        lines.append(f"- Rule {name} differs: `{_json(present)}` (protocol: `{json.dumps(default)}`)")
    return [*lines, ""]


def _notices(notices: Sequence[Notice]) -> list[str]:
    return _section("Notices", [f"- {one_line(notice.message)}" for notice in notices])


def _machine_readable(document: dict[str, Any]) -> list[str]:
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return ["## Machine Readable", "", "```json", text, "```"]


def _arm_document(arm: Arm, rules: Rules) -> dict[str, Any]:
    return {name: {str(seed): value for seed, value in arm.finite(name).items()} for name in metric_names(rules)}


def _baseline_document(baseline: Baseline, facts: LedgerFacts) -> dict[str, Any]:
    return {
        "report_format": REPORT_FORMAT,
        "kind": "baseline",
        "generation": baseline.generation,
        "code_sha256": None if baseline.arm.code is None else baseline.arm.code.sha256,
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
        "flags": [_short(flag) for flag in comparison.arm.flags],
        "verdict": str(comparison.verdict),
        "headline": comparison.headline,
        "caps": list(comparison.caps),
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
            for pair in pairs_of(comparison.arm, rules)
        ],
    }


def _fresh(run: Run | None, rules: Rules) -> dict[str, float | None] | None:
    return None if run is None else {name: run.value(name) for name in metric_names(rules)}


def _closing(rules: Rules) -> str:
    return f"Measured at {rules.label} tokens, on this validation set."
