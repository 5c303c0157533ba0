"""Chooses the run that starts next, where several may train at the same time."""

from dataclasses import dataclass

from seedproof.ledger.state import State
from seedproof.model.metric_rule import MetricFile
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.looks import has_shown_value

__all__ = ["Wait", "alone_words", "next_to_start", "training_now", "waits_for"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What of the runs that train keeps a queued run from its start."""

    reason: str
    """In words."""
    holds_others: bool = True
    """Whether the runs behind it wait as well."""


def next_to_start(state: State) -> Run | None:
    """The queued run that starts next beside those that train; None where none is queued, or none may start now.

    They start in the order of their requests, a probe first: the verdicts on what is queued before it rest on it as
    well. A run that waits for the first value of its arm lets the runs of other arms pass; one that trains alone does
    not, or it would never start.
    """
    queued = [run for run_id in state.active if (run := state.runs[run_id]).state is RunState.QUEUED]
    for run in sorted(queued, key=lambda one: one.role is not Role.PROBE):
        wait = waits_for(state, run)
        if wait is None:
            return run
        if wait.holds_others:
            return None
    return None


def training_now(state: State) -> list[Run]:
    """The runs that were started and whose end is not recorded, in the order of their requests."""
    return [run for run_id in state.active if (run := state.runs[run_id]).state is RunState.RUNNING]


def waits_for(state: State, run: Run) -> Wait | None:
    """What keeps a queued run from its start beside those that train; None where it may start."""
    training = training_now(state)
    if not training:
        return None
    for one in training:
        why = alone_words(state, one)
        if why is not None:
            return Wait(f"{one.run_id} trains alone, because {why}")
    why = alone_words(state, run)
    if why is not None:
        return Wait(f"it trains alone, because {why}")
    first = _first_of_arm(state, run, training)
    return None if first is None else Wait(f"{first.run_id} has to show the first value of its arm", False)


def alone_words(state: State, run: Run) -> str | None:
    """Why a run trains beside no other; None where it may."""
    generation = state.generations[run.generation - 1]
    owner = generation if run.experiment is None else generation.experiments[run.experiment]
    if run.role is Role.CONFIRM:
        return "a claim on wall time may rest on it"
    if run.role is Role.PROBE:
        return "the verdicts on what is queued rest on it"
    if owner.code is None or owner.code.held != "snapshot":
        return "its code is held in place"
    # Links may lead two working trees to one file: a run would read what another wrote.
    files = [metric.source for metric in generation.rules.metrics if isinstance(metric.source, MetricFile)]
    if any(source.outside for source in files) or (files and not generation.rules.names_output_dir):
        return "a metric is read from a file outside its output folder"
    return None


def _first_of_arm(state: State, run: Run, training: list[Run]) -> Run | None:
    """The run that trains for the same arm before any run of it has a value; None where there is none.

    What ends it without a value would end this one too.
    """
    if run.role is not Role.MEASURE:
        return None
    place = (run.role, run.generation, run.experiment)
    first = next((one for one in training if (one.role, one.generation, one.experiment) == place), None)
    if first is None or has_shown_value(state.arm_of(run), state.rules_of(run.generation).metric.name):
        return None
    return first
