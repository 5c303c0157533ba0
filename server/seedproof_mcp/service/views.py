"""What the ledger's state looks like in a result: rows, summaries, what comes next."""

from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import BaselineRefusal, NextCall
from seedproof.model.results import Comparison, Confirmation, Notice
from seedproof.model.rules import Rules
from seedproof.model.runs import Role, Run
from seedproof.notices.declarations import created_notices, declared_notices
from seedproof.notices.environment import comparability_notices
from seedproof.notices.runs import comparison_notices, log_notices
from seedproof.phases.baseline import establish_baseline, rules_of
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import Look, confirm_look, next_look
from seedproof.phases.next_call import baseline_next, confirm_call, control_call, experiment_next, present_baseline
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
    "Baselines",
    "arm_ended",
    "arm_summaries",
    "comparison_result",
    "disclosed",
    "establish",
    "eta",
    "experiment_row",
    "notice_results",
    "remaining",
    "run_next",
    "running_row",
    "said_beside",
    "seed_rows",
    "summaries",
    "written_confirmation",
]


_EVIDENCE = TypeAdapter(Evidence)
_CAMPAIGN = TypeAdapter(Campaign)
_CONFIRMATION = TypeAdapter(Confirmation)


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


class Baselines:
    """The baseline of each generation, established once for a page; None where it is not complete."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[int, Baseline | None] = {}

    def of(self, number: int) -> Baseline | None:
        """The baseline of a generation, under its own rules."""
        if number not in self._known:
            self._known[number] = establish(self._state, number)
        return self._known[number]


def establish(state: State, number: int) -> Baseline | None:
    """The baseline of a generation under its own rules; None where it is not complete."""
    try:
        return establish_baseline(state.baseline_arm(number), rules_of(state.generations[number - 1]))
    except BaselineRefusal:
        return None


def arm_ended(look: Look) -> str | None:
    """Why an experiment ends without a verdict; None while it may still get one."""
    return f"seed {look.failed[0]} failed for good; the arm ends without a verdict" if look.failed else None


def experiment_row(
    state: State, experiment: Experiment, baselines: Baselines, adjusted: Mapping[Key, tuple[float, float]]
) -> ExperimentRow:
    """One experiment as lists show it.

    Args:
        adjusted: (p, Holm's adjusted p) of each judged experiment as of now.
    """
    arm = state.experiment_arm(experiment)
    rules = rules_of(state.generations[experiment.generation - 1])
    baseline = baselines.of(experiment.generation)
    look, stale = next_look(arm, baseline, rules), None
    if baseline is not None and control_look(baseline, arm).state == "failed":
        stale = "its control does not agree with the baseline, or failed for good; it gets no verdict"
    present = state.generation is not None and experiment.generation == state.generation.number
    verdict = experiment.verdict
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
            "verdict": verdict["verdict"] if verdict else None,
            "headline": verdict["headline"] if verdict else None,
            "report_path": experiment.report["path"] if experiment.report else None,
            "p_better": p_better,
            "p_holm": p_holm,
            "confirmation": ((verdict or {}).get("confirmation") or {}).get("state"),
        }
    )


def remaining(state: State, rules: Rules, run: Run) -> int:
    """How many seeds the arm of a run still needs."""
    if run.experiment is None:
        # The newest baseline that it counts for: a larger one takes over the runs of the one before.
        newest = next(one.number for one in reversed(state.generations) if run.run_id in one.run_ids)
        return len(next_look(state.baseline_arm(newest), None, state.rules_of(newest)).due)
    experiment = state.generations[run.generation - 1].experiments[run.experiment]
    if run.role is Role.CONFIRM:
        return len(confirm_look(state.experiment_arm(experiment), state.rules_of(run.generation)).due)
    if run.role is Role.CONTROL and run.state.is_active:
        return 1
    return len(next_look(state.experiment_arm(experiment), establish(state, run.generation), rules).due)


def run_next(state: State, rules: Rules, run: Run) -> NextCall | None:
    """What to call after looking at a run: the run itself while it lasts, else what its arm needs."""
    generation = state.generation
    # A run of an earlier generation cannot be asked for again: its key belongs to the present one.
    is_present = generation is not None and run.generation == generation.number
    if run.state.is_active and is_present and run.role is Role.CONTROL:
        return control_call(run.experiment or "", Control("open", run))
    if run.state.is_active and is_present and run.role is Role.CONFIRM:
        experiment = state.generations[run.generation - 1].experiments[run.experiment or ""]
        arm, measured_under = state.experiment_arm(experiment), state.rules_of(run.generation)
        return confirm_call(experiment.name, arm, confirm_look(arm, measured_under), measured_under)
    if run.state.is_active and is_present:
        name = {"experiment": run.experiment} if run.experiment else {}
        exact = {**name, "seed": run.seed, "attempt": run.attempt}
        return NextCall("run_seed", f"Waits for the run that is {run.state}.", exact)
    if run.experiment is None or generation is None or run.experiment not in generation.experiments:
        return baseline_next(state, rules)
    try:
        baseline = present_baseline(state, rules)
    except BaselineRefusal as refusal:
        return refusal.next_call
    return experiment_next(state, generation.experiments[run.experiment], baseline)


def eta(state: State, rules: Rules, run: Run, elapsed_s: float | None) -> float | None:
    """Seconds to go, from the mean wall time of the baseline runs so far."""
    times = list(state.baseline_arm(run.generation).finite("wall_time_s").values())
    if elapsed_s is None or not times:
        return None
    return max(0.0, summarize(times).mean - elapsed_s)


def notice_results(notices: Iterable[Notice]) -> list[NoticeResult]:
    """Notices as a reply shows them."""
    return [NoticeResult.of(notice) for notice in notices]


def said_beside(experiment: Experiment) -> tuple[Evidence | None, Campaign | None]:
    """Evidence and campaign as they were written down with the newest verdict; None before there were any."""
    record = experiment.verdict or {}
    evidence, counted = record.get("evidence"), record.get("campaign")
    return (
        None if evidence is None else _EVIDENCE.validate_python(evidence),
        None if counted is None else _CAMPAIGN.validate_python(counted),
    )


def written_confirmation(experiment: Experiment) -> Confirmation | None:
    """What the fresh seeds were found to say: evaluated once, so that a report of it needs no scipy; None before."""
    found = (experiment.verdict or {}).get("confirmation")
    return None if found is None or found["state"] == "open" else _CONFIRMATION.validate_python(found)


def disclosed(state: State, experiment: Experiment) -> list[Notice]:
    """What a verdict on an experiment is accompanied by, beside what its own runs show."""
    declared = declared_notices(state, experiment, verdicts=True)
    return [*declared, *log_notices(state, experiment), *created_notices(state)]


def comparison_result(state: State, comparison: Comparison, past: Iterable[Notice] = ()) -> ComparisonResult:
    """A verdict as a reply shows it.

    Args:
        past: Notices on the ledger's own past.
    """
    baseline, arm = comparison.baseline, comparison.arm
    rules = baseline.rules
    experiment = state.find_experiment(arm.experiment or "")
    assert experiment is not None
    evidence, counted = said_beside(experiment)
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
        ledger_head=state.head_label,
        notices=notice_results(
            [
                *comparison_notices(comparison),
                *comparability_notices(baseline.arm, arm),
                *disclosed(state, experiment),
                *past,
            ]
        ),
        next=Follow.of(experiment_next(state, experiment, baseline)),
    )
