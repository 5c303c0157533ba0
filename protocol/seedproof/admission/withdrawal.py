"""Admits the withdrawal of an experiment of whose result nothing is known."""

from seedproof.ledger.event import Event
from seedproof.ledger.run_ends import RunCancelled
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import ExperimentWithdrawn
from seedproof.model.refusals import ExperimentMeasured, ExperimentUnknown, NextCall
from seedproof.model.runs import Run
from seedproof.phases.calls import declare_unknown_call, withdraw_call
from seedproof.phases.next_call import arm_next
from seedproof.phases.study import Study

__all__ = ["admit_withdrawal", "known_experiment", "measured_refusal", "unended_runs"]


def known_experiment(study: Study, name: str) -> Experiment:
    """The newest experiment with this name.

    Raises:
        ExperimentUnknown: It was never declared.
    """
    experiment = study.state.find_experiment(name)
    if experiment is None:
        raise ExperimentUnknown(f"no experiment {name!r:.80} has been declared.", declare_unknown_call(name))
    return experiment


def unended_runs(state: State, experiment: Experiment) -> list[Run]:
    """Its runs that were started and whose end is not recorded."""
    runs = (state.runs[run_id] for run_id in experiment.run_ids)
    return [run for run in runs if run.started is not None and not run.ended_at]


def admit_withdrawal(study: Study, experiment: Experiment, reason: str) -> tuple[Event, ...]:
    """The events that withdraw an experiment and cancel its queued runs; none where it is withdrawn already.

    Every run that was started has to have ended.

    Raises:
        ExperimentMeasured: Something is known of its result, or may be once a run has ended.
    """
    state = study.state
    if experiment.withdrawn is not None:
        return ()
    runs = [state.runs[run_id] for run_id in experiment.run_ids]
    arm, metric = state.experiment_arm(experiment), state.rules_of(experiment.generation).metric.name
    if arm.is_judged or any(run.is_draw(metric) for run in (*arm.runs, *arm.fresh)):
        raise measured_refusal(study, experiment)
    for run in unended_runs(state, experiment):
        raise ExperimentMeasured(
            f"{run.run_id} has not ended, and may show a value yet; repeat the call.", withdraw_call(experiment.name)
        )
    queued = (run for run in runs if run.state.is_active)
    cancelled = [RunCancelled(run_id=run.run_id, reason=reason, metrics={}) for run in queued]
    withdrawn = ExperimentWithdrawn(generation=experiment.generation, experiment=experiment.name, reason=reason)
    return (*cancelled, withdrawn)


def measured_refusal(study: Study, experiment: Experiment) -> ExperimentMeasured:
    """The refusal to withdraw an experiment of which a run showed a value, or trained so long that it could have."""
    is_present = study.find(experiment.name) is experiment
    next_call: NextCall = arm_next(study, experiment if is_present else None)
    return ExperimentMeasured(
        f"a run of {experiment.name} has shown a value or trained for a minute, so the experiment is measured, stays "
        "and counts; only one without any value can be withdrawn.",
        next_call,
    )
