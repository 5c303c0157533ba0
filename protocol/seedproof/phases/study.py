"""The study: a frozen view of one moment that every decision is handed."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.phases.baseline import BaselinePhase, assess_baseline, baseline_phase
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import ConfirmLook, Look, confirm_look, next_look

__all__ = ["Memory", "Standing", "Study"]

T = TypeVar("T")


@dataclass(slots=True)
class Memory:
    """Results that outlive one moment, with the record number that each was found at.

    A server keeps one for each ledger and hands it to every study; without it, all is computed anew.
    """

    next_calls: dict[int, tuple[int, NextCall]] = field(default_factory=dict)
    """By an experiment's place: number of its newest record, and the call that comes next for it."""
    alike: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By an experiment's place: places of earlier experiments with flags like its own, which never change."""
    adjusted: tuple[int, Any] = (-1, None)
    """Number of the newest record about the campaign, and the adjusted p values."""
    ledger: str | None = None
    """Hash of the first record of the ledger that all of this is about."""

    def of(self, state: State) -> "Memory":
        """This memory; emptied where the ledger is another one now."""
        if self.ledger != state.first_hash or state.seq < self.adjusted[0]:
            self.next_calls, self.alike, self.adjusted = {}, {}, (-1, None)
            self.ledger = state.first_hash
        return self


@dataclass(frozen=True)
class Standing:
    """Where one experiment stands at the moment of its study; each part is computed once, when it is asked for."""

    experiment: Experiment
    arm: Arm
    baseline: Baseline | None
    """The baseline of its generation; None while that is not complete."""
    rules: Rules
    """The rules of its generation."""

    @cached_property
    def look(self) -> Look:
        """Which measuring runs it still needs."""
        return next_look(self.arm, self.baseline, self.rules)

    @cached_property
    def control(self) -> Control:
        """What the control of its code says; `none` while there is no baseline to compare it with."""
        return Control("none") if self.baseline is None else control_look(self.baseline, self.arm)

    @cached_property
    def confirmation(self) -> ConfirmLook:
        """Which runs on fresh seeds it still needs."""
        return confirm_look(self.arm, self.rules)


@dataclass(frozen=True)
class Study:
    """State and rules at one moment, and what follows from them, computed once when it is asked for."""

    state: State
    """What the ledger says, with runs as they can be seen."""
    rules: Rules
    """Those of the settings file."""
    memory: Memory = field(default_factory=Memory)
    """Results of earlier moments."""
    _found: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def generation(self) -> Generation | None:
        """The present generation; None before the first."""
        return self.state.generation

    @cached_property
    def baseline_phase(self) -> BaselinePhase:
        """Where the present generation stands."""
        return baseline_phase(self.state, self.rules)

    @property
    def baseline(self) -> Baseline | None:
        """The present baseline; None while it is not complete, or void."""
        return self.baseline_phase.baseline

    def assessed(self, number: int) -> BaselinePhase:
        """Where a generation stands under its own rules."""
        generation = self.state.generations[number - 1]
        if generation is self.generation and generation.rules == self.rules:
            return self.baseline_phase
        arm = self.state.baseline_arm(number)
        return self.once(("baseline", number), lambda: assess_baseline(arm, generation.rules))

    def baseline_of(self, number: int) -> Baseline | None:
        """The baseline of a generation under its own rules; None where it is not complete."""
        return self.assessed(number).baseline

    def standing(self, experiment: Experiment) -> Standing:
        """Where an experiment stands in its own generation."""
        return self.once(("standing", experiment.place), lambda: self._stand(experiment))

    def _stand(self, experiment: Experiment) -> Standing:
        arm, baseline = self.state.experiment_arm(experiment), self.baseline_of(experiment.generation)
        return Standing(experiment, arm, baseline, self.state.rules_of(experiment.generation))

    def find(self, name: str) -> Experiment | None:
        """The experiment of the present generation with this name; None where it was not declared."""
        return None if self.generation is None else self.generation.experiments.get(name)

    def once(self, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, computed once in this study. A refusal is not kept."""
        if what not in self._found:
            self._found[what] = make()
        found: T = self._found[what]
        return found
