"""The results of the two reading tools: `check_baseline` and `list_experiments`."""

from collections.abc import Iterable

from seedproof.model.results import Notice
from seedproof.model.runs import RunState
from seedproof.notices.environment import place_notices
from seedproof.notices.readings import reading_notices
from seedproof.notices.runs import arm_notices
from seedproof.phases.next_call import baseline_next, campaign_next
from seedproof.phases.study import Study
from seedproof.verdict.campaign import campaign, stored_p_values

from seedproof_mcp.service.results import BaselineStatus, ExperimentList, Follow
from seedproof_mcp.service.views import experiment_row, notice_results, running_row, seed_rows, summaries

__all__ = ["baseline_status", "experiment_list"]


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
        scale=rules.label,
        metric=rules.metric.name,
        direction=rules.metric.direction,
        design=rules.design,
        winner_threshold=baseline.winner_threshold if baseline else None,
        missing_seeds=[seed for seed in rules.baseline_seeds if seed not in phase.arm.counted],
        seeds=seed_rows(phase.arm, rules),
        metrics=summaries(phase.arm, rules),
        report_path=report.path if report else None,
        ledger_head=state.head_label,
        notices=notice_results(
            [
                *arm_notices(phase.arm, rules, sigma),
                *place_notices(phase.arm),
                *(reading_notices(generation) if generation else ()),
                *more_notices,
            ]
        ),
        next=Follow.of(baseline_next(study)),
    )


def experiment_list(study: Study, offset: int, limit: int, notices: Iterable[Notice] = ()) -> ExperimentList:
    """A page of all experiments of the ledger, in the order of their declaration.

    Args:
        notices: What to say beside it.
    """
    state, adjusted = study.state, stored_p_values(study)
    active = [state.runs[run_id] for run_id in state.active]
    shown = state.experiments[offset : offset + limit]
    return ExperimentList(
        generation=state.generation.number if state.generation else None,
        total=len(state.experiments),
        judged=state.judged,
        running=running_row(next((run for run in active if run.state is RunState.RUNNING), None)),
        queued=sum(run.state is RunState.QUEUED for run in active),
        campaign=campaign(state),
        experiments=[experiment_row(study, one, adjusted) for one in shown],
        ledger_head=state.head_label,
        notices=notice_results(notices),
        next=Follow.of(campaign_next(study)),
    )
