"""Ledger records: their canonical bytes, their hash chain, and the state they fold into."""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seedproof.code import Change, Code
from seedproof.errors import LedgerDamaged, LedgerNewer, NextCall
from seedproof.repeats import Repeats
from seedproof.rules import Rules
from seedproof.samples import PriorVariance
from seedproof.values import Arm, MetricValue, Primary, Role, Run, RunState, declares_no_effect

__all__ = [
    "EMPTY_HASH",
    "FORMAT",
    "Experiment",
    "Generation",
    "Record",
    "State",
    "canonical",
    "fold",
    "make_record",
    "read_line",
    "run_id_of",
]

Record = dict[str, Any]
FORMAT = 1
EMPTY_HASH = "0" * 64
_HASH_LENGTH = 12
# Made once: json.dumps makes one for every record, which shows where thousands are read.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
KINDS = frozenset(
    {
        "generation_started",
        "experiment_declared",
        "run_requested",
        "run_started",
        "run_finished",
        "run_interrupted",
        "run_cancelled",
        "run_not_needed",
        "verdict_issued",
        "report_written",
        "files_removed",
        "resumed",
        "ledger_disclosed",
    }
)


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one way to write a record: ASCII JSON, sorted keys, no NaN, no spaces.

    Raises:
        ValueError: A number is nan or infinite.
    """
    return _ENCODER.encode(record).encode("ascii")


def make_record(seq: int, time: str, prev: str, kind: str, fields: Mapping[str, Any]) -> Record:
    """A record with its hash: SHA-256 over the canonical record without the hash."""
    bare = canonical({**fields, "seq": seq, "time": time, "prev": prev, "kind": kind, "format": FORMAT})
    # Read back, so that who wrote a record has the very one that others read, the order of its keys included.
    record: Record = json.loads(bare)
    return {**record, "hash": hashlib.sha256(bare).hexdigest()}


def read_line(line: bytes, seq: int, prev: str) -> Record:
    """Check one line of the ledger (without its newline) and give its record.

    Raises:
        LedgerDamaged: Not canonical JSON, wrong place in the sequence, broken chain or hash.
        LedgerNewer: Written by a newer Seedproof.
    """
    try:
        record = json.loads(line.decode())  # bytes would be searched for their encoding first
    except (ValueError, RecursionError):
        raise _damaged(seq, "is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("hash"), str):
        raise _damaged(seq, "is not a record")
    if isinstance(record.get("format"), int) and record["format"] > FORMAT:
        raise LedgerNewer(
            f"record {seq} has format {record['format']}; this Seedproof reads up to {FORMAT}. Update Seedproof."
        )
    _check_chain(record, line, seq, prev)
    return record


def _check_chain(record: Record, line: bytes, seq: int, prev: str) -> None:
    if record.get("seq") != seq:
        raise _damaged(seq, f"says it is record {record.get('seq')!r:.20}")
    if record.get("prev") != prev:
        raise _damaged(seq, "does not follow from the record before it")
    if record.get("kind") not in KINDS:
        raise _damaged(seq, "is of an unknown kind")
    try:
        written = canonical(record)
    except (ValueError, RecursionError):  # NaN, or an infinite number, which JSON as Python reads it may hold
        raise _damaged(seq, "is not written canonically") from None
    if line == written + b"\r":
        raise _damaged(seq, "ends in CRLF; its line endings were changed")
    if written != line:
        raise _damaged(seq, "is not written canonically")
    if hashlib.sha256(_without_hash(record, line)).hexdigest() != record["hash"]:
        raise _damaged(seq, "does not match its hash")


def _without_hash(record: Record, line: bytes) -> bytes:
    """The canonical bytes of a record without its hash, from the line that has been found to be canonical."""
    # Cut out of the line: encoding the record a second time takes a fifth of the time that reading a ledger takes.
    # A comma follows, because `kind` stands behind `hash`; quotes inside a text are escaped, so no text looks like it.
    around = line.split(b'"hash":%b,' % _ENCODER.encode(record["hash"]).encode())
    if len(around) == 2:
        return around[0] + around[1]
    # A value inside the record has the same name and content.
    return canonical({key: value for key, value in record.items() if key != "hash"})


def _damaged(seq: int, what: str) -> LedgerDamaged:
    damage = LedgerDamaged(
        f"record {seq} of .seedproof/ledger.jsonl {what}. Nothing is decided on a damaged ledger. "
        f"Look at it with `sed -n {seq}p .seedproof/ledger.jsonl` and restore the file from a backup "
        "or from docs/research/ledger.jsonl."
    )
    damage.seq, damage.fault = seq, what
    return damage


def run_id_of(
    generation: int, role: Role, experiment: str | None, seed: int, attempt: int, is_control: bool = False
) -> str:
    """The name of a run: a function of its key, so one key can never have two runs."""
    kind = "exp" if role is Role.MEASURE else str(role)
    # An underscore, because a dash could begin the name of an experiment.
    side = "_control" if is_control and role is Role.CONFIRM else ""
    arm = "baseline" if experiment is None else f"{kind}{side}-{experiment}"
    return f"g{generation}-{arm}-s{seed}-a{attempt}"


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
    verdict: Record | None = None
    report: Record | None = None
    place: int = 0
    """Its place among all experiments of the ledger."""
    declared_at: int = 0
    """Number of the record that declared it."""
    code: Code | None = None
    """What its runs are trained with."""
    change: Change | None = None
    """How that differs from the baseline's code."""
    following: NextCall | None = field(default=None, compare=False)
    """What comes next for it, as `seedproof.phases` found, kept until a record about it."""
    alike: tuple[int, ...] | None = field(default=None, compare=False)
    """Places of earlier experiments with flags like its own, as `seedproof.disclosures` found; they never change."""

    @property
    def is_null(self) -> bool:
        """Whether it was declared to have no effect."""
        return declares_no_effect(self.hypothesis)


@dataclass(slots=True)
class Generation:
    """One baseline generation: its rules, its runs and its experiments."""

    number: int
    rules: Mapping[str, Any]
    reason: str | None
    started: str
    adopted: list[str] = field(default_factory=list)
    adoption: str | None = None
    run_ids: list[str] = field(default_factory=list)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    report: Record | None = None
    code: Code | None = None
    """What its runs are trained with; None in a ledger from before code was recorded."""
    controls: dict[str, list[str]] = field(default_factory=dict)
    """By code identity, the control runs of that code, whichever experiment asked for them."""
    _rules: Rules | None = field(default=None, compare=False)

    def parsed_rules(self) -> Rules:
        """The rules that it was begun under; what a later version added has its default."""
        if self._rules is None:
            self._rules = Rules.from_document(self.rules)
        return self._rules


@dataclass(slots=True)
class State:
    """Everything the records say, kept up to date by `apply`."""

    seq: int = 0
    head: str = EMPTY_HASH
    generations: list[Generation] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    active: dict[str, None] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the runs that left a log, by its hash."""
    reports: dict[str, Record] = field(default_factory=dict)
    owned_folders: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """By its hash, each environment that a run was carried out in: interpreter, packages and devices."""
    first_hash: str | None = None
    """Hash of the first record: no other ledger has it."""
    began: str | None = None
    previous: Mapping[str, Any] | None = None
    """The ledger that this folder had before this one, as the registry knew it."""
    disclosures: list[Record] = field(default_factory=list)
    """What else the registry knew that this ledger did not hold."""
    failures_in_row: int = 0
    largest_output_bytes: int = 0
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
    unsettled: list[int] = field(default_factory=list, compare=False)
    """Places of the experiments of the present generation that may need something; those that do not may be taken out
    by who looks, until a record about them."""
    repeats: Repeats = field(default_factory=Repeats)
    """Whether the same code and seed have given the same value again."""
    created: set[str] = field(default_factory=set)
    """Files that runs in place have created: their outputs, not the project's code."""
    memo: dict[str, Any] = field(default_factory=dict, compare=False)
    """What was computed from all experiments, until one is declared or judged."""
    _surroundings: Mapping[str, Any] = field(default_factory=dict, compare=False)
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
    def newest_report(self) -> Record | None:
        """The record of the report that was written last, or None."""
        return next(reversed(self.reports.values()), None)

    def rules_of(self, number: int) -> Rules:
        """The rules of a generation."""
        return self.generations[number - 1].parsed_rules()

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

    def ended_runs(self, owner: Generation | Experiment) -> list[str]:
        """The runs of an arm that have ended, in the order of their requests: what a report shows for good."""
        return [run_id for run_id in owner.run_ids if run_id not in self.active]

    def find_experiment(self, name: str) -> Experiment | None:
        """The newest declaration of a name, or None."""
        for generation in reversed(self.generations):
            if name in generation.experiments:
                return generation.experiments[name]
        return None

    def apply(self, record: Record) -> None:
        """Take one verified record into account.

        Raises:
            LedgerDamaged: The record lacks a field or contradicts those before it.
        """
        try:
            getattr(self, f"_on_{record['kind']}")(record)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(record["seq"], f"contradicts those before it ({error!r:.80})") from error
        self.seq, self.head = record["seq"], record["hash"]
        self.first_hash = self.first_hash or record["hash"]
        self.began = self.began or record["time"]

    def interrupt_active(self, reason: str) -> None:
        """See every open run as interrupted, before a record says so; no further record may follow."""
        for run_id in self.active:
            self.runs[run_id] = replace(self.runs[run_id], state=RunState.INTERRUPTED, reason=reason)
        self.active.clear()

    def _on_generation_started(self, record: Record) -> None:
        number = record["generation"]
        if number != len(self.generations) + 1:
            raise ValueError("generation out of order")
        self.previous = self.previous or record.get("previous")
        adopted = list(record.get("adopted", ()))
        if not all(self.runs[run_id].experiment is None for run_id in adopted):
            raise ValueError("a baseline takes over runs of a baseline only")
        self.generations.append(
            Generation(
                number,
                record["rules"],
                record["reason"],
                record["time"],
                adopted,
                record.get("adoption"),
                list(adopted),
                code=Code.from_document(record.get("code")),
            )
        )
        self.unsettled.clear()

    def _on_experiment_declared(self, record: Record) -> None:
        generation = self.generations[record["generation"] - 1]
        name = record["experiment"]
        if name in generation.experiments:
            raise ValueError("declared twice")
        declared = generation.experiments[name] = Experiment(
            name,
            generation.number,
            tuple(record["flags"]),
            record["hypothesis"],
            record["code_change"],
            record.get("primary", "unpaired"),
            record.get("primary_reason", "by default"),
            PriorVariance(**record["prior"]) if record.get("prior") else None,
            place=len(self.experiments),
            declared_at=record["seq"],
            code=Code.from_document(record.get("code")),
            change=Change.from_document(record.get("change")),
        )
        self.experiments.append(declared)
        self.nulls += declared.is_null
        self.memo.clear()
        self._touch(declared)

    def _on_run_requested(self, record: Record) -> None:
        run = Run(
            run_id=record["run_id"],
            generation=record["generation"],
            role=Role(record["role"]),
            experiment=record["experiment"],
            seed=record["seed"],
            attempt=record["attempt"],
            state=RunState.QUEUED,
            is_control=record["experiment"] is not None and record.get("arm") == "baseline",
        )
        if run.run_id in self.runs:
            raise ValueError("requested twice")
        generation = self.generations[run.generation - 1]
        owner = generation if run.experiment is None else generation.experiments[run.experiment]
        if record.get("code") is not None:  # until an arm has shown its metric, its next attempt takes new code
            owner.code = Code.from_document(record["code"])
            if isinstance(owner, Experiment):
                owner.change = Change.from_document(record.get("change"))
        owner.run_ids.append(run.run_id)
        if run.role is Role.CONTROL and isinstance(owner, Experiment) and owner.code is not None:
            generation.controls.setdefault(owner.code.sha256, []).append(run.run_id)
        self.runs[run.run_id] = run
        self._touch_owner(run)
        self.active[run.run_id] = None

    def _on_run_started(self, record: Record) -> None:
        run = self._active_run(record)
        folder = record["output_dir"]
        surroundings = record.get("fingerprint", {})
        name = surroundings.get("environment_sha256")
        if record.get("environment") is not None:  # with the first run that has it
            self.environments[name] = dict(record["environment"])
        self.runs[run.run_id] = replace(
            run,
            state=RunState.RUNNING,
            argv=tuple(record["argv"]),
            output_dir=folder,
            started=record["time"],
            surroundings=self._as_before({key: value for key, value in surroundings.items() if key != "load"}),
            environment=self.environments.get(name, {}),
            load=surroundings.get("load"),
        )
        self.owned_folders[folder] = run.run_id
        self._touch_owner(run)

    def _as_before(self, surroundings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same object for runs with the same surroundings: almost all of a ledger's, and they are large."""
        if surroundings != self._surroundings:
            self._surroundings = surroundings
        return self._surroundings

    def _on_run_finished(self, record: Record) -> None:
        self._end(record, RunState(record["state"]))

    def _on_run_interrupted(self, record: Record) -> None:
        self._end(record, RunState.INTERRUPTED)

    def _on_run_cancelled(self, record: Record) -> None:
        self._end(record, RunState.CANCELLED)

    def _on_run_not_needed(self, record: Record) -> None:
        self._end(record, RunState.NOT_NEEDED)

    def _on_verdict_issued(self, record: Record) -> None:
        judged = self._declared(record)
        before = judged.verdict
        judged.verdict = record
        self.judged += before is None
        self.winners += (record["verdict"] == "WINNER") - (before is not None and before["verdict"] == "WINNER")
        key, written = (judged.generation, judged.name), (record.get("campaign") or {}).get("p_better")
        self.p_values.pop(key, None)
        if written is not None:
            self.p_values[key] = float(written)
        self.memo.clear()
        self._touch(judged)

    def _on_report_written(self, record: Record) -> None:
        self.reports.pop(record["path"], None)  # so that the newest is the last one
        self.reports[record["path"]] = record
        if record["experiment"] is None:
            self.generations[record["generation"] - 1].report = record
        else:
            reported = self._declared(record)
            reported.report = record
            self._touch(reported)

    def _on_files_removed(self, record: Record) -> None:
        for folder in record["paths"]:
            self.owned_folders.pop(folder, None)

    def _on_resumed(self, record: Record) -> None:
        """A person has looked."""
        self.failures_in_row = 0

    def _on_ledger_disclosed(self, record: Record) -> None:
        self.disclosures.append(record)

    def _declared(self, record: Record) -> Experiment:
        experiment: Experiment = self.generations[record["generation"] - 1].experiments[record["experiment"]]
        return experiment

    def _touch(self, experiment: Experiment) -> None:
        """A record about it: what was known to come next may not be."""
        experiment.following = None
        at = bisect_left(self.unsettled, experiment.place)
        if experiment.generation == len(self.generations) and self.unsettled[at : at + 1] != [experiment.place]:
            self.unsettled.insert(at, experiment.place)

    def _command_of(self, run: Run) -> Any:
        """What a run was started with, but for folder and seed."""
        generation = self.generations[run.generation - 1]
        rules = generation.parsed_rules()
        flags = () if run.experiment is None or run.is_control else generation.experiments[run.experiment].flags
        return rules.command, rules.train_tokens, flags

    def _touch_owner(self, run: Run) -> None:
        if run.experiment is not None:
            self._touch(self.generations[run.generation - 1].experiments[run.experiment])

    def _active_run(self, record: Record) -> Run:
        run = self.runs[record["run_id"]]
        if not run.state.is_active:
            raise ValueError("the run has ended already")
        return run

    def _end(self, record: Record, state: RunState) -> None:
        run = self._active_run(record)
        metrics = {name: MetricValue(**value) for name, value in record.get("metrics", {}).items()}
        self.runs[run.run_id] = replace(
            run,
            state=state,
            output_id=tuple(record["output_id"]) if record.get("output_id") else None,
            metrics=metrics,
            wall_time_s=record.get("wall_time_s"),
            reason=record.get("reason"),
            step=record.get("step"),
            exit_code=record.get("exit_code"),
            log_sha256=record.get("log_sha256"),
            start_text=record.get("start_text"),
            counts=record.get("counts", {}),
            slept_s=record.get("slept_s", 0.0),
            ended=record["time"],
            repeats=run.role is Role.CONTROL and self.repeats.are_shown_by(run),
        )
        self.repeats.add(self.runs[run.run_id], self._command_of(run), self.rules_of(run.generation).metric.name)
        self.created.update(record.get("created", ()))
        del self.active[run.run_id]
        if record.get("log_sha256") is not None:
            self.logs.setdefault(record["log_sha256"], []).append(run.run_id)
        self._touch_owner(run)
        self.largest_output_bytes = max(self.largest_output_bytes, record.get("output_bytes", 0))
        if state is RunState.SUCCEEDED:
            self.failures_in_row = 0
        elif state in (RunState.FAILED, RunState.TIMED_OUT, RunState.DIVERGED) and not record.get("never_started"):
            self.failures_in_row += 1


def fold(records: Iterable[Record]) -> State:
    """The state that verified records add up to."""
    state = State()
    for record in records:
        state.apply(record)
    return state
