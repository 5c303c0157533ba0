"""Makes every `NextCall` of the protocol: for the baseline, an experiment, the campaign, and each refusal.

Over 300 lines, because what comes next is decided in this one place.
"""

from collections.abc import Collection
from typing import Any

from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.baseline import no_baseline_refusal
from seedproof.phases.confirmation import cannot_be_confirmed, step_attempts
from seedproof.phases.control import Control
from seedproof.phases.looks import Look, may_retry
from seedproof.phases.replacement import NO_VALUE, replaceable, unended_run
from seedproof.phases.study import Standing, Study
from seedproof.phases.twins import barring_twin

__all__ = [
    "arm_next",
    "baseline_next",
    "campaign_next",
    "check_call",
    "confirm_call",
    "control_call",
    "declare_anew_call",
    "declare_call",
    "declare_unknown_call",
    "experiment_call",
    "experiment_next",
    "finish_report_call",
    "first_baseline_call",
    "is_after_reports",
    "new_baseline_call",
    "new_code_call",
    "new_experiment_call",
    "require_baseline",
    "run_next",
    "same_seed_call",
    "show_experiments_call",
    "stop_call",
    "withdraw_call",
]


def require_baseline(study: Study) -> Baseline:
    """The baseline of the present generation.

    Raises:
        BaselineMissing, BaselineIncomplete, BaselineVoid: With the next call.
    """
    if study.baseline is not None:
        return study.baseline
    refusal = no_baseline_refusal(study.baseline_phase, study.rules)
    refusal.next_call = baseline_next(study)
    raise refusal


# --- what an arm needs ------------------------------------------------------------------------


def baseline_next(study: Study) -> NextCall:
    """The next call for the baseline, or the first one after it."""
    phase = study.baseline_phase
    if study.reads_again and phase.baseline is None:
        return NextCall("run_seed", "Reads the kept logs again by the mended metric, without a training.", {})
    if phase.phase in ("void", "stale"):
        return _replacing_call(study)
    due = _next_run(phase.arm, phase.look, study.rules, {})
    if due is not None:
        return due
    if study.generation is not None and study.generation.report is None:
        return NextCall(
            "write_report", "Writes the baseline report and removes its checkpoints, unless keep_outputs keeps them."
        )
    return new_experiment_call()


def _replacing_call(study: Study) -> NextCall:
    """Begin the next generation; where nothing is known of the present one, no reason is asked for."""
    replaced = replaceable(study)
    if replaced is None:
        return new_baseline_call()
    unended = unended_run(study.baseline_phase.arm)
    if unended is not None:
        return _wait_call(unended, {})
    why = f"Begins the next generation once the cause is mended, as {NO_VALUE.format(replaced.number)}."
    return NextCall("run_seed", why, {})


def experiment_next(study: Study, experiment: Experiment) -> NextCall:
    """The next call for an experiment of the present generation, or the first one after it.

    Raises:
        BaselineRefusal: There is no complete baseline.
    """
    baseline = require_baseline(study)
    return study.compute_once(
        ("next", experiment.place), lambda: _experiment_next(study, study.standing(experiment), baseline)
    )


def _experiment_next(study: Study, standing: Standing, baseline: Baseline) -> NextCall:
    experiment, look, rules = standing.experiment, standing.look, baseline.rules
    if experiment.withdrawn is not None:
        return declare_anew_call(experiment)
    if standing.control.state == "failed":
        return new_baseline_call()
    if standing.control.state in ("due", "open"):
        return control_call(experiment.name, standing.control)
    if look.closed_by is not None and standing.arm.is_without_value(rules.metric.name):
        return declare_anew_call(experiment)
    if look.failed or (look.due and barring_twin(study.state, experiment, rules) is not None):
        return new_experiment_call()
    name = {"experiment": experiment.name}
    due = _next_run(standing.arm, look, rules, name)
    if due is not None:
        return due
    if experiment.verdict is None:
        return NextCall("compare", "Gives the verdict.", name)
    report, confirmation = experiment.report, _confirm_next(standing, baseline)
    if report is not None and report.seq < experiment.verdict.seq:
        return NextCall("write_report", "Writes the report again: it shows an earlier verdict.", name)
    if confirmation is not None:
        return confirmation
    if report is None or report.runs != study.state.ended_runs(experiment):
        return NextCall(
            "write_report", "Writes the report and removes the checkpoints, unless keep_outputs keeps them.", name
        )
    return new_experiment_call()


def _confirm_next(standing: Standing, baseline: Baseline) -> NextCall | None:
    """The next call of a confirmation, even after a report that calls it unconfirmed; None if none is due."""
    experiment, verdict = standing.experiment, standing.experiment.verdict
    if verdict is None or verdict.is_confirmation_ended or cannot_be_confirmed(standing.arm, baseline.arm.code):
        return None
    # A NEUTRAL has seeds where its same-seed pairs say more than its means.
    if not verdict.is_winner and standing.arm.fresh_plan is None:
        return None
    if not standing.confirmation.is_complete:
        return confirm_call(standing)
    return NextCall("compare", "Says whether it holds.", {"experiment": experiment.name})


def campaign_next(study: Study) -> NextCall:
    """The call for the first unfinished baseline, experiment of this generation, or confirmation, in this order."""
    if study.baseline is None or study.generation is None:
        return baseline_next(study)
    # An agent may leave a WINNER unconfirmed; that must not hide other unfinished experiments.
    confirming = None
    for experiment in study.generation.experiments.values():
        call = _cached_next(study, experiment)
        if call.arguments.get("role") == Role.CONFIRM.value:
            confirming = confirming or call
        elif "experiment" in call.arguments and not call.you_choose:  # a closed arm keeps nobody waiting
            return call
    return confirming or baseline_next(study)


def _cached_next(study: Study, experiment: Experiment) -> NextCall:
    """The same as `experiment_next`; a long campaign is not looked at anew for every call."""
    cached = study.memory.next_calls.get(experiment.place)
    if cached is not None and cached[0] == experiment.changed_at:
        return cached[1]
    call = experiment_next(study, experiment)
    if _depends_only_on_own_records(study.standing(experiment)):
        study.memory.next_calls[experiment.place] = (experiment.changed_at, call)
    return call


def _depends_only_on_own_records(standing: Standing) -> bool:
    """Whether only a record about this experiment can change its next call.

    Not while a run is active: it may be seen as queued or running without a record. Not before it has shown its
    metric: a twin may bar it. Not while its control is due or open, or its confirmation: another experiment may run
    their controls.
    """
    arm = standing.arm
    runs = (*arm.runs, *arm.fresh, *(run for run in arm.controls if run.experiment == arm.experiment))
    metric = standing.rules.metric.name
    has_shown = arm.is_null or any(run.is_draw(metric) for run in runs)
    is_open = standing.control.state in ("due", "open") or any(run.state.is_active for run in runs)
    verdict = standing.experiment.verdict
    is_confirming = arm.fresh_plan is not None and not (verdict is not None and verdict.is_confirmation_ended)
    return has_shown and not is_open and not is_confirming


def run_next(study: Study, run: Run) -> NextCall | None:
    """The next call after a look at a run: for the run itself while it is active, else for its arm."""
    generation = study.generation
    # A run of an earlier generation cannot be requested again: a request is for the present generation.
    is_present = generation is not None and run.generation == generation.number
    if run.state.is_active and generation is not None and is_present and run.role is not Role.PROBE:
        if run.role is Role.CONTROL:
            return control_call(run.experiment or "", Control("open", run))
        if run.role is Role.CONFIRM:
            return confirm_call(study.standing(generation.experiments[run.experiment or ""]))
        return _wait_call(run, {} if run.experiment is None else {"experiment": run.experiment})
    return arm_next(study, study.find(run.experiment or ""))


def arm_next(study: Study, experiment: Experiment | None) -> NextCall:
    """The next call for an experiment of the present generation; for the baseline where there is none, or it is due."""
    if experiment is None or study.baseline is None:
        return baseline_next(study)
    return experiment_next(study, experiment)


def _next_run(arm: Arm, look: Look, rules: Rules, name: dict[str, str]) -> NextCall | None:
    for run in arm.runs:
        if run.state.is_active and (look.due or run.state is RunState.RUNNING):
            return _wait_call(run, name)
    for seed in look.due:
        attempts = arm.attempts(seed)
        if not attempts:
            return NextCall("run_seed", f"Runs seed {seed}.", {**name, "seed": seed})
        if attempts[-1].state is RunState.UNREAD:
            return _read_again_call({**name, "seed": seed, "attempt": attempts[-1].attempt})
        # Retry before the next seed: what ended this one without a result would probably end that one too.
        if may_retry(attempts, rules.metric.name):
            retry = {**name, "seed": seed, "attempt": attempts[-1].attempt + 1}
            why = f"Tries seed {seed} again; the last attempt {attempts[-1].state}."
            if name and arm.is_without_value(rules.metric.name):
                why += " With other flags, the same name declares the experiment anew."
            return NextCall("run_seed", why, retry)
    return None


def _wait_call(run: Run, name: dict[str, str]) -> NextCall:
    arguments = {**name, "seed": run.seed, "attempt": run.attempt}
    return NextCall("run_seed", f"Waits for the run that is {run.state}.", arguments)


def _read_again_call(arguments: dict[str, Any]) -> NextCall:
    """Repeat the call for a run whose value could not be read."""
    why = "Once rules.metric in seedproof.toml reads the quoted line: reads the kept log again, without a training."
    return NextCall("run_seed", why, arguments)


# --- single calls -----------------------------------------------------------------------------


def first_baseline_call(rules: Rules) -> NextCall:
    """Begin a generation and run its first seed."""
    return NextCall("run_seed", "Runs the first baseline seed.", {"seed": rules.baseline_seeds[0]})


def new_baseline_call() -> NextCall:
    """Begin the next generation."""
    return NextCall(
        "run_seed",
        "Starts a new baseline generation; say why. Earlier ones stay in the ledger.",
        {},
        ("new_baseline",),
    )


def new_code_call() -> NextCall:
    """Start the next generation because the code of the present one cannot be told any more."""
    return NextCall("run_seed", "Begins a new generation with the present code.", {}, ("new_baseline",))


def new_experiment_call() -> NextCall:
    """Declare and start an experiment."""
    return NextCall(
        "run_seed", "Declares an experiment and runs its first seed.", {}, ("experiment", "flags", "hypothesis")
    )


def declare_call(experiment: str | None, *, code_change: bool, has_flags: bool, seed: int | None = None) -> NextCall:
    """Repeat the declaration of an experiment: flags, a change of code, or both.

    Args:
        seed: Its first seed, where the call is known to request it.
    """
    arguments: dict[str, Any] = {"experiment": experiment}
    arguments |= {"code_change": True} if code_change else {}
    why = "Declares the experiment." if seed is None else "Declares the experiment and runs its first seed."
    you_choose = ("hypothesis",) if code_change and not has_flags else ("flags", "hypothesis")
    return NextCall("run_seed", why, arguments if seed is None else {**arguments, "seed": seed}, you_choose)


def declare_anew_call(experiment: Experiment) -> NextCall:
    """Declare an experiment under its name again, of whose result nothing is known."""
    arguments: dict[str, Any] = {"experiment": experiment.name}
    arguments |= {"code_change": True} if experiment.code_change else {}
    return NextCall(
        "run_seed", "Declares it anew, with other flags or mended code.", arguments, ("flags", "hypothesis")
    )


def declare_unknown_call(experiment: str) -> NextCall:
    """Declare an experiment whose name is unknown."""
    return NextCall(
        "run_seed", "Declares it and runs its first seed.", {"experiment": experiment}, ("flags", "hypothesis")
    )


def experiment_call(experiment: str) -> NextCall:
    """Continue an experiment; the server chooses the seed."""
    return NextCall("run_seed", "Goes on with the experiment.", {"experiment": experiment})


def same_seed_call(seed: int, arguments: dict[str, Any]) -> NextCall:
    """Repeat a refused call, once a folder was moved away."""
    return NextCall("run_seed", "Runs the seed once the folder is gone.", {**arguments, "seed": seed})


def is_after_reports(arguments: Collection[str], you_choose: Collection[str]) -> bool:
    """Whether a report that was cut short comes before a call: it begins something new, or a confirmation.

    Args:
        arguments: Names of the arguments that the call has.
        you_choose: Names of those that the caller fills.
    """
    return "experiment" in you_choose or "role" in arguments


def finish_report_call(experiment: str | None) -> NextCall:
    """Write a report again that was interrupted.

    Args:
        experiment: Its name; None for the baseline's report.
    """
    arguments = {} if experiment is None else {"experiment": experiment}
    return NextCall("write_report", "Finishes the newest report: its file or its mirror is not there.", arguments)


def stop_call(run_id: str) -> NextCall:
    """Stop a run; the caller gives the reason."""
    return NextCall("stop_run", "Stops the run.", {"run_id": run_id}, ("reason",))


def withdraw_call(experiment: str) -> NextCall:
    """Withdraw an experiment without a value; the caller gives the reason."""
    return NextCall("stop_run", "Withdraws the experiment.", {"experiment": experiment}, ("reason",))


def check_call(why: str) -> NextCall:
    """Check the baseline."""
    return NextCall("check_baseline", why)


def show_experiments_call(why: str) -> NextCall:
    """List the experiments and their runs."""
    return NextCall("list_experiments", why)


def control_call(name: str, control: Control) -> NextCall:
    """Wait for, retry or request the control of an experiment; the server chooses the seed."""
    arguments: dict[str, Any] = {"experiment": name, "role": Role.CONTROL.value}
    if control.state == "open" and control.run is not None:
        # With the attempt, the same call returns the result once the run has ended.
        if control.run.experiment == name:
            arguments["attempt"] = control.run.attempt
        return NextCall("run_seed", f"Waits for the control run that is {control.run.state}.", arguments)
    # The run may be another experiment's with the same code, whose attempts have their own numbers.
    if control.run is not None and control.run.experiment == name and control.run.state is not RunState.NOT_NEEDED:
        if control.run.state is RunState.UNREAD:
            return _read_again_call({**arguments, "attempt": control.run.attempt})
        arguments["attempt"] = control.run.attempt + 1
        return NextCall("run_seed", f"Tries the control again; the last attempt {control.run.state}.", arguments)
    return NextCall("run_seed", "Shows that the changed code does the same without flags: one run.", arguments)


def confirm_call(standing: Standing) -> NextCall:
    """Wait for, retry or request the next run of a confirmation; the server chooses seed and side."""
    arm, look = standing.arm, standing.confirmation
    arguments: dict[str, Any] = {"experiment": arm.experiment, "role": Role.CONFIRM.value}
    for run in arm.fresh:
        if run.state.is_active:
            return NextCall("run_seed", f"Waits for the run that is {run.state}.", arguments)
    attempts = step_attempts(arm, look.due[0]) if look.due else ()
    if attempts and attempts[-1].state is RunState.UNREAD:
        return _read_again_call(arguments)
    if attempts and may_retry(attempts, standing.rules.metric.name) and attempts[-1].state is not RunState.NOT_NEEDED:
        arguments["attempt"] = attempts[-1].attempt + 1
        return NextCall("run_seed", f"Tries the run again; the last attempt {attempts[-1].state}.", arguments)
    is_pairs = arm.fresh_plan is not None and arm.fresh_plan.kind == "pairs"
    what = "Tests what the same-seed pairs show" if is_pairs else "Confirms the WINNER"
    done = f": {look.done} of {look.needed} runs" if look.needed else ""
    return NextCall("run_seed", f"{what} on fresh seeds{done}.", arguments)
