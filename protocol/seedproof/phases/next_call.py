"""The call that comes next: for the baseline, an experiment, the campaign, and for each refusal.

Every `NextCall` of the protocol is made here, so that what an agent is told to do is decided in one place.
"""

from collections.abc import Sequence
from typing import Any

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.command import normalise_flags
from seedproof.model.refusals import BaselineRefusal, NextCall
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.baseline import no_baseline_refusal
from seedproof.phases.control import Control
from seedproof.phases.looks import Look, cannot_be_confirmed, may_retry, step_attempts
from seedproof.phases.study import Standing, Study

__all__ = [
    "barring_twin",
    "baseline_next",
    "campaign_next",
    "check_call",
    "confirm_call",
    "control_call",
    "declare_call",
    "declare_unknown_call",
    "experiment_call",
    "experiment_next",
    "finish_report_call",
    "first_baseline_call",
    "new_baseline_call",
    "new_experiment_call",
    "require_baseline",
    "run_next",
    "same_seed_call",
    "show_experiments_call",
    "stop_call",
    "tried_twins",
]


def require_baseline(study: Study) -> Baseline:
    """The baseline of the present generation.

    Raises:
        BaselineMissing, BaselineIncomplete, BaselineVoid: With the call that comes next.
    """
    if study.baseline is not None:
        return study.baseline
    refusal = no_baseline_refusal(study.baseline_phase, study.rules)
    refusal.next_call = baseline_next(study)
    raise refusal


# --- what an arm needs ------------------------------------------------------------------------


def baseline_next(study: Study) -> NextCall:
    """The call that brings the baseline forward, or the first one after it."""
    phase = study.baseline_phase
    if phase.phase in ("void", "stale"):
        return new_baseline_call()
    due = _next_run(phase.arm, phase.look, study.rules, {})
    if due is not None:
        return due
    if study.generation is not None and study.generation.report is None:
        return NextCall("write_report", "Writes the baseline report and removes the baseline's checkpoints.")
    return new_experiment_call()


def experiment_next(study: Study, experiment: Experiment) -> NextCall:
    """The call that brings an experiment of the present generation forward, or the first one after it.

    Raises:
        BaselineRefusal: There is no complete baseline.
    """
    baseline = require_baseline(study)
    return study.once(("next", experiment.place), lambda: _experiment_next(study, study.standing(experiment), baseline))


def _experiment_next(study: Study, standing: Standing, baseline: Baseline) -> NextCall:
    experiment, look, rules = standing.experiment, standing.look, baseline.rules
    if standing.control.state == "failed":
        return new_baseline_call()
    if standing.control.state in ("due", "open"):
        return control_call(experiment.name, standing.control)
    if look.failed or (look.due and barring_twin(study.state, experiment, rules) is not None):
        return new_experiment_call()
    name = {"experiment": experiment.name}
    due = _next_run(standing.arm, look, rules, name)
    if due is not None:
        return due
    if experiment.verdict is None:
        return NextCall("compare", "Gives the verdict.", name)
    confirmation = _confirm_next(standing, baseline)
    if confirmation is not None:
        return confirmation
    if experiment.report is None or experiment.report.runs != study.state.ended_runs(experiment):
        return NextCall("write_report", "Writes the report and removes the checkpoints.", name)
    return new_experiment_call()


def _confirm_next(standing: Standing, baseline: Baseline) -> NextCall | None:
    """What confirms a WINNER, also after a report that calls it unconfirmed."""
    experiment, verdict = standing.experiment, standing.experiment.verdict
    if verdict is None or not verdict.is_winner or cannot_be_confirmed(standing.arm, baseline.arm.code):
        return None
    if not standing.confirmation.is_complete:
        return confirm_call(standing)
    if verdict.is_confirmation_ended:
        return None
    return NextCall("compare", "Says whether it holds.", {"experiment": experiment.name})


def campaign_next(study: Study) -> NextCall:
    """The first unfinished thing: the baseline, experiments of this generation, confirmations after all of them."""
    if study.baseline is None or study.generation is None:
        return baseline_next(study)
    # An agent may leave a WINNER unconfirmed; that must not hide what else is unfinished.
    confirming = None
    for experiment in study.generation.experiments.values():
        call = _remembered_next(study, experiment)
        if call.arguments.get("role") == Role.CONFIRM.value:
            confirming = confirming or call
        elif "experiment" in call.arguments:
            return call
    return confirming or baseline_next(study)


def _remembered_next(study: Study, experiment: Experiment) -> NextCall:
    """The same as `experiment_next`; a long campaign is not looked at anew for every call."""
    known = study.memory.next_calls.get(experiment.place)
    if known is not None and known[0] == experiment.changed_at:
        return known[1]
    call = experiment_next(study, experiment)
    if _changes_by_records_about_it_alone(study.standing(experiment)):
        study.memory.next_calls[experiment.place] = (experiment.changed_at, call)
    return call


def _changes_by_records_about_it_alone(standing: Standing) -> bool:
    """Whether what comes next for an experiment can change only by a record about it.

    An open run may be seen as waiting or as training, without a record; one that has shown nothing may be barred
    by a twin; and the control of its code may be another experiment's.
    """
    arm = standing.arm
    runs = (*arm.runs, *arm.fresh, *(run for run in arm.controls if run.experiment == arm.experiment))
    metric = standing.rules.metric.name
    has_shown = arm.is_null or any(metric in run.metrics for run in runs)
    is_open = standing.control.state in ("due", "open") or any(run.state.is_active for run in runs)
    return has_shown and not is_open


def run_next(study: Study, run: Run) -> NextCall | None:
    """What to call after looking at a run: the run itself while it lasts, else what its arm needs."""
    generation = study.generation
    # A run of an earlier generation cannot be asked for again: its key belongs to the present one.
    if run.state.is_active and generation is not None and run.generation == generation.number:
        if run.role is Role.CONTROL:
            return control_call(run.experiment or "", Control("open", run))
        if run.role is Role.CONFIRM:
            return confirm_call(study.standing(generation.experiments[run.experiment or ""]))
        return _await_call(run, {} if run.experiment is None else {"experiment": run.experiment})
    experiment = study.find(run.experiment or "")
    if experiment is None:
        return baseline_next(study)
    try:
        return experiment_next(study, experiment)
    except BaselineRefusal as refusal:
        return refusal.next_call


def _next_run(arm: Arm, look: Look, rules: Rules, name: dict[str, str]) -> NextCall | None:
    for run in arm.runs:
        if run.state.is_active and (look.due or run.state is RunState.RUNNING):
            return _await_call(run, name)
    for seed in look.due:
        attempts = arm.attempts(seed)
        if not attempts:
            return NextCall("run_seed", f"Runs seed {seed}.", {**name, "seed": seed})
        # Before the seeds that follow: what ended one without a result would end them as well.
        if may_retry(attempts, rules.metric.name):
            again = {**name, "seed": seed, "attempt": attempts[-1].attempt + 1}
            return NextCall("run_seed", f"Tries seed {seed} again; the last attempt {attempts[-1].state}.", again)
    return None


def _await_call(run: Run, name: dict[str, str]) -> NextCall:
    exact = {**name, "seed": run.seed, "attempt": run.attempt}
    return NextCall("run_seed", f"Waits for the run that is {run.state}.", exact)


# --- single calls -----------------------------------------------------------------------------


def first_baseline_call(rules: Rules) -> NextCall:
    """Run the first seed of a generation that this call begins."""
    return NextCall("run_seed", "Runs the first baseline seed.", {"seed": rules.baseline_seeds[0]})


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


def declare_call(experiment: str | None, *, code_change: bool, has_flags: bool, seed: int | None = None) -> NextCall:
    """The first call for an experiment once more, as the kind that it is: flags, a change of code, or both.

    Args:
        seed: Its first seed, where the call is known to bring it.
    """
    arguments: dict[str, Any] = {"experiment": experiment}
    arguments |= {"code_change": True} if code_change else {}
    why = "Declares the experiment." if seed is None else "Declares the experiment and runs its first seed."
    you_choose = ("hypothesis",) if code_change and not has_flags else ("flags", "hypothesis")
    return NextCall("run_seed", why, arguments if seed is None else {**arguments, "seed": seed}, you_choose)


def declare_unknown_call(experiment: str) -> NextCall:
    """Declare a name that was asked for and never declared."""
    return NextCall(
        "run_seed", "Declares it and runs its first seed.", {"experiment": experiment}, ("flags", "hypothesis")
    )


def experiment_call(experiment: str) -> NextCall:
    """Go on with an experiment; the server chooses the seed."""
    return NextCall("run_seed", "Goes on with the experiment.", {"experiment": experiment})


def same_seed_call(seed: int, arguments: dict[str, Any]) -> NextCall:
    """The refused call again, once a folder has been moved out of the way."""
    return NextCall("run_seed", "Runs the seed once the folder is gone.", {**arguments, "seed": seed})


def finish_report_call(experiment: str | None) -> NextCall:
    """Write a report once more whose writing was cut short; None: the baseline's."""
    arguments = {} if experiment is None else {"experiment": experiment}
    return NextCall("write_report", "Finishes the newest report: its file or its mirror is not there.", arguments)


def stop_call(run_id: str) -> NextCall:
    """Stop a run, once a reason is given."""
    return NextCall("stop_run", "Stops the run.", {"run_id": run_id}, ("reason",))


def check_call(why: str) -> NextCall:
    """Look where the protocol stands."""
    return NextCall("check_baseline", why)


def show_experiments_call(why: str) -> NextCall:
    """Look at what runs, waits or failed."""
    return NextCall("list_experiments", why)


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


def confirm_call(standing: Standing) -> NextCall:
    """The call that brings a confirmation forward; the server chooses seed and side."""
    arm, look = standing.arm, standing.confirmation
    arguments: dict[str, Any] = {"experiment": arm.experiment, "role": Role.CONFIRM.value}
    for run in arm.fresh:
        if run.state.is_active:
            return NextCall("run_seed", f"Waits for the run that is {run.state}.", arguments)
    attempts = step_attempts(arm, look.due[0])
    if attempts and may_retry(attempts, standing.rules.metric.name) and attempts[-1].state is not RunState.NOT_NEEDED:
        again = {**arguments, "attempt": attempts[-1].attempt + 1}
        return NextCall("run_seed", f"Tries the run again; the last attempt {attempts[-1].state}.", again)
    return NextCall("run_seed", f"Confirms the WINNER on fresh seeds: {look.done} of {look.needed} runs.", arguments)


# --- the same flags under another name --------------------------------------------------------


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
