"""Builds the parts of results from state and study: rows, summaries, notices, and the result of a comparison."""

from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter
from seedproof.commands.argv import training_argv
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import ReportWritten
from seedproof.model.arms import Arm
from seedproof.model.results import Comparison, Notice, Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.notices.declarations import created_notices, declared_notices
from seedproof.notices.environment import comparability_notices
from seedproof.notices.readings import reading_notices
from seedproof.notices.repeats import log_notices
from seedproof.notices.runs import comparison_notices
from seedproof.phases.experiment_state import experiment_state
from seedproof.phases.next_call import after_report, campaign_next, experiment_next
from seedproof.phases.study import Study
from seedproof.report.provenance import quote_for_shell
from seedproof.report.summary import paragraph, reply_lines
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import Campaign, Key
from seedproof.verdict.evidence import Evidence

from seedproof_mcp.runner.clean_up import CleanUp
from seedproof_mcp.service.replies.comparison import ComparisonResult
from seedproof_mcp.service.replies.report import ReportResult
from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.rows import (
    ArmSummary,
    ExperimentRow,
    MetricSummary,
    NoticeResult,
    RunningRow,
    SeedRow,
    shortened_line,
)

__all__ = [
    "declared_command",
    "arm_summaries",
    "comparison_result",
    "experiment_row",
    "notice_results",
    "remaining_seeds",
    "report_result",
    "running_row",
    "seed_rows",
    "standing_report",
    "summaries",
    "verdict_notices",
    "written_evidence",
]


_EVIDENCE = TypeAdapter(Evidence)
_CAMPAIGN = TypeAdapter(Campaign)


def summaries(arm: Arm, rules: Rules) -> dict[str, MetricSummary]:
    """The summary of each metric of an arm, without values by seed."""
    return {
        name: MetricSummary(n=found.n, mean=found.mean, std=found.std, min=found.min, max=found.max)
        for name, found in arm_summaries(arm, rules).items()
    }


def arm_summaries(arm: Arm, rules: Rules) -> dict[str, ArmSummary]:
    """The summary of each metric that has values; of a diverged arm only the wall time."""
    found = {}
    for name in [*(metric.name for metric in rules.metrics), "wall_time_s"]:
        values = arm.finite(name)
        if not values or (arm.diverged_seeds and name != "wall_time_s"):
            continue
        summary = summarize(list(values.values()))
        found[name] = ArmSummary(
            n=summary.n,
            mean=summary.mean,
            std=summary.std,
            min=summary.min,
            max=summary.max,
            per_seed={str(seed): value for seed, value in values.items()},
        )
    return found


def seed_rows(arm: Arm, rules: Rules) -> list[SeedRow]:
    """The newest attempt at each baseline seed that has one."""
    rows = []
    for seed in rules.baseline_seeds:
        for run in arm.attempts(seed)[-1:]:
            metrics = {name: found.value for name, found in run.metrics.items()}
            if run.wall_time_s is not None:
                metrics["wall_time_s"] = run.wall_time_s
            rows.append(
                SeedRow(seed=seed, state=run.state.value, attempt=run.attempt, run_id=run.run_id, metrics=metrics)
            )
    return rows


def running_row(run: Run) -> RunningRow:
    """The row of a run that is training."""
    return RunningRow(run_id=run.run_id, experiment=run.experiment, seed=run.seed, attempt=run.attempt)


def experiment_row(
    study: Study, experiment: Experiment, adjusted: Mapping[Key, tuple[float, float]], merged: Mapping[int, int]
) -> ExperimentRow:
    """The row of an experiment.

    Args:
        adjusted: p value and Holm's adjusted p value of each judged experiment.
        merged: The generation that merged it, by its place.
    """
    standing, verdict = study.standing(experiment), experiment.verdict
    arm, look = standing.arm, standing.look
    present = study.generation is not None and experiment.generation == study.generation.number
    p_better, p_holm = adjusted.get((experiment.generation, experiment.name), (None, None))
    row_state, reason = experiment_state(study, experiment)
    is_stale = standing.control.state == "failed"
    return ExperimentRow.model_validate(
        {
            "experiment": experiment.name,
            "generation": experiment.generation,
            "flags": list(experiment.flags),
            "code_change": experiment.code_change,
            "is_null": arm.is_null,
            "hypothesis": shortened_line(experiment.hypothesis),
            "state": row_state,
            "reason": reason,
            "seeds_done": len(arm.counted),
            "seeds_needed": len(look.due) if present and not is_stale else 0,
            "verdict": verdict.verdict if verdict and row_state != "dropped" else None,
            "headline": verdict.headline if verdict else None,
            "report_path": experiment.report.path if experiment.report else None,
            "p_better": p_better,
            "p_holm": p_holm,
            "confirmation": verdict.confirmation.state if verdict and verdict.confirmation else None,
            "merged": merged.get(experiment.place),
        }
    )


def remaining_seeds(study: Study, run: Run) -> int:
    """How many seeds, or runs of a confirmation, the arm of a run still needs."""
    state = study.state
    if run.role is Role.PROBE:
        return 0
    if run.experiment is None:
        # The newest generation that it counts for: a larger baseline takes over the runs of the previous one.
        newest = next(one for one in reversed(state.generations) if run.run_id in one.run_ids)
        return len(study.phase_of(newest.number).look.due)
    standing = study.standing(state.generations[run.generation - 1].experiments[run.experiment])
    if run.role is Role.CONFIRM:
        return len(standing.confirmation.due)
    if run.role is Role.CONTROL and run.state.is_active:
        return 1
    return len(standing.look.due)


def declared_command(study: Study, run: Run) -> str | None:
    """The command of the first run of an experiment with flags, for a shell: what these do to it is seen here."""
    if run.experiment is None:
        return None
    experiment = study.state.generations[run.generation - 1].experiments[run.experiment]
    measured = next((one for one in experiment.run_ids if study.state.runs[one].role is Role.MEASURE), None)
    if run.run_id != measured or not experiment.flags:
        return None
    rules = study.state.rules_of(run.generation)
    folder = run.key.output_dir(rules.label)
    python = str(run.surroundings.get("interpreter", "python"))  # not known before its start
    argv = training_argv(rules, python, run.seed, experiment.flags, folder, experiment.replaces)
    return " ".join(map(quote_for_shell, argv))


def notice_results(notices: Iterable[Notice]) -> list[NoticeResult]:
    """Notices in the form of results."""
    return [NoticeResult.of(notice) for notice in notices]


def written_evidence(experiment: Experiment) -> tuple[Evidence | None, Campaign | None]:
    """The evidence and the campaign recorded with the newest verdict; None where they were not recorded."""
    verdict = experiment.verdict
    if verdict is None:
        return None, None
    return (
        None if verdict.evidence is None else _EVIDENCE.validate_python(verdict.evidence),
        None if verdict.campaign is None else _CAMPAIGN.validate_python(verdict.campaign),
    )


def verdict_notices(study: Study, experiment: Experiment) -> list[Notice]:
    """Notices with a verdict that do not come from its runs: on the declaration, equal logs, and created files."""
    declared = declared_notices(study, experiment, verdicts=True)
    read_again = reading_notices(study.state.generations[experiment.generation - 1])
    return [*declared, *log_notices(study.state, experiment), *created_notices(study.state), *read_again]


def comparison_result(study: Study, comparison: Comparison, past: Iterable[Notice] = ()) -> ComparisonResult:
    """The result of a comparison.

    Args:
        past: Notices on the ledger's past.
    """
    baseline, arm = comparison.baseline, comparison.arm
    rules = baseline.rules
    experiment = study.state.generations[baseline.generation - 1].experiments[arm.experiment or ""]
    is_present = study.find(experiment.name) is experiment
    evidence, counted = written_evidence(experiment)
    return ComparisonResult(
        experiment=experiment.name,
        headline=comparison.headline,
        verdict=None if comparison.verdict is Verdict.DROPPED else comparison.verdict,
        caps=list(comparison.caps),
        reason=comparison.reason,
        metric=rules.metric.name,
        direction=rules.metric.direction,
        delta=comparison.delta,
        improvement_sigma=comparison.improvement_sigma,
        change_percent=comparison.change_percent,
        cohens_d=comparison.cohens_d,
        effect_size=comparison.effect_size,
        significant=comparison.significant,
        baseline_metrics=arm_summaries(baseline.arm, rules),
        experiment_metrics=arm_summaries(arm, rules),
        wall_time_change_percent=comparison.wall_time_change_percent,
        evidence=evidence,
        campaign=counted,
        confirmation=comparison.confirmation,
        brackets=list(comparison.brackets),
        pairs=comparison.pairs,
        accepted=list(comparison.accepted),
        paragraph=None if evidence is None else paragraph(comparison, evidence, counted),
        generation=experiment.generation,
        report_path=standing_report(study.state, experiment),
        against=None,
        facts=reply_lines(comparison, evidence, counted),
        ledger_head=study.state.head_label,
        notices=notice_results(
            [
                *comparison_notices(comparison),
                *comparability_notices(baseline.arm, arm),
                *verdict_notices(study, experiment),
                *past,
            ]
        ),
        next=Follow.of(experiment_next(study, experiment) if is_present else campaign_next(study)),
    )


def standing_report(state: State, experiment: Experiment) -> str | None:
    """The path of an experiment's report; None without one, and where a later one has taken the place of its file."""
    report = experiment.report
    return report.path if report is not None and state.reports[report.path].seq == report.seq else None


def report_result(study: Study, report: ReportWritten, done: CleanUp, notices: Iterable[Notice]) -> ReportResult:
    """The result of writing a report.

    Args:
        done: What the clean-up behind it did.
    """
    experiment = None if report.experiment is None else study.find(report.experiment)
    return ReportResult.model_validate(
        {
            "path": report.path,
            "sha256": report.sha256,
            "headline": report.headline,
            "verdict": None if report.verdict == Verdict.DROPPED else report.verdict,
            "figures": list(report.figures),
            "removed": [*done.folders, *done.left],
            "freed_bytes": done.freed_bytes,
            "kept": done.kept,
            "ledger_head": study.state.head_label,
            "notices": notice_results(notices),
            "next": Follow.of(after_report(study, experiment)),
        }
    )
