"""What the ledger's state looks like in a result: rows, summaries, what comes next."""

from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.notices.declarations import created_notices, declared_notices
from seedproof.notices.environment import comparability_notices
from seedproof.notices.runs import comparison_notices, log_notices
from seedproof.phases.looks import Look
from seedproof.phases.next_call import experiment_next
from seedproof.phases.study import Study
from seedproof.report.summary import paragraph
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import Campaign, Key
from seedproof.verdict.evidence import Evidence

from seedproof_mcp.service.results import (
    ArmSummary,
    ComparisonResult,
    ExperimentRow,
    Follow,
    MetricSummary,
    NoticeResult,
    RunningRow,
    SeedRow,
)

__all__ = [
    "arm_ended",
    "arm_summaries",
    "comparison_result",
    "disclosed",
    "eta",
    "experiment_row",
    "notice_results",
    "remaining",
    "running_row",
    "seed_rows",
    "summaries",
    "written_evidence",
]


_EVIDENCE = TypeAdapter(Evidence)
_CAMPAIGN = TypeAdapter(Campaign)


def summaries(arm: Arm, rules: Rules) -> dict[str, MetricSummary]:
    """Each metric of an arm without its seeds."""
    return {
        name: MetricSummary(n=found.n, mean=found.mean, std=found.std, min=found.min, max=found.max)
        for name, found in arm_summaries(arm, rules).items()
    }


def arm_summaries(arm: Arm, rules: Rules) -> dict[str, ArmSummary]:
    """Each metric that has values; of a diverged arm only the wall time."""
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


def running_row(run: Run | None) -> RunningRow | None:
    """The run that is training, as lists show it."""
    if run is None:
        return None
    return RunningRow(run_id=run.run_id, experiment=run.experiment, seed=run.seed, attempt=run.attempt)


def arm_ended(look: Look) -> str | None:
    """Why an experiment ends without a verdict; None while it may still get one."""
    return f"seed {look.failed[0]} failed for good; the arm ends without a verdict" if look.failed else None


def experiment_row(study: Study, experiment: Experiment, adjusted: Mapping[Key, tuple[float, float]]) -> ExperimentRow:
    """One experiment as lists show it.

    Args:
        adjusted: (p, Holm's adjusted p) of each judged experiment as of now.
    """
    standing, verdict = study.standing(experiment), experiment.verdict
    arm, look, stale = standing.arm, standing.look, None
    if standing.control.state == "failed":
        stale = "its control does not agree with the baseline, or failed for good; it gets no verdict"
    present = study.generation is not None and experiment.generation == study.generation.number
    p_better, p_holm = adjusted.get((experiment.generation, experiment.name), (None, None))
    word = (
        "judged" if verdict else "failed" if look.failed or stale else "measured" if look.is_complete else "measuring"
    )
    if verdict is None and not present:
        word = "superseded"
    elif word == "measuring" and not arm.runs:
        word = "declared"
    return ExperimentRow.model_validate(
        {
            "experiment": experiment.name,
            "generation": experiment.generation,
            "flags": list(experiment.flags),
            "code_change": experiment.code_change,
            "is_null": arm.is_null,
            "hypothesis": experiment.hypothesis,
            "state": word,
            "reason": (stale or arm_ended(look)) if word == "failed" else None,
            "seeds_done": len(arm.counted),
            "seeds_needed": len(look.due) if present and not stale else 0,
            "verdict": verdict.verdict if verdict else None,
            "headline": verdict.headline if verdict else None,
            "report_path": experiment.report.path if experiment.report else None,
            "p_better": p_better,
            "p_holm": p_holm,
            "confirmation": verdict.confirmation.state if verdict and verdict.confirmation else None,
        }
    )


def remaining(study: Study, run: Run) -> int:
    """How many seeds the arm of a run still needs."""
    state = study.state
    if run.experiment is None:
        # The newest baseline that it counts for: a larger one takes over the runs of the one before.
        newest = next(one for one in reversed(state.generations) if run.run_id in one.run_ids)
        return len(study.phase_of(newest.number).look.due)
    standing = study.standing(state.generations[run.generation - 1].experiments[run.experiment])
    if run.role is Role.CONFIRM:
        return len(standing.confirmation.due)
    if run.role is Role.CONTROL and run.state.is_active:
        return 1
    return len(standing.look.due)


def eta(state: State, rules: Rules, run: Run, elapsed_s: float | None) -> float | None:
    """Seconds to go, from the mean wall time of the baseline runs so far."""
    times = list(state.baseline_arm(run.generation).finite("wall_time_s").values())
    if elapsed_s is None or not times:
        return None
    return max(0.0, summarize(times).mean - elapsed_s)


def notice_results(notices: Iterable[Notice]) -> list[NoticeResult]:
    """Notices as a reply shows them."""
    return [NoticeResult.of(notice) for notice in notices]


def written_evidence(experiment: Experiment) -> tuple[Evidence | None, Campaign | None]:
    """Evidence and campaign as they were written down with the newest verdict; None before there were any."""
    verdict = experiment.verdict
    if verdict is None:
        return None, None
    return (
        None if verdict.evidence is None else _EVIDENCE.validate_python(verdict.evidence),
        None if verdict.campaign is None else _CAMPAIGN.validate_python(verdict.campaign),
    )


def disclosed(study: Study, experiment: Experiment) -> list[Notice]:
    """What a verdict on an experiment is accompanied by, beside what its own runs show."""
    declared = declared_notices(study, experiment, verdicts=True)
    return [*declared, *log_notices(study.state, experiment), *created_notices(study.state)]


def comparison_result(study: Study, comparison: Comparison, past: Iterable[Notice] = ()) -> ComparisonResult:
    """A verdict as a reply shows it.

    Args:
        past: Notices on the ledger's own past.
    """
    baseline, arm = comparison.baseline, comparison.arm
    rules = baseline.rules
    experiment = study.find(arm.experiment or "")
    assert experiment is not None
    evidence, counted = written_evidence(experiment)
    return ComparisonResult(
        experiment=experiment.name,
        headline=comparison.headline,
        verdict=comparison.verdict.value,
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
        accepted=list(comparison.accepted),
        paragraph=None if evidence is None else paragraph(comparison, evidence, counted),
        ledger_head=study.state.head_label,
        notices=notice_results(
            [
                *comparison_notices(comparison),
                *comparability_notices(baseline.arm, arm),
                *disclosed(study, experiment),
                *past,
            ]
        ),
        next=Follow.of(experiment_next(study, experiment)),
    )
