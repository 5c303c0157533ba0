"""The phases of the protocol: which one the ledger is in, and the call that comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seedproof.ledger.generation import Experiment, Generation
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.model.command import normalise_flags
from seedproof.model.refusals import BaselineIncomplete, BaselineMissing, BaselineRefusal, BaselineVoid, NextCall
from seedproof.model.rules import Rules
from seedproof.model.values import _ESTABLISHED, Arm, Baseline, Role, RunState, Verdict
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
from seedproof.stats.summary import summarize

__all__ = [
    "BaselinePhase",
    "Phase",
    "barring_twin",
    "baseline_next",
    "baseline_phase",
    "campaign_next",
    "confirm_call",
    "establish_baseline",
    "experiment_next",
    "new_baseline_call",
    "new_experiment_call",
    "present_baseline",
    "control_call",
    "rules_of",
    "stale_reason",
    "tried_twins",
]

Phase = Literal["unmeasured", "measuring", "ready", "stale", "void"]
_STARTED = (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class BaselinePhase:
    """Where the baseline of the present generation stands."""

    phase: Phase
    """The word that `check_baseline` answers."""
    reason: str | None
    """Why it is void; None otherwise."""
    look: Look
    """What is due."""
    arm: Arm
    """Its runs."""


def establish_baseline(arm: Arm, rules: Rules) -> Baseline:
    """The only way to a `Baseline`, and so to a verdict.

    Raises:
        BaselineMissing: No seed is done.
        BaselineIncomplete: Some seeds are missing.
        BaselineVoid: A seed failed for good or diverged, or the spread is zero.
        ValueError: The runs are those of an experiment.
    """
    if arm.experiment is not None:
        raise ValueError(f"the runs of {arm.experiment} make no baseline")
    look = next_look(arm, None, rules)
    fault = _fault(arm, look, rules)
    if fault:
        raise BaselineVoid(fault)
    done = len(rules.baseline_seeds) - len(look.due)
    if look.due:
        kind = BaselineIncomplete if done else BaselineMissing
        raise kind(_progress(done, look, rules))
    values = arm.finite(rules.metric.name)
    summary = summarize([values[seed] for seed in rules.baseline_seeds])
    assert summary.std is not None  # three seeds or more, by the type of the rules
    return Baseline(arm.generation, rules, arm, summary.mean, summary.std, _ESTABLISHED)


def _progress(done: int, look: Look, rules: Rules) -> str:
    missing = ", ".join(str(seed) for seed in look.due)
    return f"the baseline has {done} of {len(rules.baseline_seeds)} seeds; missing: {missing}."


def _fault(arm: Arm, look: Look, rules: Rules) -> str | None:
    """Why this generation can never become a baseline, or None."""
    if look.diverged:
        return f"baseline seed {look.diverged[0]} diverged: its last {rules.metric.name} is not finite."
    if look.failed:
        return f"baseline seed {look.failed[0]} failed for good."
    values = list(arm.finite(rules.metric.name).values())
    if not look.due and summarize(values).std == 0:
        return f"all {len(values)} seeds gave the same {rules.metric.name}; does the script use --seed?"
    return None


def rules_of(generation: Generation) -> Rules:
    """The rules that a generation was measured under."""
    return generation.parsed_rules()


def baseline_phase(state: State, rules: Rules) -> BaselinePhase:
    """The phase of the present generation under the rules of the settings file."""
    generation = state.generation
    if generation is None:
        arm = Arm(generation=1, experiment=None, runs=())
        return BaselinePhase("unmeasured", None, next_look(arm, None, rules), arm)
    arm = state.baseline_arm(generation.number)
    if generation.parsed_rules() != rules:
        changed = _changed_rules(generation, rules)
        reason = f"the rules in seedproof.toml differ from those the baseline was measured under ({changed})."
        return BaselinePhase("void", reason, next_look(arm, None, rules), arm)
    look = next_look(arm, None, rules)
    fault = _fault(arm, look, rules)
    if fault:
        return BaselinePhase("void", fault, look, arm)
    if not look.due:
        stale = _stale(state, generation, establish_baseline(arm, rules))
        return BaselinePhase("stale" if stale else "ready", stale, look, arm)
    return BaselinePhase("measuring" if arm.runs else "unmeasured", None, look, arm)


def _stale(state: State, generation: Generation, baseline: Baseline) -> str | None:
    """Why the baseline says nothing of the code that experiments have now; None where it does, or is not known not to.

    What the ledger knows of the present code is the newest declaration. One that declares its code as the change
    asks nothing of the path without flags.
    """
    for experiment in reversed(generation.experiments.values()):
        arm = state.experiment_arm(experiment)
        return stale_reason(arm, baseline) if control_look(baseline, arm).state == "failed" else None
    return None


def stale_reason(arm: Arm, baseline: Baseline) -> str:
    """What a failed control means, without the values: a refused verdict betrays nothing of the result."""
    seed = baseline.rules.baseline_seeds[0]
    decided = control_look(baseline, arm).expected is not None
    said = "does not agree with the baseline: the change alone moves the result" if decided else "failed for good"
    return (
        f"the code has changed since the baseline, and the control of {arm.experiment}, seed {seed} without flags, "
        f"{said}. Measure a new baseline, declare the change anew as an experiment with code_change=true, or take the "
        "change back and declare the experiment under another name."
    )


def _changed_rules(generation: Generation, rules: Rules) -> str:
    present, begun = rules.document(), generation.parsed_rules().document()
    return ", ".join(sorted(name for name in present if present[name] != begun[name]))


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
