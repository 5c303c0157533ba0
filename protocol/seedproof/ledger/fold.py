"""Folds the records of a ledger into its state."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seedproof.ledger.beginnings import OtherLedgers
from seedproof.ledger.event import Event, Record
from seedproof.ledger.events import read_event
from seedproof.ledger.fold_runs import APPLY_TO_RUNS
from seedproof.ledger.records import damaged
from seedproof.ledger.state import EarlierDeclaration, Experiment, Generation, State
from seedproof.ledger.study_events import (
    ExperimentDeclared,
    ExperimentWithdrawn,
    FilesRemoved,
    FreshSeedsDrawn,
    GenerationStarted,
    LedgerDisclosed,
    ReportWritten,
    Resumed,
    VerdictIssued,
)
from seedproof.model.arms import FreshKind, FreshPlan
from seedproof.model.results import Verdict

__all__ = ["apply", "fold"]


def fold(records: Iterable[Record]) -> State:
    """The state after these verified records."""
    state = State()
    for record in records:
        apply(state, record)
    return state


def apply(state: State, record: Record) -> Event:
    """Update the state by one verified record; return its event.

    Raises:
        LedgerDamaged: The record lacks a field or contradicts those before it.
    """
    try:
        event = read_event(record)
        _APPLY[type(event)](state, event)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(record["seq"], f"contradicts those before it ({error!r:.80})") from error
    state.seq, state.head = event.seq, event.hash
    state.first_hash = state.first_hash or event.hash
    state.began = state.began or event.time
    return event


def _generation_started(state: State, event: GenerationStarted) -> None:
    if event.generation != len(state.generations) + 1:
        raise ValueError("generation out of order")
    state.previous = state.previous or event.previous
    if not all(state.runs[run_id].experiment is None for run_id in event.adopted):
        raise ValueError("a baseline takes over runs of a baseline only")
    if event.replaces_empty:
        _mark_empty(state)
    state.generations.append(
        Generation(
            number=event.generation,
            rules=event.rules,
            reason=event.reason,
            started=event.time,
            adopted=list(event.adopted),
            adoption=event.adoption,
            run_ids=list(event.adopted),
            code=event.code,
            beginnings=event.beginnings,
        )
    )
    if event.beginnings is not None:
        _note_others(state, event, event.beginnings.others)
        _note_state_folder(state, event.beginnings.state_folder)


def _mark_empty(state: State) -> None:
    """Mark the generation before as one of which no run had a value."""
    replaced = state.generations[-1]
    if replaced.experiments or not state.baseline_arm(replaced.number).is_without_value(replaced.rules.metric.name):
        raise ValueError("a generation with a value is replaced as one without")
    replaced.is_empty = True


def _note_others(state: State, event: Event, others: OtherLedgers | None) -> None:
    """Keep the most that was known of other ledgers; the campaign may count them."""
    if others is not None and (state.others is None or others.size > state.others.size):
        state.others, state.campaign_seq = others, event.seq


def _note_state_folder(state: State, name: str | None) -> None:
    if name is not None:
        state.state_folders.add(name)


def _experiment_declared(state: State, event: ExperimentDeclared) -> None:
    generation = state.generations[event.generation - 1]
    if event.experiment in generation.experiments:
        _declared_anew(state, generation.experiments[event.experiment], event)
        return
    declared = generation.experiments[event.experiment] = Experiment(
        name=event.experiment,
        generation=generation.number,
        flags=event.flags,
        hypothesis=event.hypothesis,
        code_change=event.code_change,
        primary=event.primary,
        primary_reason=event.primary_reason,
        place=len(state.experiments),
        declared_at=event.seq,
        set_at=event.seq,
        changed_at=event.seq,
        code=event.code,
        change=event.change,
        repeats=event.repeats,
        tells_null=event.is_null,
        counts_by_value=event.counts_by_value,
        replaces=event.replaces,
        seed_files=event.seed_files,
    )
    state.experiments.append(declared)
    state.campaign_seq = event.seq


def _declared_anew(state: State, experiment: Experiment, event: ExperimentDeclared) -> None:
    """Change the declaration of an experiment without a value: it is the same idea, so it is counted once."""
    if not state.experiment_arm(experiment).is_without_value(state.rules_of(experiment.generation).metric.name):
        raise ValueError("declared twice")
    reason = None if experiment.withdrawn is None else experiment.withdrawn.reason
    past = EarlierDeclaration(experiment.flags, experiment.declared_at, len(experiment.run_ids), reason)
    experiment.earlier.append(past)
    experiment.withdrawn, experiment.counts_by_value = None, event.counts_by_value
    experiment.flags, experiment.hypothesis, experiment.code_change = event.flags, event.hypothesis, event.code_change
    experiment.primary, experiment.primary_reason = event.primary, event.primary_reason
    experiment.code, experiment.change = event.code, event.change
    experiment.repeats, experiment.tells_null = event.repeats, event.is_null
    experiment.replaces, experiment.seed_files = event.replaces, event.seed_files
    experiment.declared_at = experiment.set_at = experiment.changed_at = event.seq
    state.campaign_seq = state.declared_anew_at = event.seq


def _experiment_withdrawn(state: State, event: ExperimentWithdrawn) -> None:
    experiment = state.generations[event.generation - 1].experiments[event.experiment]
    has_run = any(run_id in state.active for run_id in experiment.run_ids)  # its control as well
    is_judged, is_empty = experiment.verdict is not None, state.is_without_value(experiment)
    if experiment.withdrawn is not None or has_run or is_judged or is_empty is event.is_measured:
        raise ValueError("withdrawn twice, or with a value that the record does not tell of")
    experiment.withdrawn, experiment.changed_at = event, event.seq
    state.campaign_seq = event.seq


def _verdict_issued(state: State, event: VerdictIssued) -> None:
    judged = state.generations[event.generation - 1].experiments[event.experiment]
    before = judged.verdict
    judged.verdict, judged.changed_at = event, event.seq
    if event.fresh_seeds:
        # A capped WINNER has seeds where its confirmation may lift the cap.
        kind: FreshKind = "winner" if event.is_winner or event.caps else "pairs"
        _set_fresh_seeds(state, judged, event.fresh_seeds, kind, event)
    state.judged += before is None and event.verdict != Verdict.DROPPED
    state.winners += event.is_winner - (before is not None and before.is_winner)
    key = (judged.generation, judged.name)
    state.p_values.pop(key, None)
    if event.p_better is not None:
        state.p_values[key] = float(event.p_better)
    state.campaign_seq = event.seq


def _fresh_seeds_drawn(state: State, event: FreshSeedsDrawn) -> None:
    judged = state.generations[event.generation - 1].experiments[event.experiment]
    judged.changed_at = event.seq
    _set_fresh_seeds(state, judged, event.seeds, "winner", event)


def _set_fresh_seeds(
    state: State,
    experiment: Experiment,
    seeds: tuple[int, ...],
    kind: FreshKind,
    event: VerdictIssued | FreshSeedsDrawn,
) -> None:
    if experiment.fresh_plan is not None:
        raise ValueError("fresh seeds drawn twice")
    given = state.rules_of(experiment.generation).confirm_seeds
    experiment.fresh_plan = FreshPlan(seeds, kind, is_given=seeds == given, has_own_controls=event.own_controls)
    experiment.fresh_plan_at = event.seq


def _report_written(state: State, event: ReportWritten) -> None:
    state.reports.pop(event.path, None)  # so that the newest is the last one
    state.reports[event.path] = event
    generation = state.generations[event.generation - 1]
    if event.experiment is None:
        generation.report = event
    else:
        reported = generation.experiments[event.experiment]
        reported.report, reported.changed_at = event, event.seq


def _files_removed(state: State, event: FilesRemoved) -> None:
    for folder in event.paths:
        state.owned_folders.pop(folder, None)


def _resumed(state: State, event: Resumed) -> None:
    state.failures_in_row = 0
    state.failed_arms.clear()
    state.resumed += [event] if event.is_told else []


def _ledger_disclosed(state: State, event: LedgerDisclosed) -> None:
    state.disclosures.append(event)
    _note_others(state, event, event.others)
    _note_state_folder(state, event.state_folder)


_APPLY: Mapping[type[Event], Callable[[State, Any], None]] = {
    GenerationStarted: _generation_started,
    ExperimentDeclared: _experiment_declared,
    ExperimentWithdrawn: _experiment_withdrawn,
    **APPLY_TO_RUNS,
    VerdictIssued: _verdict_issued,
    FreshSeedsDrawn: _fresh_seeds_drawn,
    ReportWritten: _report_written,
    FilesRemoved: _files_removed,
    Resumed: _resumed,
    LedgerDisclosed: _ledger_disclosed,
}
