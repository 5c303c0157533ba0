"""The state: everything that the records of a ledger add up to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seedproof.ledger.determinism import Repeats
from seedproof.ledger.events import LedgerDisclosed, PastLedger, ReportWritten, VerdictIssued
from seedproof.ledger.records import EMPTY_HASH
from seedproof.model.arms import Arm, Primary, declares_no_effect
from seedproof.model.code import Change, Code
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.stats.summary import PriorVariance

__all__ = [
    "Experiment",
    "Generation",
    "State",
]


@dataclass(slots=True)
class Experiment:
    """One declared experiment and what was said of it."""

    name: str
    generation: int
    flags: tuple[str, ...]
    hypothesis: str
    code_change: bool
    primary: Primary = "unpaired"
    primary_reason: str = "by default"
    prior: PriorVariance | None = None
    run_ids: list[str] = field(default_factory=list)
    verdict: VerdictIssued | None = None
    """The newest one."""
    report: ReportWritten | None = None
    """The newest one."""
    place: int = 0
    """Its place among all experiments of the ledger."""
    declared_at: int = 0
    """Number of the record that declared it."""
    code: Code | None = None
    """What its runs are trained with."""
    change: Change | None = None
    """How that differs from the baseline's code."""
    changed_at: int = 0
    """Number of the newest record about it or its runs."""

    @property
    def is_null(self) -> bool:
        """Whether it was declared to have no effect."""
        return declares_no_effect(self.hypothesis)


@dataclass(slots=True)
class Generation:
    """One baseline generation: its rules, its runs and its experiments."""

    number: int
    rules: Rules
    """Those that it was begun under."""
    reason: str | None
    started: str
    adopted: list[str] = field(default_factory=list)
    adoption: str | None = None
    run_ids: list[str] = field(default_factory=list)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    report: ReportWritten | None = None
    """The newest one."""
    code: Code | None = None
    """What its runs are trained with; None in a ledger from before code was recorded."""
    controls: dict[str, list[str]] = field(default_factory=dict)
    """By code identity, the control runs of that code, whichever experiment asked for them."""


_HASH_LENGTH = 12


@dataclass(slots=True)
class State:
    """Everything the records say, kept up to date by `ledger.fold.apply`."""

    seq: int = 0
    head: str = EMPTY_HASH
    generations: list[Generation] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    active: dict[str, None] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the runs that left a log, by its hash."""
    reports: dict[str, ReportWritten] = field(default_factory=dict)
    owned_folders: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """By its hash, each environment that a run was carried out in: interpreter, packages and devices."""
    first_hash: str | None = None
    """Hash of the first record: no other ledger has it."""
    began: str | None = None
    previous: PastLedger | None = None
    """The ledger that this folder had before this one, as the registry knew it."""
    disclosures: list[LedgerDisclosed] = field(default_factory=list)
    """What else the registry knew that this ledger did not hold."""
    failures_in_row: int = 0
    largest_output_bytes: int = 0
    """Of the runs that ended with a value."""
    experiments: list[Experiment] = field(default_factory=list)
    """All of them, in the order of their declaration."""
    judged: int = 0
    """How many of them have a verdict."""
    winners: int = 0
    """How many have the verdict WINNER."""
    nulls: int = 0
    """How many were declared to have no effect."""
    p_values: dict[tuple[int, str], float] = field(default_factory=dict)
    """By generation and name, the p value that was written down with the newest verdict."""
    repeats: Repeats = field(default_factory=Repeats)
    """Whether the same code and seed have given the same value again."""
    created: set[str] = field(default_factory=set)
    """Files that runs in place have created: their outputs, not the project's code."""
    campaign_seq: int = 0
    """Number of the newest record that declared or judged an experiment."""
    surroundings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Those of the newest run."""

    @property
    def head_label(self) -> str:
        """The ledger head as replies and reports print it: `#41 9f2c04a1b7d3`."""
        return f"#{self.seq} {self.head[:_HASH_LENGTH]}"

    @property
    def generation(self) -> Generation | None:
        """The present generation, or None."""
        return self.generations[-1] if self.generations else None

    @property
    def newest_report(self) -> ReportWritten | None:
        """The record of the report that was written last, or None."""
        return next(reversed(self.reports.values()), None)

    def rules_of(self, number: int) -> Rules:
        """The rules of a generation."""
        return self.generations[number - 1].rules

    def baseline_arm(self, number: int) -> Arm:
        """The baseline's runs of a generation."""
        runs = (self.runs[run_id] for run_id in self.generations[number - 1].run_ids)
        generation = self.generations[number - 1]
        return Arm(generation=number, experiment=None, runs=tuple(runs), code=generation.code)

    def experiment_arm(self, experiment: Experiment) -> Arm:
        """The measuring runs of an experiment."""
        runs = [self.runs[run_id] for run_id in experiment.run_ids]
        return Arm(
            generation=experiment.generation,
            experiment=experiment.name,
            runs=tuple(run for run in runs if run.role is Role.MEASURE),
            flags=experiment.flags,
            hypothesis=experiment.hypothesis,
            primary=experiment.primary,
            primary_reason=experiment.primary_reason,
            prior=experiment.prior,
            fresh=tuple(run for run in runs if run.role is Role.CONFIRM),
            controls=self.controls_of(experiment.generation, experiment.code),
            code=experiment.code,
            change=experiment.change,
            code_change=experiment.code_change,
        )

    def controls_of(self, number: int, code: Code | None) -> tuple[Run, ...]:
        """The control runs of a code in a generation, in the order of their requests."""
        found = () if code is None else self.generations[number - 1].controls.get(code.sha256, ())
        return tuple(self.runs[run_id] for run_id in found)

    def ended_runs(self, owner: Generation | Experiment) -> tuple[str, ...]:
        """The runs of an arm that have ended, in the order of their requests: what a report shows for good."""
        return tuple(run_id for run_id in owner.run_ids if run_id not in self.active)

    def find_experiment(self, name: str) -> Experiment | None:
        """The newest declaration of a name, or None."""
        for generation in reversed(self.generations):
            if name in generation.experiments:
                return generation.experiments[name]
        return None

    def interrupt_active(self, reason: str) -> None:
        """See every open run as interrupted, before a record says so; no further record may follow."""
        for run_id in self.active:
            self.runs[run_id] = replace(self.runs[run_id], state=RunState.INTERRUPTED, reason=reason)
        self.active.clear()
