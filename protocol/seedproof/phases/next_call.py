"""The call that comes next: for the baseline, for an experiment, for the campaign."""

from collections.abc import Sequence
from typing import Any

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.command import normalise_flags
from seedproof.model.refusals import BaselineRefusal, BaselineVoid, NextCall
from seedproof.model.results import Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Role, RunState
from seedproof.phases.baseline import baseline_phase, establish_baseline
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import (
    ConfirmLook,
    Look,
    cannot_be_confirmed,
    confirm_look,
    may_retry,
    next_look,
    step_attempts,
)

__all__ = [
    "barring_twin",
    "baseline_next",
    "campaign_next",
    "confirm_call",
    "control_call",
    "experiment_next",
    "new_baseline_call",
    "new_experiment_call",
    "present_baseline",
    "tried_twins",
]


_STARTED = (RunState.QUEUED, RunState.RUNNING)


def present_baseline(state: State, rules: Rules) -> Baseline:
    """The baseline of the present generation.

    Raises:
        BaselineMissing, BaselineIncomplete, BaselineVoid: With the call that comes next.
    """
    phase = baseline_phase(state, rules)
    if phase.phase == "void":
        raise BaselineVoid(phase.reason or "", new_baseline_call())
    try:
        return establish_baseline(phase.arm, rules)
    except BaselineRefusal as refusal:
        refusal.next_call = baseline_next(state, rules)
        raise


def new_baseline_call() -> NextCall:
    """Start the next generation."""
    return NextCall(
        "run_seed",
        "Starts a new baseline generation; say why. Earlier ones stay in the ledger.",
        {},
        ("new_baseline",),
    )


def new_experiment_call() -> NextCall:
    """Declare and start an experiment."""
    return NextCall(
        "run_seed", "Declares an experiment and runs its first seed.", {}, ("experiment", "flags", "hypothesis")
    )


def baseline_next(state: State, rules: Rules) -> NextCall:
    """The call that brings the baseline forward, or the first one after it."""
    phase = baseline_phase(state, rules)
    if phase.phase in ("void", "stale"):
        return new_baseline_call()
    due = _next_run(phase.arm, phase.look, rules, {})
    if due is not None:
        return due
    if state.generation is not None and state.generation.report is None:
        return NextCall("write_report", "Writes the baseline report and removes the baseline's checkpoints.")
    return new_experiment_call()


def experiment_next(state: State, experiment: Experiment, baseline: Baseline) -> NextCall:
    """The call that brings an experiment forward, or the first one after it."""
    arm = state.experiment_arm(experiment)
    control = control_look(baseline, arm)
    if control.state == "failed":
        return new_baseline_call()
    if control.state in ("due", "open"):
        return control_call(experiment.name, control)
    look = next_look(arm, baseline, baseline.rules)
    name = {"experiment": experiment.name}
    if look.failed or (look.due and barring_twin(state, experiment, baseline.rules) is not None):
        return new_experiment_call()
    due = _next_run(arm, look, baseline.rules, name)
    if due is not None:
        return due
    if experiment.verdict is None:
        return NextCall("compare", "Gives the verdict.", name)
    confirmation = _confirm_next(experiment, arm, baseline)
    if confirmation is not None:
        return confirmation
    if experiment.report is None or experiment.report.get("runs") != state.ended_runs(experiment):
        return NextCall("write_report", "Writes the report and removes the checkpoints.", name)
    return new_experiment_call()


def campaign_next(state: State, rules: Rules) -> NextCall:
    """The first unfinished thing: the baseline, experiments of this generation, confirmations after all of them."""
    try:
        baseline = present_baseline(state, rules)
    except BaselineRefusal:
        return baseline_next(state, rules)
    # An agent may leave a WINNER unconfirmed; that must not hide what else is unfinished.
    confirming, settled = None, []
    found = None
    for place in state.unsettled:
        experiment = state.experiments[place]
        call = experiment.following or experiment_next(state, experiment, baseline)
        if _rests_on_itself(state, experiment, baseline):
            experiment.following = call
            if "experiment" not in call.arguments:
                settled.append(place)
        if call.arguments.get("role") == Role.CONFIRM.value:
            confirming = confirming or call
        elif "experiment" in call.arguments:
            found = call
            break
    gone = set(settled)
    state.unsettled[:] = [place for place in state.unsettled if place not in gone] if gone else state.unsettled
    return found or confirming or baseline_next(state, rules)


def _rests_on_itself(state: State, experiment: Experiment, baseline: Baseline) -> bool:
    """Whether what comes next for it can change only by a record about it.

    An open run may be seen as waiting or as training, without a record; one that has shown nothing may be barred
    by a twin; and the control of its code may be another experiment's.
    """
    if control_look(baseline, state.experiment_arm(experiment)).state in ("due", "open"):
        return False
    runs = [state.runs[run_id] for run_id in experiment.run_ids]
    shown = experiment.is_null or any(baseline.rules.metric.name in run.metrics for run in runs)
    return shown and not any(run.state.is_active for run in runs)


def _confirm_next(experiment: Experiment, arm: Arm, baseline: Baseline) -> NextCall | None:
    """What confirms a WINNER, also after a report that calls it unconfirmed."""
    assert experiment.verdict is not None
    if experiment.verdict["verdict"] != Verdict.WINNER or cannot_be_confirmed(arm, baseline.arm.code):
        return None
    rules = baseline.rules
    look = confirm_look(arm, rules)
    if look.is_complete:
        is_said = (experiment.verdict.get("confirmation") or {}).get("state", "open") != "open"
        return None if is_said else NextCall("compare", "Says whether it holds.", {"experiment": experiment.name})
    return confirm_call(experiment.name, arm, look, rules)


def control_call(name: str, control: Control) -> NextCall:
    """The call that brings the control of an experiment forward; the server chooses the seed."""
    arguments: dict[str, Any] = {"experiment": name, "role": Role.CONTROL.value}
    if control.state == "open" and control.run is not None:
        # The very run: once it has ended, the same call returns its result.
        exact = {"attempt": control.run.attempt} if control.run.experiment == name else {}
        return NextCall("run_seed", f"Waits for the control run that is {control.run.state}.", {**arguments, **exact})
    # Of another experiment with the same code, the last attempt is not one of this.
    if control.run is not None and control.run.experiment == name and control.run.state is not RunState.NOT_NEEDED:
        again = {**arguments, "attempt": control.run.attempt + 1}
        return NextCall("run_seed", f"Tries the control again; the last attempt {control.run.state}.", again)
    return NextCall("run_seed", "Shows that the changed code does the same without flags: one run.", arguments)


def confirm_call(name: str, arm: Arm, look: ConfirmLook, rules: Rules) -> NextCall:
    """The call that brings a confirmation forward; the server chooses seed and side."""
    arguments: dict[str, Any] = {"experiment": name, "role": Role.CONFIRM.value}
    for run in arm.fresh:
        if run.state in _STARTED:
            return NextCall("run_seed", f"Waits for the run that is {run.state}.", arguments)
    attempts = step_attempts(arm, look.due[0])
    if attempts and may_retry(attempts, rules.metric.name) and attempts[-1].state is not RunState.NOT_NEEDED:
        again = {**arguments, "attempt": attempts[-1].attempt + 1}
        return NextCall("run_seed", f"Tries the run again; the last attempt {attempts[-1].state}.", again)
    return NextCall("run_seed", f"Confirms the WINNER on fresh seeds: {look.done} of {look.needed} runs.", arguments)


def tried_twins(
    state: State, generation: Generation, flags: Sequence[str], code_change: bool, code: Code | None, rules: Rules
) -> list[Experiment]:
    """The experiments with these flags and this code that showed their metric, or have a run that still may."""
    wanted = normalise_flags(flags)
    found = []
    for other in generation.experiments.values():
        same_code = code is None or other.code is None or other.code.sha256 == code.sha256
        if normalise_flags(other.flags) == wanted and other.code_change == code_change and same_code:
            runs = state.experiment_arm(other).runs
            if any(run.state.is_active or rules.metric.name in run.metrics for run in runs):
                found.append(other)
    return found


def barring_twin(state: State, experiment: Experiment, rules: Rules) -> Experiment | None:
    """The twin that took this experiment's chance while it had nothing to show; None if it may run."""
    arm = state.experiment_arm(experiment)
    if arm.is_null or any(run.state.is_active or rules.metric.name in run.metrics for run in arm.runs):
        return None
    generation = state.generations[experiment.generation - 1]
    twins = tried_twins(state, generation, experiment.flags, experiment.code_change, experiment.code, rules)
    return next((twin for twin in twins if not state.experiment_arm(twin).is_null), None)


def _next_run(arm: Arm, look: Look, rules: Rules, name: dict[str, str]) -> NextCall | None:
    for run in arm.runs:
        if run.state in _STARTED and (look.due or run.state is RunState.RUNNING):
            exact = {**name, "seed": run.seed, "attempt": run.attempt}
            return NextCall("run_seed", f"Waits for the run that is {run.state}.", exact)
    for seed in look.due:
        attempts = arm.attempts(seed)
        if not attempts:
            return NextCall("run_seed", f"Runs seed {seed}.", {**name, "seed": seed})
        # Before the seeds that follow: what ended one without a result would end them as well.
        if may_retry(attempts, rules.metric.name):
            again = {**name, "seed": seed, "attempt": attempts[-1].attempt + 1}
            return NextCall("run_seed", f"Tries seed {seed} again; the last attempt {attempts[-1].state}.", again)
    return None
