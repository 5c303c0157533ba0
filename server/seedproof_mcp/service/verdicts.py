"""Verdicts from what the ledger says: on an experiment of today, and one that was given before."""

from collections.abc import Collection

from seedproof.admission.declaration import check_name
from seedproof.ledger.records import Record
from seedproof.ledger.state import State
from seedproof.model.refusals import BaselineStale, ExperimentUnknown, NextCall, Refusal
from seedproof.model.results import Comparison, Difference
from seedproof.model.rules import Rules
from seedproof.phases.baseline import establish_baseline, rules_of, stale_reason
from seedproof.phases.control import control_look
from seedproof.phases.next_call import experiment_next, new_baseline_call, present_baseline
from seedproof.verdict.comparability import accepted_differences
from seedproof.verdict.judge import judge

from seedproof_mcp.service.views import written_confirmation

__all__ = ["judge_experiment", "judged_again", "require_reportable"]


def judge_experiment(state: State, rules: Rules, name: str, accept: Collection[str] = ()) -> Comparison:
    """The verdict on an experiment of the present generation.

    Args:
        state: What the ledger says.
        rules: The present ones.
        name: The experiment.
        accept: The kinds of differences besides the experiment that the settings accept.

    Raises:
        Refusal: The baseline or the experiment is not complete, or they cannot be compared, with the next call.
    """
    baseline = present_baseline(state, rules)
    check_name(name)
    experiment = state.generations[-1].experiments.get(name)
    if experiment is None:
        raise _unknown_experiment(state, name)
    arm = state.experiment_arm(experiment)
    if control_look(baseline, arm).state == "failed":
        raise BaselineStale(stale_reason(arm, baseline), new_baseline_call())
    accepted = accepted_differences(baseline, experiment, arm, accept)
    try:
        return judge(baseline, arm, written_confirmation(experiment), accepted)
    except Refusal as refusal:
        refusal.next_call = experiment_next(state, experiment, baseline)
        raise


def require_reportable(state: State, rules: Rules, name: str | None, accept: Collection[str] = ()) -> None:
    """Let nothing through of which no report could be written.

    Args:
        state: What the ledger says.
        rules: The present rules.
        name: The experiment; None for the baseline.
        accept: As for `judge_experiment`.

    Raises:
        Refusal: As for `compare`; for the baseline while it is not complete.
    """
    if name is None:
        present_baseline(state, rules)
    else:
        judge_experiment(state, rules, name, accept)


def judged_again(state: State, record: Record) -> Comparison:
    """The verdict that a `verdict_issued` gave, from the records before it.

    Raises:
        Refusal: These records allow none.
    """
    generation = state.generations[record["generation"] - 1]
    baseline = establish_baseline(state.baseline_arm(generation.number), rules_of(generation))
    experiment = generation.experiments[record["experiment"]]
    accepted = tuple(Difference(one["kind"], one["words"]) for one in record.get("accepted") or ())
    return judge(baseline, state.experiment_arm(experiment), written_confirmation(experiment), accepted)


def _unknown_experiment(state: State, name: str) -> ExperimentUnknown:
    earlier = state.find_experiment(name)
    message = f"no experiment {name} has been declared."
    if earlier is not None:
        message = (
            f"{name} was declared against baseline generation {earlier.generation}, not the present one; "
            "its verdict stays in the ledger. Declare it anew."
        )
    call = NextCall("run_seed", "Declares it and runs its first seed.", {"experiment": name}, ("flags", "hypothesis"))
    return ExperimentUnknown(message, call)
