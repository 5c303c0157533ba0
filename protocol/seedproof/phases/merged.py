"""Recognises a confirmed WINNER that a later generation has as its baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedproof.commands.flags import normalise_flags
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.rules import Rules
from seedproof.model.runs import Run

__all__ = ["MergedSeed", "is_confirmed_winner", "merged_experiments", "merged_seed"]


@dataclass(frozen=True, slots=True)
class MergedSeed:
    """The first seed of a baseline that is a merged WINNER, beside the same seed of that experiment."""

    experiment: str
    """Name of the experiment."""
    generation: int
    """The generation that confirmed it."""
    seed: int
    """The first seed of the new baseline."""
    then: Run
    """Its run in the experiment."""
    now: Run | None
    """Its run in the new baseline; None before it has a result."""
    repeats: bool
    """Whether equal code, command and seed gave equal values under the conditions of that run, and never others."""


def is_confirmed_winner(experiment: Experiment) -> bool:
    """Whether its newest verdict is a WINNER that fresh seeds confirmed."""
    verdict = experiment.verdict
    found = None if verdict is None else verdict.confirmation
    return verdict is not None and verdict.is_winner and found is not None and found.state == "confirmed"


def merged_experiments(state: State) -> Mapping[int, int]:
    """By an experiment's place, the first later generation whose baseline is trained as the experiment was.

    It has to be a confirmed WINNER of the newest earlier generation with experiments, with the same code and command:
    a baseline that holds more than the one change is something else.
    """
    found: dict[int, int] = {}
    for generation in state.generations[1:]:
        for experiment in _candidates(state, generation):
            if is_confirmed_winner(experiment) and _trains_alike(state, experiment, generation):
                found.setdefault(experiment.place, generation.number)
    return found


def merged_seed(state: State) -> MergedSeed | None:
    """The check of the present baseline against the WINNER that it merged; None where there is nothing to compare."""
    generation = state.generation
    if generation is None:
        return None
    seed = generation.rules.baseline_seeds[0]
    for experiment in _candidates(state, generation):
        if not is_confirmed_winner(experiment) or not _trains_alike(state, experiment, generation):
            continue
        rules, before = generation.rules, state.rules_of(experiment.generation)
        then = state.experiment_arm(experiment).counted.get(seed)
        # Another scale or another metric is no other change of the code, and no value to expect either.
        if then is not None and _measured(rules) == _measured(before):
            now = state.baseline_arm(generation.number).counted.get(seed)
            repeats = state.repeats.were_shown_for(now or then)
            return MergedSeed(experiment.name, experiment.generation, seed, then, now, repeats)
    return None


def _measured(rules: Rules) -> tuple[object, ...]:
    return rules.train_tokens, rules.scale, rules.metric


def _candidates(state: State, generation: Generation) -> list[Experiment]:
    """The experiments of the newest earlier generation that has any: one without may have been begun in error."""
    earlier = reversed(state.generations[: generation.number - 1])
    return list(next((one.experiments for one in earlier if one.experiments), {}).values())


def _trains_alike(state: State, experiment: Experiment, generation: Generation) -> bool:
    """Whether the baseline of a generation has the code and the command of an experiment's runs."""
    if experiment.code is None or generation.code is None or experiment.code.sha256 != generation.code.sha256:
        return False
    before, now = state.rules_of(experiment.generation), generation.rules
    if (before.env, before.seed, before.replace_seed) != (now.env, now.seed, now.replace_seed):
        return False
    return _command(before, experiment.flags, experiment.replaces) == _command(now)


def _command(rules: Rules, flags: Sequence[str] = (), replaced: Sequence[int] = ()) -> tuple[tuple[str, ...], ...]:
    """The command with these flags, in a form in which the order of options does not matter."""
    parts: list[str] = []
    for place, part in enumerate(rules.command):
        if place not in replaced:
            parts += flags if part == "{flags}" else [part]
    return normalise_flags(parts)
