"""The state of a ledger: generations, experiments and runs after its records were applied.

Over 300 lines, because every field of the state is described here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seedproof.ledger.beginnings import Beginnings, OtherLedgers, PastLedger
from seedproof.ledger.determinism import Repeats
from seedproof.ledger.records import EMPTY_HASH
from seedproof.ledger.run_events import MetricsReadAgain
from seedproof.ledger.study_events import (
    ExperimentWithdrawn,
    LedgerDisclosed,
    ReportWritten,
    Resumed,
    VerdictIssued,
)
from seedproof.model.arms import Arm, FreshPlan, Primary, declares_no_effect
from seedproof.model.code import Change, Code
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState

__all__ = ["EarlierDeclaration", "Experiment", "Generation", "State"]


@dataclass(frozen=True, slots=True)
class EarlierDeclaration:
    """What an experiment was declared as before it was declared anew, without a value."""

    flags: tuple[str, ...]
    """What it added to the command."""
    declared_at: int
    """Number of the record that declared it so."""
    runs: int
    """How many of the experiment's runs were requested up to its end."""
    withdrawn: str | None = None
    """Why it was withdrawn; None where it was not."""


@dataclass(slots=True)
class Experiment:
    """One declared experiment, its runs and its newest verdict."""

    name: str
    """Its name, unique within the generation."""
    generation: int
    """Number of the generation that it is compared with."""
    flags: tuple[str, ...]
    """What it adds to the command."""
    hypothesis: str
    """What the experimenter expects."""
    code_change: bool
    """Whether it declares a change of code."""
    primary: Primary = "unpaired"
    """The primary interval, chosen at the declaration."""
    primary_reason: str = "by default"
    """Why that one."""
    run_ids: list[str] = field(default_factory=list)
    """Ids of its runs of every role, in the order of their requests."""
    fresh_plan: FreshPlan | None = None
    """The fresh seeds of its confirmation; None while it has none."""
    fresh_plan_at: int = 0
    """Number of the record that has them; 0 while there is none."""
    set_at: int = 0
    """Number of the newest record that set its flags or its code."""
    verdict: VerdictIssued | None = None
    """The newest verdict; None before the first."""
    report: ReportWritten | None = None
    """The newest report; None before the first."""
    place: int = 0
    """Its index in `State.experiments`."""
    declared_at: int = 0
    """Number of the record that declared it."""
    code: Code | None = None
    """The code of its runs; None where it is not known."""
    change: Change | None = None
    """How that differs from the baseline's code; None where it does not."""
    changed_at: int = 0
    """Number of the newest record about it or its runs."""
    repeats: tuple[tuple[int, str], ...] = ()
    """Generation and name of earlier experiments with flags that say the same, as recorded."""
    tells_null: bool = False
    """Whether its headline says that it was declared to have no effect; those of earlier versions do not."""
    replaces: tuple[int, ...] = ()
    """Places in the command template of what its flags replace."""
    seed_files: tuple[str, ...] = ()
    """Files that its flags name and that set a seed, each with the key."""
    earlier: list[EarlierDeclaration] = field(default_factory=list)
    """Its earlier declarations, oldest first."""
    counts_by_value: bool = False
    """Whether it counts among the ideas tried only while it is not without a value."""
    withdrawn: ExperimentWithdrawn | None = None
    """The record that withdrew or closed it; None where it stands."""

    @property
    def is_null(self) -> bool:
        """Whether it was declared to have no effect."""
        return declares_no_effect(self.hypothesis)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed with values, and ends without a verdict."""
        return self.withdrawn is not None and self.withdrawn.is_measured


@dataclass(slots=True)
class Generation:
    """One baseline generation: its rules, its runs and its experiments."""

    number: int
    """Its number, from 1."""
    rules: Rules
    """The rules that it was begun under."""
    reason: str | None
    """Why it was begun; None for the first."""
    started: str
    """When it was begun (ISO 8601, UTC)."""
    adopted: list[str] = field(default_factory=list)
    """Ids of the runs that it took over from the previous generation."""
    adoption: str | None = None
    """What it took over and why, or why nothing; None where there was nothing to take over."""
    run_ids: list[str] = field(default_factory=list)
    """Ids of the baseline's runs, adopted ones first, then in the order of their requests."""
    experiments: dict[str, Experiment] = field(default_factory=dict)
    """Its experiments by name, in the order of their declaration."""
    report: ReportWritten | None = None
    """The newest report of the baseline; None before the first."""
    code: Code | None = None
    """The code of the baseline's runs; None in a ledger from before code was recorded."""
    controls: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the control runs by the hash of their code, whichever experiment requested them."""
    readings: list[MetricsReadAgain] = field(default_factory=list)
    """Every change of its metrics, with the runs that were read again."""
    probe_ids: list[str] = field(default_factory=list)
    """Ids of the attempts at its probe, in the order of their requests."""
    beginnings: Beginnings | None = None
    """What it begins with; None where an earlier version began it."""
    is_empty: bool = False
    """Whether no run of it had a value when the next one took its place, as that one's record says."""


_HASH_LENGTH = 12


@dataclass(slots=True)
class State:
    """Everything that the records say; `ledger.fold.apply` updates it."""

    seq: int = 0
    """Number of the newest record; 0 for an empty ledger."""
    head: str = EMPTY_HASH
    """Hash of the newest record."""
    generations: list[Generation] = field(default_factory=list)
    """All generations; the last one is the present one."""
    runs: dict[str, Run] = field(default_factory=dict)
    """All runs by id, in the order of their requests."""
    active: dict[str, None] = field(default_factory=dict)
    """Ids of the queued and running runs, in the order of their requests; a dict serves as an ordered set."""
    logs: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the runs by the hash of their log."""
    reports: dict[str, ReportWritten] = field(default_factory=dict)
    """The newest record of each report file by its path, newest last."""
    owned_folders: dict[str, str] = field(default_factory=dict)
    """Id of the run that created it, by output folder."""
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The environments of runs (interpreter, packages and devices) by their hash."""
    input_maps: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Files and packages that runs read, by the name of each map; many runs share one."""
    first_hash: str | None = None
    """Hash of the first record, which identifies the ledger; None for an empty ledger."""
    began: str | None = None
    """Time of the first record; None for an empty ledger."""
    previous: PastLedger | None = None
    """The ledger that this folder had before, by the registry; None where it had none."""
    disclosures: list[LedgerDisclosed] = field(default_factory=list)
    """What else the registry knew and this ledger did not hold."""
    others: OtherLedgers | None = None
    """The most that was known of other ledgers that began with this code; None while none is known."""
    state_folders: set[str] = field(default_factory=set)
    """The state folders that records were written with, as in `Beginnings`, as far as records say."""
    failures_in_row: int = 0
    """Runs in a row that failed, timed out or diverged, up to now; those of one arm without a value count once."""
    failed_arms: set[tuple[int, str | None]] = field(default_factory=set)
    """Generation and experiment of the arms among them that failed without a value."""
    resumed: list[Resumed] = field(default_factory=list)
    """Each time that new experiments were allowed again after too many of them."""
    declared_anew_at: int = 0
    """Number of the newest record that declared an experiment anew."""
    largest_output_bytes: int = 0
    """The largest output folder of a run with a result."""
    experiments: list[Experiment] = field(default_factory=list)
    """All experiments, in the order of their declaration."""
    judged: int = 0
    """Number of experiments with a verdict."""
    winners: int = 0
    """Number of experiments whose newest verdict is WINNER."""
    p_values: dict[tuple[int, str], float] = field(default_factory=dict)
    """The p value recorded with the newest verdict, by generation and name."""
    repeats: Repeats = field(default_factory=Repeats)
    """Whether equal code and seed gave equal values."""
    created: set[str] = field(default_factory=set)
    """Files created by runs in place: outputs, not the project's code."""
    campaign_seq: int = 0
    """Number of the newest record that declared or judged an experiment."""
    surroundings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The surroundings of the newest run; `fold` shares the object with later runs that have the same."""

    @property
    def head_label(self) -> str:
        """The ledger head as replies and reports print it: `#41 9f2c04a1b7d3`."""
        return f"#{self.seq} {self.head[:_HASH_LENGTH]}"

    @property
    def generation(self) -> Generation | None:
        """The present generation; None before the first."""
        return self.generations[-1] if self.generations else None

    @property
    def newest_report(self) -> ReportWritten | None:
        """The record of the report that was written last; None before the first."""
        return next(reversed(self.reports.values()), None)

    def rules_of(self, number: int) -> Rules:
        """The rules of a generation."""
        return self.generations[number - 1].rules

    def baseline_arm(self, number: int) -> Arm:
        """The baseline of a generation, with all its runs."""
        generation = self.generations[number - 1]
        runs = tuple(self.runs[run_id] for run_id in generation.run_ids)
        probes = tuple(self.runs[run_id] for run_id in generation.probe_ids)
        return Arm(generation=number, experiment=None, runs=runs, code=generation.code, probes=probes)

    def experiment_arm(self, experiment: Experiment) -> Arm:
        """The arm of an experiment, with all its runs and the controls of its code."""
        runs = [self.runs[run_id] for run_id in experiment.run_ids]
        past = runs[: experiment.earlier[-1].runs] if experiment.earlier else []
        return Arm(
            generation=experiment.generation,
            experiment=experiment.name,
            runs=tuple(run for run in runs if run.role is Role.MEASURE),
            flags=experiment.flags,
            replaces=experiment.replaces,
            hypothesis=experiment.hypothesis,
            primary=experiment.primary,
            primary_reason=experiment.primary_reason,
            is_judged=experiment.verdict is not None,
            fresh_plan=experiment.fresh_plan,
            fresh=tuple(run for run in runs if run.role is Role.CONFIRM),
            shared_controls=tuple(self._shared_controls(experiment)),
            controls=self.controls_of(experiment.generation, experiment.code),
            code=experiment.code,
            change=experiment.change,
            code_change=experiment.code_change,
            is_withdrawn=experiment.withdrawn is not None,
            tells_null=experiment.tells_null,
            since=sum(run.role is Role.MEASURE for run in past),
        )

    def arm_of(self, run: Run) -> Arm:
        """The arm that a run was requested for."""
        if run.experiment is None:
            return self.baseline_arm(run.generation)
        return self.experiment_arm(self.generations[run.generation - 1].experiments[run.experiment])

    def _shared_controls(self, experiment: Experiment) -> list[Run]:
        """The fresh runs without any change of the experiments that were given the same drawn seeds.

        Each experiment meets a diverged control itself: its confirmation does not end before a run of its own. The one
        that ended first stands first, so that a later one changes no pair.
        """
        plan = experiment.fresh_plan
        if plan is None or plan.is_given or plan.kind == "earlier":
            return []
        others = (
            one
            for one in self.generations[experiment.generation - 1].experiments.values()
            if one is not experiment
            and one.fresh_plan is not None
            and one.fresh_plan.seeds == plan.seeds
            and self.unchanged_code(one) == self.unchanged_code(experiment)
        )
        runs = (self.runs[run_id] for one in others for run_id in one.run_ids)
        found = [run for run in runs if run.role is Role.CONFIRM and run.is_control]
        return sorted((run for run in found if run.state is RunState.SUCCEEDED), key=lambda run: run.ended or "")

    def unchanged_code(self, experiment: Experiment) -> Code | None:
        """The code of an experiment's runs on fresh seeds without its change.

        In place nothing but the present files can be run: they are the experiment's, without its flags.
        """
        reference, plan = self.generations[experiment.generation - 1].code, experiment.fresh_plan
        is_kept = reference is not None and reference.held == "snapshot"
        return reference if is_kept and not (plan is not None and plan.has_own_controls) else experiment.code

    def controls_of(self, number: int, code: Code | None) -> tuple[Run, ...]:
        """The control runs of a code in a generation, in the order of their requests."""
        found = () if code is None else self.generations[number - 1].controls.get(code.sha256, ())
        return tuple(self.runs[run_id] for run_id in found)

    def is_without_value(self, experiment: Experiment) -> bool:
        """Whether nothing is known of its result or its code, and no run may show anything."""
        if experiment.verdict is not None or self.is_code_known(experiment):
            return False
        metric = self.rules_of(experiment.generation).metric.name
        return self.experiment_arm(experiment).is_without_value(metric)

    def is_code_known(self, experiment: Experiment) -> bool:
        """Whether a control that was run for it told what its edited code does.

        One that gives the value of the baseline at its seed tells nothing.
        """
        metric = self.rules_of(experiment.generation).metric.name
        controls = [run for one in experiment.run_ids if (run := self.runs[one]).role is Role.CONTROL]
        drawn = [run for run in controls if run.is_draw(metric)]
        known = self.baseline_arm(experiment.generation).finite(metric) if drawn else {}
        return any(not run.state.is_counted or run.value(metric) != known.get(run.seed) for run in drawn)

    @property
    def ideas(self) -> list[Experiment]:
        """The experiments that count among the ideas tried, in the order of their declaration."""
        return [one for one in self.experiments if self._is_idea(one)]

    def _is_idea(self, experiment: Experiment) -> bool:
        if experiment.verdict is not None:  # of a long campaign most have one, and each answer counts them
            return True
        if experiment.withdrawn is not None:
            return experiment.is_closed
        return not (experiment.counts_by_value and self.is_without_value(experiment))

    def ended_runs(self, owner: Generation | Experiment) -> tuple[str, ...]:
        """Ids of the ended runs of an arm, in the order of their requests; those of a baseline's probe come last."""
        run_ids = [*owner.run_ids, *(owner.probe_ids if isinstance(owner, Generation) else ())]
        return tuple(run_id for run_id in run_ids if run_id not in self.active)

    def awaits_end(self, run_id: str, read_at: int) -> bool:
        """Whether a run is active, and its metrics are those that it had after so many records."""
        run = self.runs[run_id]
        readings = self.generations[run.generation - 1].readings
        return run.state.is_active and not any(event.seq > read_at for event in readings)

    def find_experiment(self, name: str) -> Experiment | None:
        """The newest experiment with this name; None where it was never declared."""
        for generation in reversed(self.generations):
            if name in generation.experiments:
                return generation.experiments[name]
        return None

    def no_such_experiment(self, name: str) -> str:
        """Says that no experiment has this name, and which one is called nearly so."""
        import difflib

        close = difflib.get_close_matches(name, [one.name for one in self.experiments], 1)
        return f"no experiment {name:.64} has been declared{f'; did you mean {close[0]}?' if close else '.'}"

    def interrupt_active(self, reason: str) -> None:
        """Treat every active run as interrupted without a record; no record may be applied afterwards."""
        for run_id in self.active:
            self.runs[run_id] = replace(self.runs[run_id], state=RunState.INTERRUPTED, reason=reason)
        self.active.clear()
