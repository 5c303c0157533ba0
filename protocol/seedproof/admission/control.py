"""The gate's part for control runs: one run without flags on an experiment's code; the server chooses its seed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seedproof.admission.code import present_code, require_code, require_sealed
from seedproof.admission.declaration import check_unchanged, declared
from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.command import output_dir
from seedproof.model.refusals import AttemptNotAllowed, ControlNotDue, NextCall, OutputExists
from seedproof.model.rules import Rules
from seedproof.model.run_key import run_id_of
from seedproof.model.runs import Role, Run, RunState
from seedproof.phases.control import Control, control_look
from seedproof.phases.next_call import control_call, experiment_next, new_experiment_call, present_baseline

__all__ = ["admit_control", "with_controls"]


def with_controls(state: State, arm: Arm) -> Arm:
    """The arm with the control runs of the code that it has now."""
    return replace(arm, controls=state.controls_of(arm.generation, arm.code))


def admit_control(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    """Decide a request for a run with role `control`.

    Raises:
        BaselineRefusal: There is no complete baseline.
        ExperimentUnknown: The present generation has no such experiment.
        ControlNotDue: Its code is the baseline's, or is what it declares, or the control has ended.
        AttemptNotAllowed: The attempt asked for is not one that is due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: It could not be started.
    """
    baseline = present_baseline(state, rules)
    known = declared(state, request)
    following = experiment_next(state, known, baseline)
    check_unchanged(known, request, following)
    own = _own(state, known)
    there = _there(own, control_look(baseline, state.experiment_arm(known)), request)
    if there is not None:
        return Admission((), there.run_id)
    code = present_code(state.experiment_arm(known), baseline.arm.code, site, rules.metric.name)
    arm = with_controls(state, code.arm)
    control = control_look(baseline, arm)
    if control.state == "open" and control.run is not None:  # of another experiment, on the code that this one has now
        return Admission((), control.run.run_id)
    if control.state == "none":
        if (
            following.arguments.get("role") == Role.CONTROL.value
        ):  # an edit was taken back, which the ledger cannot know
            following = NextCall("run_seed", "Goes on with the experiment.", {"experiment": known.name})
        raise ControlNotDue(_why_none(arm), following)
    if control.state != "due":
        raise ControlNotDue(_why_not_due(known.name, control, baseline), following)
    again = control_call(known.name, replace(control, run=own[-1] if own else None))
    attempt = _attempt(known, own, arm, request, again)
    if attempt is None:
        return Admission((), own[-1].run_id)
    require_sealed(baseline.arm.code, arm.code, rules, site, again)
    require_code(arm, rules.baseline_seeds, site, new_experiment_call())
    return _request(arm, rules, attempt, code.fields, site, again)


def _own(state: State, experiment: Experiment) -> list[Run]:
    """The attempts that an experiment has made at its control, whatever its code was then: they share one numbering."""
    runs = (state.runs[run_id] for run_id in experiment.run_ids)
    return [run for run in runs if run.role is Role.CONTROL]


def _there(own: list[Run], control: Control, request: RunRequest) -> Run | None:
    """The run that is asked for, if it was requested before; nobody needs to look at the code for it."""
    asked = next((run for run in own if run.attempt == request.attempt), None)
    return asked or (control.run if control.state == "open" else None)


def _why_none(arm: Arm) -> str:
    why = "its code is what it declares" if arm.code_change else "its code is the baseline's"
    return f"{arm.experiment} needs no control: {why}."


def _why_not_due(name: str, control: Control, baseline: Baseline) -> str:
    seed = baseline.rules.baseline_seeds[0]
    return f"the control of {name}, seed {seed} without flags, has {control.state}; there is one for each code."


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


def _request(arm: Arm, rules: Rules, attempt: int, code: Mapping[str, Any], site: Site, again: NextCall) -> Admission:
    seed, name = rules.baseline_seeds[0], arm.experiment
    folder = output_dir(rules, Role.CONTROL, name, seed, is_control=True)
    if site.is_in_the_way(folder):
        raise OutputExists(
            f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.", again
        )
    run_id = run_id_of(arm.generation, Role.CONTROL, name, seed, attempt, is_control=True)
    fields = {
        "run_id": run_id,
        "generation": arm.generation,
        "role": Role.CONTROL.value,
        "arm": "baseline",
        "experiment": name,
        "seed": seed,
        "attempt": attempt,
        **code,
    }
    return Admission((("run_requested", fields),), run_id)
