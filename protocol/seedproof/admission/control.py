"""Admits control runs: one run without flags on an experiment's code; the server chooses its seed."""

from dataclasses import replace

from seedproof.admission.code import ArmCode, present_code, require_code, require_sealed
from seedproof.admission.declaration import check_unchanged, require_declared
from seedproof.admission.project_view import ProjectView, require_free
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.events import RunRequested
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import AttemptNotAllowed, ControlNotDue, NextCall
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof.phases.control import Control, control_look
from seedproof.phases.next_call import (
    control_call,
    experiment_call,
    experiment_next,
    new_experiment_call,
    require_baseline,
)
from seedproof.phases.study import Study

__all__ = ["admit_control", "with_controls"]


def with_controls(state: State, arm: Arm) -> Arm:
    """The arm with the control runs of the code that it has now."""
    return replace(arm, controls=state.controls_of(arm.generation, arm.code))


def admit_control(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Decide a request for a run with role `control`.

    Raises:
        BaselineRefusal: There is no complete baseline.
        ExperimentUnknown: The present generation has no such experiment.
        ControlNotDue: Its code is the baseline's, or is what it declares, or the control has ended.
        AttemptNotAllowed: The attempt asked for is not one that is due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: It could not be started.
    """
    baseline = require_baseline(study)
    known = require_declared(study, request)
    following, standing = experiment_next(study, known), study.standing(known)
    check_unchanged(known, request, following)
    own = _own(study.state, known)
    there = _there(own, standing.control, request)
    if there is not None:
        return Admission((), there.run_id)
    code = present_code(standing.arm, baseline.arm.code, project, study.rules.metric.name)
    code = replace(code, arm=with_controls(study.state, code.arm))
    control = control_look(baseline, code.arm) if code.is_new else standing.control
    if control.state == "open" and control.run is not None:  # of another experiment, on the code that this one has now
        return Admission((), control.run.run_id)
    _require_due(code.arm, control, baseline, following)
    again = control_call(known.name, replace(control, run=own[-1] if own else None))
    attempt = _attempt(known, own, code.arm, request, again)
    if attempt is None:
        return Admission((), own[-1].run_id)
    require_sealed(baseline.arm.code, code.arm.code, study.rules, project, again)
    require_code(code.arm, study.rules.baseline_seeds, project, new_experiment_call())
    return _request(study, code, attempt, project, again)


def _own(state: State, experiment: Experiment) -> list[Run]:
    """The attempts that an experiment has made at its control, whatever its code was then: they share one numbering."""
    runs = (state.runs[run_id] for run_id in experiment.run_ids)
    return [run for run in runs if run.role is Role.CONTROL]


def _there(own: list[Run], control: Control, request: RunRequest) -> Run | None:
    """The run that is asked for, if it was requested before; nobody needs to look at the code for it."""
    asked = next((run for run in own if run.attempt == request.attempt), None)
    return asked or (control.run if control.state == "open" else None)


def _require_due(arm: Arm, control: Control, baseline: Baseline, following: NextCall) -> None:
    if control.state == "none":
        if following.arguments.get("role") == Role.CONTROL.value:  # the edit was taken back; no record says so
            following = experiment_call(arm.experiment or "")
        why = "its code is what it declares" if arm.code_change else "its code is the baseline's"
        raise ControlNotDue(f"{arm.experiment} needs no control: {why}.", following)
    if control.state != "due":
        seed = baseline.rules.baseline_seeds[0]
        message = f"the control of {arm.experiment}, seed {seed} without flags, has {control.state}"
        raise ControlNotDue(f"{message}; there is one for each code.", following)


def _attempt(known: Experiment, own: list[Run], arm: Arm, request: RunRequest, again: NextCall) -> int | None:
    """The number of the attempt to request; None where the last one answers."""
    due = len(own) + 1
    # The last attempt says nothing of the code that the arm has now, or another experiment has tried it since.
    is_open = not own or own[-1] not in arm.controls[-1:] or own[-1].state is RunState.NOT_NEEDED
    if request.attempt == due or (request.attempt is None and is_open):
        return due
    if request.attempt is None:
        return None
    raise AttemptNotAllowed(
        f"the control of {known.name} has {len(own)} attempts; attempt {request.attempt} at it is not allowed now.",
        again,
    )


def _request(study: Study, code: ArmCode, attempt: int, project: ProjectView, again: NextCall) -> Admission:
    arm, seed = code.arm, study.rules.baseline_seeds[0]
    key = RunKey(arm.generation, Role.CONTROL, Side.BASELINE, arm.experiment, seed, attempt)
    require_free(project, key, study.rules, again)
    requested = RunRequested(key=key)
    if code.is_new:
        requested = RunRequested(key=key, code=arm.code, change=arm.change)
    return Admission((requested,), key.run_id)
