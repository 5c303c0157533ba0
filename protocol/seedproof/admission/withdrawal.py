"""Admits the withdrawal of an experiment of whose result nothing is known, and the end of one that is stuck."""

from collections.abc import Callable

from seedproof.admission.request import RunRequest
from seedproof.ledger.event import Event
from seedproof.ledger.run_ends import RunCancelled
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import ExperimentWithdrawn
from seedproof.model.refusals import (
    ArmFailed,
    BaselineStale,
    CodeUnchanged,
    ExperimentMeasured,
    ExperimentUnknown,
    FlagsDuplicate,
    NextCall,
    NotComparable,
    Refusal,
    SealedChanged,
    SnapshotMissing,
)
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.phases.calls import declare_anew_call, declare_unknown_call, new_experiment_call, withdraw_call
from seedproof.phases.next_call import arm_next, experiment_next
from seedproof.phases.study import Study

__all__ = [
    "admit_withdrawal",
    "is_stuck",
    "known_experiment",
    "measured_refusal",
    "require_declared",
    "require_not_withdrawn",
    "unended_runs",
]


def known_experiment(study: Study, name: str) -> Experiment:
    """The newest experiment with this name.

    Raises:
        ExperimentUnknown: It was never declared.
    """
    experiment = study.state.find_experiment(name)
    if experiment is None:
        raise ExperimentUnknown(f"no experiment {name!r:.80} has been declared.", declare_unknown_call(name))
    return experiment


def require_declared(study: Study, request: RunRequest) -> Experiment:
    """The experiment of the present generation that a request names.

    Raises:
        ExperimentUnknown: It was never declared, or withdrawn.
    """
    assert request.experiment is not None
    experiment = study.find(request.experiment)
    if experiment is None:
        next_call = declare_unknown_call(request.experiment)
        raise ExperimentUnknown(study.state.no_such_experiment(request.experiment), next_call)
    require_not_withdrawn(experiment)
    return experiment


def require_not_withdrawn(experiment: Experiment) -> None:
    """Refuse to go on with an experiment that was withdrawn or closed.

    Raises:
        ExperimentUnknown: With the call that declares it anew.
        ArmFailed: It has values, and was closed.
    """
    if experiment.withdrawn is not None:
        reason = one_line(experiment.withdrawn.reason)
        if experiment.is_closed:
            closed = f"{experiment.name} was closed ({reason}); it ends without a verdict."
            raise ArmFailed(closed, new_experiment_call())
        raise ExperimentUnknown(
            f"{experiment.name} was withdrawn ({reason}); its name may be declared anew.",
            declare_anew_call(experiment),
        )


def unended_runs(state: State, experiment: Experiment) -> list[Run]:
    """Its runs that were started and whose end is not recorded."""
    runs = (state.runs[run_id] for run_id in experiment.run_ids)
    return [run for run in runs if run.started is not None and not run.ended_at]


# What refuses the next run of an arm for good, or until somebody brings back what was changed.
_STUCK = (ArmFailed, BaselineStale, CodeUnchanged, FlagsDuplicate, NotComparable, SealedChanged, SnapshotMissing)


def is_stuck(study: Study, experiment: Experiment, admits: Callable[[RunRequest], object]) -> bool:
    """Whether the next run of an experiment of the present generation is refused, whatever it would show.

    Args:
        admits: Admits a request for a run, or raises its refusal.
    """
    if study.find(experiment.name) is not experiment or experiment.verdict is not None or study.baseline is None:
        return False
    call = experiment_next(study, experiment)
    is_own = call.tool == "run_seed" and call.arguments.get("experiment") == experiment.name
    known = call.arguments if is_own else {}
    role = Role(known.get("role", Role.MEASURE.value))
    request = RunRequest(experiment.name, known.get("seed"), role=role, attempt=known.get("attempt"))
    try:
        admits(request)
    except _STUCK:
        return True
    except Refusal:
        return False
    return False


def admit_withdrawal(
    study: Study, experiment: Experiment, reason: str, stuck: Callable[[Study, Experiment], bool]
) -> tuple[Event, ...]:
    """The events that withdraw an experiment and cancel its queued runs; none where it is withdrawn already.

    One with values is closed instead, if it is stuck. Every run that was started has to have ended.

    Args:
        stuck: Whether an experiment can get no further run.

    Raises:
        ExperimentMeasured: Something is known of its result, or may be once a run has ended, and it can go on.
    """
    state = study.state
    if experiment.withdrawn is not None:
        return ()
    runs = [state.runs[run_id] for run_id in experiment.run_ids]
    arm, metric = state.experiment_arm(experiment), state.rules_of(experiment.generation).metric.name
    is_drawn = any(run.is_draw(metric) for run in (*arm.runs, *arm.fresh))
    is_measured = arm.is_judged or is_drawn or state.is_code_known(experiment)
    if is_measured and not stuck(study, experiment):
        raise measured_refusal(study, experiment)
    for run in unended_runs(state, experiment):
        raise ExperimentMeasured(
            f"{run.run_id} has not ended, and may show a value yet; repeat the call.", withdraw_call(experiment.name)
        )
    queued = (run for run in runs if run.state.is_active)
    cancelled = [RunCancelled(run_id=run.run_id, reason=reason, metrics={}) for run in queued]
    withdrawn = ExperimentWithdrawn(
        generation=experiment.generation, experiment=experiment.name, reason=reason, is_measured=is_measured
    )
    return (*cancelled, withdrawn)


def measured_refusal(study: Study, experiment: Experiment) -> ExperimentMeasured:
    """The refusal to withdraw an experiment of which a run showed a value, or trained so long that it could have."""
    is_present = study.find(experiment.name) is experiment
    next_call: NextCall = arm_next(study, experiment if is_present else None)
    return ExperimentMeasured(
        f"a run of {experiment.name} has shown a value or trained for a minute, so the experiment is measured, stays "
        "and counts; withdrawn is only one without any value, and closed one that can get no further run.",
        next_call,
    )
