"""Admits control runs: one run of an experiment's code without flags; the server chooses its seed."""

from dataclasses import replace

from seedproof.admission.code import ArmCode, present_code, require_code, require_sealed
from seedproof.admission.declaration import check_unchanged
from seedproof.admission.project_view import ProjectView, require_free
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.withdrawal import require_declared
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import AttemptNotAllowed, ControlNotDue, NextCall
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof.phases.calls import control_call, experiment_call, new_experiment_call
from seedproof.phases.control import Control, control_look
from seedproof.phases.next_call import experiment_next, require_baseline
from seedproof.phases.study import Study

__all__ = ["admit_control", "with_controls"]


def with_controls(state: State, arm: Arm) -> Arm:
    """The arm with the control runs of its present code."""
    return replace(arm, controls=state.controls_of(arm.generation, arm.code))


def admit_control(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Admit or refuse a run with role `control`.

    Raises:
        BaselineRefusal: There is no complete baseline.
        ExperimentUnknown: The present generation has no such experiment.
        ControlNotDue: Its code is the baseline's, or is what it declares; no run read what differs; the control ended.
        AttemptNotAllowed: The requested attempt is not due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: The run could not be started.
    """
    baseline = require_baseline(study)
    experiment = require_declared(study, request)
    next_call, standing = experiment_next(study, experiment), study.standing(experiment)
    check_unchanged(experiment, request, next_call)
    # All attempts of an experiment share one numbering, whatever its code was then.
    runs = (study.state.runs[run_id] for run_id in experiment.run_ids)
    attempts = [run for run in runs if run.role is Role.CONTROL]
    requested = next((run for run in attempts if run.attempt == request.attempt), None)
    if requested is None and standing.control.state == "open":
        requested = standing.control.run
    if requested is not None:  # already in the ledger, so the code need not be read
        return Admission((), requested.run_id)
    code = present_code(standing.arm, baseline.arm.code, project, study.rules.metric.name)
    code = replace(code, arm=with_controls(study.state, code.arm))
    control = control_look(baseline, code.arm) if code.is_new else standing.control
    if control.state == "open" and control.run is not None:  # another experiment's run of the same code
        return Admission((), control.run.run_id)
    _require_due(code.arm, control, baseline, next_call)
    retry_call = control_call(experiment.name, replace(control, run=attempts[-1] if attempts else None))
    attempt = _next_attempt(experiment, attempts, code.arm, request, retry_call)
    if attempt is None:
        return Admission((), attempts[-1].run_id)
    require_sealed(baseline.arm.code, code.arm.code, study.rules, project, retry_call)
    require_code(code.arm, study.rules.baseline_seeds, project, new_experiment_call())
    return _admit_run(study, code, attempt, project, retry_call)


def _require_due(arm: Arm, control: Control, baseline: Baseline, next_call: NextCall) -> None:
    if control.state == "none":
        if next_call.arguments.get("role") == Role.CONTROL.value:  # the edit was reverted, which no record shows
            next_call = experiment_call(arm.experiment or "")
        why = "its code is what it declares" if arm.code_change else "its code is the baseline's"
        raise ControlNotDue(f"{arm.experiment} needs no control: {why}.", next_call)
    if control.state == "not_needed":
        why = "no run of the baseline, and none of its own, read a file that differs"
        raise ControlNotDue(f"{arm.experiment} needs no control: {why}.", next_call)
    if control.state not in ("due", "offered"):
        seed = baseline.rules.baseline_seeds[0]
        message = f"the control of {arm.experiment}, seed {seed} without flags, has {control.state}"
        raise ControlNotDue(f"{message}; there is one for each code.", next_call)


def _next_attempt(
    experiment: Experiment, attempts: list[Run], arm: Arm, request: RunRequest, retry_call: NextCall
) -> int | None:
    """The number of the attempt to request; None where the last one answers the request."""
    due = len(attempts) + 1
    # Open where the last attempt does not decide: it ran other code, or another experiment has tried this code since.
    is_open = not attempts or attempts[-1] not in arm.controls[-1:] or attempts[-1].state is RunState.NOT_NEEDED
    if request.attempt == due or (request.attempt is None and is_open):
        return due
    if request.attempt is None:
        return None
    raise AttemptNotAllowed(
        f"the control of {experiment.name} has {len(attempts)} attempts; attempt {request.attempt} at it is not "
        "allowed now.",
        retry_call,
    )


def _admit_run(study: Study, code: ArmCode, attempt: int, project: ProjectView, retry_call: NextCall) -> Admission:
    arm, seed = code.arm, study.rules.baseline_seeds[0]
    key = RunKey(arm.generation, Role.CONTROL, Side.BASELINE, arm.experiment, seed, attempt)
    require_free(project, key, study.rules, retry_call)
    requested = RunRequested(key=key)
    if code.is_new:
        requested = RunRequested(key=key, code=arm.code, change=arm.change)
    return Admission((requested,), key.run_id)
