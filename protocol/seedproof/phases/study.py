"""The study: a frozen view of state and rules at one moment, which every decision takes."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.phases.baseline import BaselinePhase, assess_baseline, baseline_phase
from seedproof.phases.confirmation import ConfirmLook, confirm_look
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import Look, next_look

__all__ = ["Memory", "Standing", "Study"]

T = TypeVar("T")


@dataclass(slots=True)
class Memory:
    """A cache of results that several studies share, each with the record number that it is valid for.

    A server has one for each ledger. A study without one computes everything.
    """

    next_calls: dict[int, tuple[int, NextCall]] = field(default_factory=dict)
    """By an experiment's place: number of its newest record, and its next call."""
    alike: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By an experiment's place: places of the earlier experiments with similar flags, until one is declared anew."""
    alike_at: int = 0
    """Number of the newest record that declared an experiment anew when they were found."""
    adjusted: tuple[tuple[int, int], Any] = ((-1, 0), None)
    """Number of the newest record about the campaign, with the number of ideas; and the adjusted p values."""
    state: State | None = None
    """The state that the results belong to; appended records change that object."""

    def of(self, state: State) -> "Memory":
        """This memory, emptied where the ledger was read again from its start, and may be another one."""
        if self.state is not state:
            self.next_calls, self.alike, self.adjusted, self.state = {}, {}, ((-1, 0), None), state
        return self


@dataclass(frozen=True)
class Standing:
    """The state of one experiment in a study; each part is computed once, on first use."""

    experiment: Experiment
    """The experiment."""
    arm: Arm
    """Its runs."""
    baseline: Baseline | None
    """The baseline of its generation; None while that is not complete."""
    rules: Rules
    """The rules of its generation."""

    @cached_property
    def look(self) -> Look:
        """The measuring runs that it still needs."""
        return next_look(self.arm, self.baseline, self.rules)

    @cached_property
    def control(self) -> Control:
        """The control of its code; `none` while there is no baseline to compare it with."""
        return Control("none") if self.baseline is None else control_look(self.baseline, self.arm)

    @cached_property
    def confirmation(self) -> ConfirmLook:
        """The runs on fresh seeds that it still needs; none while there is no baseline to compare it with."""
        return ConfirmLook() if self.baseline is None else confirm_look(self.arm, self.baseline)


@dataclass(frozen=True)
class Study:
    """State and rules at one moment, and what follows from them; each result is computed once, on first use."""

    state: State
    """The state of the ledger, with the present states of the active runs."""
    rules: Rules
    """The rules of the settings file."""
    memory: Memory = field(default_factory=Memory)
    """The cache shared with earlier studies."""
    conflict: str | None = None
    """Why the runs of the present generation cannot be read by the metrics of the settings; None where they can."""
    shows_value: bool = False
    """Whether a run without a value has one by these metrics, where more than the metrics differs."""
    reads_again: bool = False
    """Whether the next request reads kept logs otherwise than they are recorded."""
    _results: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def generation(self) -> Generation | None:
        """The present generation; None before the first."""
        return self.state.generation

    @cached_property
    def baseline_phase(self) -> BaselinePhase:
        """The phase of the present generation."""
        return baseline_phase(self.state, self.rules, self.conflict)

    @property
    def baseline(self) -> Baseline | None:
        """The present baseline; None while it is not complete, or void."""
        return self.baseline_phase.baseline

    def phase_of(self, number: int) -> BaselinePhase:
        """The phase of a generation under its own rules."""
        generation = self.state.generations[number - 1]
        if generation is self.generation and not generation.rules.differing(self.rules):
            return self.baseline_phase
        arm = self.state.baseline_arm(number)
        return self.compute_once(("baseline", number), lambda: assess_baseline(arm, generation.rules))

    def baseline_of(self, number: int) -> Baseline | None:
        """The baseline of a generation under its own rules; None where it is not complete."""
        return self.phase_of(number).baseline

    def standing(self, experiment: Experiment) -> Standing:
        """The standing of an experiment in its own generation."""
        return self.compute_once(("standing", experiment.place), lambda: self._make_standing(experiment))

    def _make_standing(self, experiment: Experiment) -> Standing:
        arm, baseline = self.state.experiment_arm(experiment), self.baseline_of(experiment.generation)
        return Standing(experiment, arm, baseline, self.state.rules_of(experiment.generation))

    def find(self, name: str) -> Experiment | None:
        """The experiment of the present generation with this name; None where it was not declared."""
        return None if self.generation is None else self.generation.experiments.get(name)

    def compute_once(self, what: Hashable, make: Callable[[], T]) -> T:
        """The result of `make`, computed once in this study for each key; a refusal is not stored.

        Args:
            what: The key.
        """
        if what not in self._results:
            self._results[what] = make()
        found: T = self._results[what]
        return found
