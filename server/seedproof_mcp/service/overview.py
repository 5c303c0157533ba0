"""The results that only read: the baseline, the list, and what `compare` says where it gives no new verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from seedproof.admission.declaration import check_name
from seedproof.admission.queue import training_now
from seedproof.ledger.state import Experiment, State
from seedproof.model.refusals import NextCall, Refusal
from seedproof.model.results import Comparison, Notice, Verdict
from seedproof.model.runs import RunState
from seedproof.notices.beginnings import beginning_notices
from seedproof.notices.environment import comparability_notices, place_notices
from seedproof.notices.merged import merged_notices
from seedproof.notices.readings import reading_notices
from seedproof.notices.runs import arm_notices
from seedproof.phases.merged import merged_experiments
from seedproof.phases.next_call import baseline_next, campaign_next
from seedproof.phases.protocol_lines import protocol_lines
from seedproof.phases.study import Study
from seedproof.report.summary import Digits, scale_in_title
from seedproof.verdict.against import Beside, compare_arms
from seedproof.verdict.campaign import campaign, stored_p_values
from seedproof.verdict.comparability import written_acceptance
from seedproof.verdict.judge import judge

from seedproof_mcp.service.replies.baseline import BaselineStatus
from seedproof_mcp.service.replies.comparison import ComparisonResult
from seedproof_mcp.service.replies.experiments import ExperimentList
from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.rows import AgainstRow, ExperimentRow, QueuedRow, SharedSeeds
from seedproof_mcp.service.replies.run import WithdrawnResult
from seedproof_mcp.service.views import (
    arm_summaries,
    comparison_result,
    experiment_row,
    notice_results,
    running_row,
    seed_rows,
    standing_report,
    summaries,
)

__all__ = [
    "against_result",
    "baseline_status",
    "earlier_result",
    "experiment_list",
    "issued_comparison",
    "queued_rows",
    "withdrawn_result",
]


def baseline_status(study: Study, more_notices: Iterable[Notice]) -> BaselineStatus:
    """The baseline of the present generation.

    Args:
        more_notices: Notices that do not follow from the state: on unverified reports, and on the ledger's past.
    """
    state, rules, phase = study.state, study.rules, study.baseline_phase
    baseline, generation = phase.baseline, study.generation
    report = generation.report if generation else None
    sigma = baseline.std if baseline else None
    return BaselineStatus(
        phase=phase.phase,
        generation=generation.number if generation else None,
        reason=phase.reason,
        scale=rules.label if rules.sets_tokens else rules.scale,
        metric=rules.metric.name,
        direction=rules.metric.direction,
        design=rules.design,
        winner_threshold=baseline.winner_threshold if baseline else None,
        missing_seeds=[seed for seed in rules.baseline_seeds if seed not in phase.arm.counted],
        seeds=seed_rows(phase.arm, rules),
        metrics=summaries(phase.arm, rules),
        report_path=report.path if report else None,
        protocol=[] if state.runs else protocol_lines(rules),
        ledger_head=state.head_label,
        notices=notice_results(
            [
                *arm_notices(phase.arm, rules, sigma),
                *(beginning_notices(phase.arm, rules) if baseline else ()),
                *place_notices(phase.arm),
                *(reading_notices(generation) if generation else ()),
                *merged_notices(state),
                *more_notices,
            ]
        ),
        next=Follow.of(baseline_next(study)),
    ).titled(scale_in_title(rules))


def experiment_list(study: Study, offset: int, limit: int, notices: Iterable[Notice] = ()) -> ExperimentList:
    """A page of all experiments of the ledger, in the order of their declaration, without the queue, whose times run.

    Args:
        notices: What to say beside it.
    """
    state, adjusted, merged = study.state, stored_p_values(study), merged_experiments(study.state)
    active = [state.runs[run_id] for run_id in state.active]
    running = [running_row(run) for run in training_now(state)]
    shown = state.experiments[offset : offset + limit]
    rows = [experiment_row(study, one, adjusted, merged) for one in shown]
    return ExperimentList(
        generation=state.generation.number if state.generation else None,
        total=len(state.experiments),
        judged=state.judged,
        running=next(iter(running), None),
        also_running=running[1:],
        queued=sum(run.state is RunState.QUEUED for run in active),
        queue=[],
        do_not_retry=[row.experiment for row in rows if _is_done_with(study, row)],
        campaign=campaign(state),
        experiments=rows,
        ledger_head=state.head_label,
        notices=notice_results(notices),
        next=Follow.of(campaign_next(study)),
    )


def queued_rows(state: State, ends: Mapping[str, float | None]) -> list[QueuedRow]:
    """The first runs of the queue in their order.

    Args:
        ends: Seconds until each active run has ended.
    """
    queued = [run_id for run_id in state.active if state.runs[run_id].state is RunState.QUEUED]
    return [QueuedRow(run_id=run_id, eta_s=ends.get(run_id)) for run_id in queued[:_SHOWN_QUEUE]]


# `queued` says how many there are.
_SHOWN_QUEUE = 20


def _is_done_with(study: Study, row: ExperimentRow) -> bool:
    """Whether an idea of the present generation has a verdict and helps nothing; its flags are refused from now on.

    One that screening dropped may help: it is none of these.
    """
    if study.generation is None or row.generation != study.generation.number or row.confirmation == "confirmed":
        return False
    is_lost = row.verdict in ("NEUTRAL", "LOSER") or row.confirmation == "not_confirmed"
    return is_lost and row.confirmation != "open"


def withdrawn_result(study: Study, experiment: Experiment) -> WithdrawnResult:
    """The result of withdrawing or closing an experiment."""
    assert experiment.withdrawn is not None
    return WithdrawnResult(
        experiment=experiment.name,
        state="closed" if experiment.is_closed else "withdrawn",
        reason=experiment.withdrawn.reason,
        generation=experiment.generation,
        ledger_head=study.state.head_label,
        notices=[],
        next=Follow.of(campaign_next(study)),
    )


# --- of an earlier generation -----------------------------------------------------------------


def earlier_result(study: Study, name: str, past: Iterable[Notice]) -> ComparisonResult | None:
    """The verdict on an experiment of an earlier generation as it was issued.

    None where the present generation has one of this name, and where the newest of before has no verdict.

    Args:
        past: Notices on the ledger's past.
    """
    experiment = study.state.find_experiment(name)
    if experiment is None or experiment is study.find(name):
        return None
    comparison = issued_comparison(study, experiment)
    if comparison is None:
        return None
    return comparison_result(study, comparison, [_belongs_elsewhere(study, experiment), *past])


def issued_comparison(study: Study, experiment: Experiment) -> Comparison | None:
    """The verdict on an experiment as it was issued; None where it has none, or its records allow none any more."""
    standing, issued = study.standing(experiment), experiment.verdict
    if issued is None or standing.baseline is None:
        return None
    try:
        found = judge(standing.baseline, standing.arm, issued, written_acceptance(experiment))
    except Refusal:
        return None
    # Runs that ended after the new generation had begun change nothing of what was said.
    return replace(
        found,
        verdict=Verdict(issued.verdict),
        headline=issued.headline,
        delta=issued.delta,
        improvement_sigma=issued.improvement_sigma,
        cohens_d=issued.cohens_d,
        caps=issued.caps,
        brackets=issued.brackets,
        confirmation=issued.confirmation,
    )


def _belongs_elsewhere(study: Study, experiment: Experiment) -> Notice:
    assert study.generation is not None  # an earlier one exists
    report = standing_report(study.state, experiment)
    where = f"its report is {report}" if report else "it has no report of its own any more"
    if experiment.report is None:
        where = "it has no report"
    text = (
        f"{experiment.name} belongs to baseline generation {experiment.generation}, and this is its verdict as issued; "
        f"{where}. The present generation is {study.generation.number}: declare it anew to compare it with that."
    )
    return Notice("earlier_generation", text)


# --- against another experiment ---------------------------------------------------------------


def against_result(study: Study, name: str, other: str, past: Iterable[Notice]) -> ComparisonResult:
    """Two experiments beside each other, in the structure of a comparison without its verdict.

    Args:
        past: Notices on the ledger's past.

    Raises:
        Refusal: They cannot be compared; with the next call.
    """
    for one in (name, other):
        check_name(one)
    found = compare_arms(study, name, other)
    headline = _headline(found)
    reason = (
        f"both were compared with the baseline of generation {found.baseline.generation}; between two experiments "
        "there is no verdict. For one, begin a new baseline that has one of them, and declare the other."
    )
    rules, metric = found.baseline.rules, found.baseline.rules.metric
    summaries = [arm_summaries(arm, rules) for arm in found.arms]
    pairs = found.pairs
    shared = (
        None if pairs is None else SharedSeeds(n=pairs.n, difference=pairs.difference, low=pairs.low, high=pairs.high)
    )
    return ComparisonResult(
        experiment=name,
        headline=headline,
        verdict=None,
        caps=[],
        reason=reason,
        metric=metric.name,
        direction=metric.direction,
        delta=None,
        improvement_sigma=None,
        change_percent=None,
        cohens_d=None,
        effect_size=None,
        significant=None,
        baseline_metrics=arm_summaries(found.baseline.arm, rules),
        experiment_metrics=summaries[0],
        wall_time_change_percent=None,
        evidence=None,
        campaign=None,
        confirmation=None,
        brackets=[],
        pairs=None,
        accepted=[],
        paragraph=None,
        generation=found.baseline.generation,
        report_path=standing_report(study.state, found.experiment),
        against=AgainstRow(experiment=other, metrics=summaries[1], difference=found.difference, pairs=shared),
        facts=[headline, f"{name}: {reason}"],
        ledger_head=study.state.head_label,
        notices=notice_results([*comparability_notices(*found.arms), *past]),
        next=Follow.of(NextCall("compare", "Compares it with the baseline.", {"experiment": name})),
    )


def _headline(found: Beside) -> str:
    number, metric = Digits(found.baseline), found.baseline.rules.metric
    one, other = (list(arm.finite(metric.name).values()) for arm in found.arms)
    means = " and ".join(f"{number(sum(values) / len(values))} (n={len(values)})" for values in (one, other))
    side = "no difference"
    if found.difference:
        side = "better" if metric.sign * found.difference > 0 else "worse"
    line = f"{found.experiment.name} against {found.against.name}: {metric.name} {means}, "
    line += f"{number.signed(found.difference)}, {side}"
    if found.pairs is None:
        return f"{line}; no pairs of seeds to compare"
    low, high = number.signed(found.pairs.low), number.signed(found.pairs.high)
    return f"{line}; pairs {number.signed(found.pairs.difference)} (95 % {low} to {high}, n={found.pairs.n})"
