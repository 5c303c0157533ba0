"""Finds experiments with the same flags and code under another name: a new name is not a new chance."""

from collections.abc import Sequence

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.code import Code
from seedproof.model.command import normalise_flags
from seedproof.model.rules import Rules

__all__ = ["barring_twin", "tried_twins"]


def tried_twins(
    state: State, generation: Generation, flags: Sequence[str], code_change: bool, code: Code | None, rules: Rules
) -> list[Experiment]:
    """The experiments with these flags and this code that have shown their metric, or have an active run."""
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
    """The twin that was measured before this experiment showed its metric; None if it may run."""
    arm = state.experiment_arm(experiment)
    if arm.is_null or any(run.state.is_active or rules.metric.name in run.metrics for run in arm.runs):
        return None
    generation = state.generations[experiment.generation - 1]
    twins = tried_twins(state, generation, experiment.flags, experiment.code_change, experiment.code, rules)
    return next((twin for twin in twins if not state.experiment_arm(twin).is_null), None)
