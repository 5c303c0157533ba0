"""Makes the calls that a reply or a refusal can name."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from seedproof.ledger.state import Experiment
from seedproof.metrics.run_state import lacks_value
from seedproof.model.arms import Arm
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.confirmation import step_attempts
from seedproof.phases.control import Control
from seedproof.phases.looks import ended_without_value, is_own_end, may_retry
from seedproof.phases.study import Standing

__all__ = [
    "check_call",
    "confirm_call",
    "control_call",
    "declare_anew_call",
    "declare_call",
    "declare_unknown_call",
    "experiment_call",
    "find_metric_call",
    "finish_report_call",
    "first_baseline_call",
    "is_after_reports",
    "merge_call",
    "mend_baseline_call",
    "mend_experiment_call",
    "new_baseline_call",
    "new_code_call",
    "new_experiment_call",
    "read_again_call",
    "same_seed_call",
    "show_experiments_call",
    "stop_call",
    "take_back_call",
    "wait_call",
    "withdraw_call",
]


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


def take_back_call(arm: Arm, metric: str) -> NextCall:
    """Declare an experiment again once the edit is taken back that moved its control.

    Args:
        metric: Name of the deciding metric.
    """
    why = f"Once the edit is taken back: declares it on the baseline's code. To keep the edit, {new_baseline_call()}."
    if not arm.is_without_value(metric):
        return replace(new_experiment_call(), why=why)
    return NextCall("run_seed", why, {"experiment": arm.experiment}, ("flags", "hypothesis"))


def merge_call(experiment: Experiment) -> NextCall:
    """Begin the baseline that has a confirmed WINNER, once it is merged."""
    why = (
        f"Once {experiment.name} is merged, as the line Merge of its report says: begins the baseline that has it. "
        "Further experiments against the present one come before that."
    )
    return NextCall("run_seed", why, {}, ("new_baseline",))


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
    return bool({"experiment", "new_baseline"} & {*you_choose}) or "role" in arguments


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
            return read_again_call({**arguments, "attempt": control.run.attempt})
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
        return read_again_call(arguments)
    if attempts and may_retry(attempts, standing.rules.metric.name) and attempts[-1].state is not RunState.NOT_NEEDED:
        arguments["attempt"] = attempts[-1].attempt + 1
        return NextCall("run_seed", f"Tries the run again; the last attempt {attempts[-1].state}.", arguments)
    is_pairs = arm.fresh_plan is not None and arm.fresh_plan.kind == "pairs"
    what = "Tests what the same-seed pairs show" if is_pairs else "Confirms the WINNER"
    done = f": {look.done} of {look.needed} runs" if look.needed else ""
    return NextCall("run_seed", f"{what} on fresh seeds{done}.", arguments)


def wait_call(run: Run, name: dict[str, str]) -> NextCall:
    arguments = {**name, "seed": run.seed, "attempt": run.attempt}
    return NextCall("run_seed", f"Waits for the run that is {run.state}.", arguments)


def read_again_call(arguments: dict[str, Any]) -> NextCall:
    """Repeat the call for a run whose value could not be read."""
    why = "Once rules.metric in seedproof.toml reads the quoted line: reads the kept log again, without a training."
    return NextCall("run_seed", why, arguments)


# --- after an attempt without a value ---------------------------------------------------------

# Attempts of an arm without a value after which nothing but a look at their cause is offered, chosen and not derived:
# where the program ended by itself, and in all, as with a GPU that others fill.
MOST_OWN_ENDS, MOST_ENDS = 3, 6


def find_metric_call(arguments: dict[str, Any], metric: str) -> NextCall:
    """Repeat the call for a training that ended well and whose metric was not found, once the settings find it."""
    why = (
        f"Once [rules.metric] in seedproof.toml finds {metric} in what it printed: reads the kept log again, without a "
        "training. If it printed none, mend the program, then attempt + 1 trains again."
    )
    return NextCall("run_seed", why, arguments)


def mend_baseline_call(arm: Arm, last: Run, metric: str) -> NextCall:
    """Mend what ended an attempt at a baseline seed without a value, then repeat it.

    Args:
        last: The attempt.
        metric: Name of the deciding metric.
    """
    if lacks_value(last, metric):
        return find_metric_call({"seed": last.seed, "attempt": last.attempt}, metric)
    arguments = {"seed": last.seed, "attempt": last.attempt + 1}
    again = str(NextCall("run_seed", "", arguments))
    number = _too_many(arm.present_runs, metric)
    if number:
        return check_call(f"{number} attempts ended without a {metric}: tell your user. Once it is mended, {again}.")
    why = f"Once {_cause(last)}, or if the cause lay outside: tries seed {last.seed} again."
    return NextCall("run_seed", why, arguments)


def mend_experiment_call(
    experiment: Experiment, arm: Arm, last: Run, metric: str, *, is_closed: bool = False
) -> NextCall:
    """Mend what ended an attempt of an experiment without a value.

    Args:
        last: The attempt.
        metric: Name of the deciding metric.
        is_closed: Whether another attempt at the same declaration is refused.
    """
    arguments = {"experiment": experiment.name, "seed": last.seed, "attempt": last.attempt + 1}
    anew, again = declare_anew_call(experiment), NextCall("run_seed", "", arguments)
    number = _too_many(arm.runs, metric)
    if number and arm.is_without_value(metric):
        why = f"{number} attempts ended without a {metric}: withdraws it. Once the cause is mended, {anew} is open too."
        return replace(withdraw_call(experiment.name), why=why)
    is_code = experiment.code_change and not experiment.flags and not is_closed
    if is_code or not is_own_end(last, metric) or not arm.is_without_value(metric):
        why = f"Once {_cause(last)}, or if the cause lay outside: tries seed {last.seed} again."
        return replace(again, why=why)
    outside = "" if is_closed else f" If the cause lay outside the flags, {again} tries it again."
    return replace(anew, why=f"Once {_cause(last)}: declares it anew, under the same name.{outside}")


def _too_many(runs: Sequence[Run], metric: str) -> int:
    """How many of these attempts ended without a value, where that are too many to go on; else 0."""
    ended = [run for run in runs if ended_without_value(run, metric)]
    is_enough = len(ended) >= MOST_ENDS or sum(is_own_end(run, metric) for run in ended) >= MOST_OWN_ENDS
    return len(ended) if is_enough else 0


def _cause(last: Run) -> str:
    if last.state is RunState.TIMED_OUT:
        return "it ends in time, or `timeout_min` in [settings] gives it more"
    return "what its last lines show is mended"
