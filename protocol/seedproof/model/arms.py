"""Runs that belong together: arms, pairs, and the baseline."""

import math
from dataclasses import InitVar, dataclass, replace
from typing import Literal

from seedproof.model.code import Change, Code
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState

__all__ = ["Arm", "Baseline", "FreshKind", "FreshPlan", "Pair", "Primary", "declares_no_effect"]


Primary = Literal["unpaired", "paired"]


def declares_no_effect(hypothesis: str) -> bool:
    """Whether a hypothesis declares that nothing should change."""
    return hypothesis.lower().startswith("null:")


FreshKind = Literal["winner", "pairs", "earlier"]


@dataclass(frozen=True, slots=True)
class FreshPlan:
    """The fresh seeds of a confirmation, and what it is to show."""

    seeds: tuple[int, ...]
    """One for each pair of runs, in their order."""
    kind: FreshKind
    """`winner`: whether a WINNER holds. `pairs`: whether the same-seed pairs of a NEUTRAL do. `earlier`: a WINNER under
    the rule of records before format 2."""
    is_given: bool = False
    """Whether the rules gave the seeds; else they were drawn after the verdict."""
    has_own_controls: bool = False
    """Whether its runs without the change have the experiment's code without its flags; else the baseline's code."""


@dataclass(frozen=True, slots=True)
class Arm:
    """All attempts at all seeds of one side of a comparison, in the order of their requests."""

    generation: int
    """Generation of the baseline it is measured against."""
    experiment: str | None
    """Name; None for the baseline."""
    runs: tuple[Run, ...]
    """Every attempt with role `measure`."""
    flags: tuple[str, ...] = ()
    """What the experiment adds to the command."""
    replaces: tuple[int, ...] = ()
    """Places in the command template of what these flags replace."""
    hypothesis: str = ""
    """What the experimenter expected before the first run."""
    primary: Primary = "unpaired"
    """The interval that was declared the primary one before the first run."""
    primary_reason: str = "by default"
    """Why that one."""
    is_judged: bool = False
    """Whether a verdict was recorded: then no further measuring run is due."""
    fresh_plan: FreshPlan | None = None
    """The fresh seeds of its confirmation; None while it has none."""
    fresh: tuple[Run, ...] = ()
    """Every attempt with role `confirm`, of both sides, in the order of their requests."""
    shared_controls: tuple[Run, ...] = ()
    """Results without any change at these seeds that belong to the confirmations of other experiments."""
    controls: tuple[Run, ...] = ()
    """Every attempt with role `control`: the experiment's code without its flags."""
    probes: tuple[Run, ...] = ()
    """Of a baseline: every attempt with role `probe`, a short repeat of its first seed that is no result."""
    code: Code | None = None
    """The code of its runs; None in a ledger from before code was recorded."""
    change: Change | None = None
    """How that differs from the baseline's code; None where it does not, and for a baseline."""
    code_change: bool = False
    """Whether the experiment declares the change of code."""
    is_withdrawn: bool = False
    """Whether the experiment was withdrawn: then no run is due."""
    tells_null: bool = False
    """Whether the record of its declaration says that it has no effect; earlier versions did not record that."""
    since: int = 0
    """How many of `runs` belong to earlier declarations under the same name."""

    def is_without_value(self, metric: str) -> bool:
        """Whether nothing is known of its result, and no run may show anything: then it may be declared anew."""
        runs = (*self.runs, *self.fresh)
        return not self.is_judged and not any(run.state.is_active or run.is_draw(metric) for run in runs)

    @property
    def is_null(self) -> bool:
        """Whether the experiment was declared to have no effect."""
        return declares_no_effect(self.hypothesis)

    @property
    def all_fresh(self) -> tuple[Run, ...]:
        """Its runs on fresh seeds, and the results of other experiments that stand for its own runs without change."""
        pairs = {run.seed for run in self.fresh if not run.is_control} - {
            run.seed for run in self.fresh if run.is_control
        }
        shared = {run.seed: run for run in reversed(self.shared_controls) if run.seed in pairs}
        return (*self.fresh, *shared.values())

    @property
    def repeated(self) -> frozenset[str]:
        """Ids of the stopped attempts that a later one repeats: nobody saw anything of them that this one lacks."""
        runs = (*self.runs, *self.fresh)
        keys = {replace(run.key, attempt=attempt) for run in runs for attempt in run.repeats_attempts}
        return frozenset(run.run_id for run in runs if run.key in keys)

    def attempts(self, seed: int) -> tuple[Run, ...]:
        """The attempts at one seed, first to last."""
        return tuple(run for run in self.runs if run.seed == seed)

    @property
    def present_runs(self) -> tuple[Run, ...]:
        """The attempts since it was declared as it is now."""
        return self.runs[self.since :]

    def present_attempts(self, seed: int) -> tuple[Run, ...]:
        """Those at one seed."""
        return tuple(run for run in self.present_runs if run.seed == seed)

    @property
    def counted(self) -> dict[int, Run]:
        """The result of each seed that has one, by seed."""
        return {run.seed: run for run in self.runs if run.state.is_counted}

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """Seeds whose last value was nan or inf."""
        return tuple(run.seed for run in self.counted.values() if run.state is RunState.DIVERGED)

    def finite(self, metric: str) -> dict[int, float]:
        """Finite values of a metric by seed, of the runs that count."""
        found = {seed: run.value(metric) for seed, run in self.counted.items()}
        return {seed: value for seed, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of a confirmation: a fresh seed trained without and with the experiment's flags."""

    seed: int
    """The fresh seed."""
    control: Run | None
    """The newest attempt without flags; None before it is requested."""
    experiment: Run | None
    """The newest attempt with the experiment's flags; None before it is requested."""


_ESTABLISHED = object()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A complete baseline with a spread. Only `seedproof.phases.baseline` makes one."""

    generation: int
    """Number of the generation, from 1."""
    rules: Rules
    """The rules it was measured under."""
    arm: Arm
    """Its runs."""
    mean: float
    """Mean of the deciding metric."""
    std: float
    """Sample standard deviation (ddof = 1) of the deciding metric: one sigma. Above 0."""
    key: InitVar[object] = None
    """Proof that the checks have passed; not stored, so that `replace` cannot make a copy with other numbers."""

    def __post_init__(self, key: object) -> None:
        if key is not _ESTABLISHED:
            raise TypeError("a Baseline is made by establish_baseline() alone")

    @property
    def values(self) -> list[float]:
        """The values of the deciding metric, in the order of the rules' seeds."""
        found = self.arm.finite(self.rules.metric.name)
        return [found[seed] for seed in self.rules.baseline_seeds]

    @property
    def decimals(self) -> int:
        """Decimals that show two digits of sigma, at least four."""
        return min(12, max(4, 1 - math.floor(math.log10(self.std))))

    @property
    def winner_threshold(self) -> float:
        """The mean that an experiment must reach to be a WINNER."""
        return self.mean + self.rules.metric.sign * self.rules.winner_sigma * self.std
