"""Events: one frozen class for each kind of record, and the only code that reads and writes a record's fields.

Over 300 lines, because all kinds of records are in this one place.
A field that a record may lack has a default, so that ledgers of earlier versions can be read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args

from seedproof.ledger.record_fields import (
    Readers,
    as_mapping,
    as_seeds,
    as_step,
    as_text,
    as_texts,
    field_plan,
    read_fields,
    read_known,
    to_json,
)
from seedproof.model.arms import Primary
from seedproof.model.code import Change, Code
from seedproof.model.lengths import Lengths
from seedproof.model.metric_rule import MetricRule
from seedproof.model.results import REPORT_FORMAT, Confirmation, Difference, WallTimeChange
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import MetricValue, RunState

__all__ = [
    "EVENTS",
    "Event",
    "ExperimentDeclared",
    "FinishedState",
    "FilesRemoved",
    "FreshSeedsDrawn",
    "GenerationStarted",
    "LedgerDisclosed",
    "LogRead",
    "Measured",
    "MetricsReadAgain",
    "OutputFolder",
    "PastLedger",
    "RUN_ENDS",
    "ReadAgain",
    "Record",
    "ReportWritten",
    "Resumed",
    "RunCancelled",
    "RunEnded",
    "RunFinished",
    "RunInterrupted",
    "RunNotNeeded",
    "RunRequested",
    "RunReading",
    "RunStarted",
    "VerdictIssued",
    "read_event",
    "read_events",
]

Record = dict[str, Any]
"""One line of the ledger, decoded from JSON."""
E = TypeVar("E", bound="Event")
P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The content of one record. Number, time and hash are empty until it is written."""

    kind: ClassVar[str]
    """The `kind` of its records."""
    READERS: ClassVar[Readers] = {}
    """By field, the function that converts its JSON; without one, a list becomes a tuple."""
    OMITTED: ClassVar[frozenset[str]] = frozenset()
    """Fields that a record leaves out while they are empty."""

    seq: int = 0
    """Number of its record, from 1."""
    time: str = ""
    """When the record was written (ISO 8601, UTC)."""
    hash: str = ""
    """Hash of the record."""

    def fields(self) -> dict[str, Any]:
        """The fields of its record, without number, time and hashes."""
        values = {name: getattr(self, name) for name, _, _ in field_plan(type(self))}
        return {name: to_json(value) for name, value in values.items() if value or name not in self.OMITTED}

    @classmethod
    def read(cls, record: Record) -> Self:
        """The event of a record of this kind.

        Raises:
            KeyError, TypeError, ValueError: A field is missing or has the wrong type.
        """
        return cls(seq=record["seq"], time=record["time"], hash=record["hash"], **read_fields(cls, record))


# --- generations and experiments ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PastLedger:
    """What the registry of projects noted of a ledger."""

    began: str
    """Time of its first record."""
    records: int
    """How many records it held."""
    head: str
    """Its head as reports print it."""
    gone: int | None = None
    """How many ledgers its folder had before it; None where that does not matter."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "PastLedger | None":
        """Read the JSON object; None where there is none."""
        return read_known(cls, document) if document else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStarted(Event):
    """A baseline generation begins."""

    kind = "generation_started"
    READERS: ClassVar[Readers] = {
        "rules": Rules.from_document,
        "code": Code.from_document,
        "previous": PastLedger.from_document,
    }
    OMITTED = frozenset({"code", "previous"})
    generation: int
    """Its number, from 1."""
    rules: Rules
    """The rules that it is measured under; a rule that a later version added has its default."""
    reason: str | None
    """Why a new one was begun; None for the first."""
    adopted: tuple[str, ...] = ()
    """Ids of runs of the previous generation that count for this one too."""
    adoption: str | None = None
    """What it takes over and why, or why nothing; None where there was nothing to take over."""
    code: Code | None = None
    """The code that its baseline is trained with; None where it is not known."""
    previous: PastLedger | None = None
    """The ledger that this folder had before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDeclared(Event):
    """An experiment is declared; its primary test is chosen before its results."""

    kind = "experiment_declared"
    READERS: ClassVar[Readers] = {
        "code": Code.from_document,
        "change": Change.from_document,
    }
    OMITTED = frozenset({"code", "change"})
    generation: int
    """Number of the generation that it is compared with."""
    experiment: str
    """Its name."""
    flags: tuple[str, ...]
    """What it adds to the command."""
    hypothesis: str
    """What the experimenter expects."""
    code_change: bool
    """Whether it declares a change of code."""
    primary: Primary = "unpaired"
    """The primary interval."""
    primary_reason: str = "by default"
    """Why that one."""
    code: Code | None = None
    """The code of its runs; None where it is not known."""
    change: Change | None = None
    """How that differs from the baseline's code; None where it does not."""


# --- runs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequested(Event):
    """A run is queued."""

    kind = "run_requested"
    key: RunKey
    """What the run is for: generation, role, side, experiment, seed and attempt."""
    run_id: str = ""
    """Id in the record; empty takes the key's."""
    code: Code | None = None
    """New code of the arm; None where the arm keeps its code."""
    change: Change | None = None
    """How the new code differs from the baseline's."""

    def fields(self) -> dict[str, Any]:
        key = {**asdict(self.key), "arm": self.key.side, "run_id": self.run_id or self.key.run_id}
        del key["side"]
        parts = {"code": self.code, "change": self.change}
        return {**key, **{name: part.document() for name, part in parts.items() if part is not None}}

    @classmethod
    def read(cls, record: Record) -> Self:
        experiment, role = record["experiment"], Role(record["role"])
        # The oldest ledgers do not name the side.
        is_baseline = experiment is None or record.get("arm") == Side.BASELINE
        side = Side.BASELINE if is_baseline else Side.EXPERIMENT
        return cls(
            seq=record["seq"],
            time=record["time"],
            hash=record["hash"],
            key=RunKey(record["generation"], role, side, experiment, record["seed"], record["attempt"]),
            run_id=record["run_id"],
            code=Code.from_document(record.get("code")),
            change=Change.from_document(record.get("change")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run is handed to the engine; written before its process exists."""

    kind = "run_started"
    READERS: ClassVar[Readers] = {
        "argv": as_texts,
        "output_dir": as_text,
        "fingerprint": as_mapping,
        "environment": lambda document: None if document is None else as_mapping(document),
    }
    OMITTED = frozenset({"environment"})
    run_id: str
    """Id of the run."""
    argv: tuple[str, ...]
    """The command."""
    output_dir: str
    """The output folder, relative to the project."""
    timeout_s: float | None = None
    """Time limit in seconds; None where there is none."""
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    """Hashes and names of what it is trained with: code, interpreter, packages, host."""
    environment: Mapping[str, Any] | None = None
    """Interpreter, packages and devices; only with the first run that has them."""

    @property
    def environment_sha256(self) -> str:
        """Hash of the environment; empty where none was recorded."""
        return str(self.fingerprint.get("environment_sha256", ""))

    @property
    def load(self) -> float | None:
        """Load average of the machine before the start; None where it was not recorded."""
        return self.fingerprint.get("load")

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint without the load, which differs at every start."""
        return {name: value for name, value in self.fingerprint.items() if name != "load"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What the log of an ended run shows besides its metrics."""

    READERS: ClassVar[Readers] = {
        "log_sha256": lambda document: None if document is None else as_text(document),
        "early": lambda document: _read_early(document),
        "lengths": lambda document: Lengths.from_document(as_mapping(document)),
    }
    step: int | None = None
    """The last step."""
    start_text: str | None = None
    """The deciding metric at step 0 as printed."""
    early: tuple[tuple[int | None, str], ...] = ()
    """Its first three values after step 0 as printed, each with its step; a record leaves out an empty one."""
    lengths: Lengths = field(default_factory=Lengths)
    """How far the training went; a record leaves out what is not known."""
    bare_log: bool = False
    """Whether the log is one line, or holds nothing but values of metrics; a record leaves out a false one."""
    log_sha256: str | None = None
    """Hash of the log."""
    log_bytes: int | None = None
    """Size of the log."""
    lost_loss: str | None = None
    """What it shows of the training loss last, where that is nan or inf; not in the record else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the supervisor of an ended run measured."""

    READERS: ClassVar[Readers] = {"counts": as_mapping}
    wall_time_s: float | None = None
    """Seconds from start to end."""
    exit_code: int | None = None
    """Exit code; None where a signal ended it."""
    signal: str | None = None
    """Name of the signal that ended it; None where none did."""
    counts: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the evaluation as printed, by name."""
    load: float | None = None
    """Load average of the machine at the end."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """The output folder at the end of a run."""

    READERS: ClassVar[Readers] = {"output_id": lambda document: tuple(document) if document else None}
    output_id: tuple[int, ...] | None = None
    """Device and inode; None where there is no folder."""
    output_bytes: int = 0
    """Size of everything in it; 0 in the oldest ledgers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run has ended; each subclass is one kind of end. A part that is not known is None."""

    ENDS_AS: ClassVar[RunState]
    """The state that each run of this kind has from now on."""
    run_id: str
    """Id of the run."""
    reason: str | None = None
    """Why it ended so; None for a success."""
    metrics: Mapping[str, MetricValue] | None = None
    """Metrics by name; None where the log was not read."""
    log: LogRead | None = None
    """What its log shows besides."""
    measured: Measured | None = None
    """What its supervisor measured."""
    slept_s: float = 0.0
    """Seconds that the machine was suspended meanwhile."""
    created: tuple[str, ...] = ()
    """Files that a run in place created outside its output folder."""
    output: OutputFolder | None = None
    """Its output folder."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Hash of each file that was copied from it into the run's folder, by the copy's name."""

    @property
    def state(self) -> RunState:
        """The state that the run has from now on."""
        return self.ENDS_AS

    def fields(self) -> dict[str, Any]:
        values: dict[str, Any] = {"run_id": self.run_id, "reason": self.reason}
        if self.metrics is not None:
            values["metrics"] = {name: asdict(value) for name, value in self.metrics.items()}
        for part in (self.log, self.measured, self.output):
            values |= {} if part is None else asdict(part)
        values |= {} if self.log is None else {"lengths": self.log.lengths.document()}
        values = {name: value for name, value in values.items() if value or name not in _OMITTED_PARTS}
        values |= {"slept_s": self.slept_s} if self.slept_s else {}
        values |= {"kept": dict(self.kept)} if self.kept else {}
        return values | ({"created": list(self.created)} if self.created else {})

    @classmethod
    def read(cls, record: Record) -> Self:
        return cls(**cls._end_values(record))

    @classmethod
    def _end_values(cls, record: Record) -> dict[str, Any]:
        metrics = as_mapping(record["metrics"]) if "metrics" in record else None
        return {
            **{name: record[name] for name in ("seq", "time", "hash", "run_id")},
            "reason": record.get("reason"),
            "metrics": None if metrics is None else _read_metrics(metrics),
            "log": _read_part(LogRead, record),
            "measured": _read_part(Measured, record),
            "slept_s": record.get("slept_s", 0.0),
            "created": tuple(record.get("created", ())),
            "output": _read_part(OutputFolder, record),
            "kept": as_mapping(record.get("kept", {})),
        }


def _read_early(document: Any) -> tuple[tuple[int | None, str], ...]:
    return tuple((as_step(step), as_text(text)) for step, text in document)


def _read_metrics(document: Any) -> dict[str, MetricValue]:
    return {name: read_known(MetricValue, value) for name, value in as_mapping(document).items()}


def _read_part(part: type[P], record: Record) -> P | None:
    """A part of an event, read from the fields that the record has; None where it has none of them."""
    found = read_fields(part, record)
    return part(**found) if found else None


# Fields of the parts of an end that a record leaves out while they are empty.
_OMITTED_PARTS = frozenset({"early", "lengths", "bare_log", "lost_loss"})
FinishedState = Literal[RunState.SUCCEEDED, RunState.FAILED, RunState.DIVERGED, RunState.UNREAD, RunState.TIMED_OUT]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(RunEnded):
    """A training ended by itself or by its time limit, or could not be started."""

    kind = "run_finished"
    end: FinishedState
    """How it ended."""
    never_started: bool = False
    """Whether its training never started."""
    bad_exit: str | None = None
    """How it ended badly after its training was complete, such as `exit code 1`; counted if the rules accept that."""

    @property
    def state(self) -> RunState:
        """How it ended."""
        return self.end

    def fields(self) -> dict[str, Any]:
        more = {"never_started": self.never_started, "bad_exit": self.bad_exit}
        known = {name: value for name, value in more.items() if value}
        return {**RunEnded.fields(self), "state": self.end.value, **known}

    @classmethod
    def read(cls, record: Record) -> Self:
        end: Any = RunState(record["state"])
        if end not in get_args(FinishedState):
            raise ValueError(f"a finished run is not {end}")
        bad_exit = as_text(record["bad_exit"]) if "bad_exit" in record else None
        never_started = bool(record.get("never_started"))
        return cls(end=end, never_started=never_started, bad_exit=bad_exit, **cls._end_values(record))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(RunEnded):
    """The supervisor or the machine was lost."""

    kind = "run_interrupted"
    ENDS_AS = RunState.INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(RunEnded):
    """Somebody stopped the run."""

    kind = "run_cancelled"
    ENDS_AS = RunState.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotNeeded(RunEnded):
    """The arm was decided before the run was started."""

    kind = "run_not_needed"
    ENDS_AS = RunState.NOT_NEEDED


@dataclass(frozen=True, slots=True)
class RunReading:
    """What a run's output says by the metrics of its generation."""

    state: RunState
    """The state that follows."""
    reason: str | None
    """Why it is no success; None for a success."""
    metrics: Mapping[str, MetricValue]
    """Metrics by name."""
    start_text: str | None
    """The deciding metric at step 0 as printed."""
    early: tuple[tuple[int | None, str], ...] = ()
    """Its first three values after step 0, each with its step."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {**asdict(self), "state": self.state.value, "early": [list(one) for one in self.early]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RunReading":
        """Read the JSON object."""
        return cls(
            RunState(document["state"]),
            document["reason"],
            _read_metrics(document["metrics"]),
            document["start_text"],
            _read_early(document["early"]),
        )


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """A run whose kept output was read again."""

    now: RunReading
    """What holds from now on."""
    before: RunReading
    """What held until then."""
    log_sha256: str
    """Hash of the log that was read."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        before = {"before": self.before.document(), "log_sha256": self.log_sha256}
        return {**self.now.document(), **before}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ReadAgain":
        """Read the JSON object."""
        before = RunReading.from_document(document["before"])
        return cls(RunReading.from_document(document), before, as_text(document["log_sha256"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsReadAgain(Event):
    """The metrics of a generation changed in the settings, and its runs were read again from what is kept of them."""

    kind = "metrics_read_again"
    generation: int
    """Number of the generation."""
    metric: MetricRule
    """The metric that decides from now on."""
    extra_metrics: tuple[MetricRule, ...]
    """The other ones."""
    runs: Mapping[str, ReadAgain]
    """By id, each run of which anything changes."""
    left: Mapping[str, str] = field(default_factory=dict)
    """By id, why a run could not be read again."""

    def fields(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "metric": self.metric.model_dump(mode="json"),
            "extra_metrics": [metric.model_dump(mode="json") for metric in self.extra_metrics],
            "runs": {run_id: run.document() for run_id, run in self.runs.items()},
            "left": dict(self.left),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        return cls(
            **{name: record[name] for name in ("seq", "time", "hash", "generation")},
            metric=_read_metric(record["metric"]),
            extra_metrics=tuple(map(_read_metric, record["extra_metrics"])),
            runs={run_id: ReadAgain.from_document(run) for run_id, run in as_mapping(record["runs"]).items()},
            left=as_mapping(record["left"]),
        )


def _read_metric(document: Any) -> MetricRule:
    # From JSON, as the type is strict and a document has lists where it has tuples.
    return MetricRule.model_validate_json(json.dumps(as_mapping(document)))


# --- verdicts, reports and the rest -------------------------------------------------------------


def _read_confirmation(document: Mapping[str, Any] | None) -> Confirmation | None:
    if document is None:
        return None
    wall_time = document.get("wall_time")
    return read_known(
        Confirmation, {**document, "wall_time": read_known(WallTimeChange, wall_time) if wall_time else None}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictIssued(Event):
    """A verdict was given; once for each set of runs."""

    kind = "verdict_issued"
    READERS: ClassVar[Readers] = {
        "fresh_seeds": as_seeds,
        "confirmation": _read_confirmation,
        "accepted": lambda documents: tuple(read_known(Difference, one) for one in documents or ()),
    }
    OMITTED = frozenset({"fresh_seeds", "brackets"})
    generation: int
    """Number of the experiment's generation."""
    experiment: str
    """Name of the experiment."""
    runs: tuple[str, ...] = ()
    """Ids of the runs that it rests on."""
    verdict: str
    """WINNER, NEUTRAL, LOSER, or DROPPED by the screening design."""
    headline: str = ""
    """Verdict and reason in one line."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL."""
    delta: float | None = None
    """Experiment minus baseline, in the metric's unit."""
    improvement_sigma: float | None = None
    """Distance of the means in sigmas; positive is better."""
    cohens_d: float | None = None
    """The protocol's d."""
    evidence: Mapping[str, Any] | None = None
    """The output of `verdict.evidence.as_document`; None in ledgers older than that."""
    campaign: Mapping[str, Any] | None = None
    """Likewise, of the campaign."""
    confirmation: Confirmation | None = None
    """What fresh seeds show; None where none are due."""
    accepted: tuple[Difference, ...] = ()
    """Differences besides the experiment that the settings accepted."""
    on_head: str | None = None
    """The ledger head that it was given on."""
    report_format: int | None = None
    """Version of the report format."""
    fresh_seeds: tuple[int, ...] = ()
    """The fresh seeds of its confirmation, drawn for this record; empty where it has none, or has them already."""
    brackets: tuple[str, ...] = ()
    """What the headline says in brackets of the runs themselves, such as `spread 3.1x the baseline's`."""

    @property
    def is_earlier(self) -> bool:
        """Whether it was given by an earlier version: then it is shown as it was given."""
        return self.report_format is None or self.report_format < REPORT_FORMAT

    @property
    def is_winner(self) -> bool:
        """Whether the verdict is WINNER."""
        return self.verdict == "WINNER"

    @property
    def p_better(self) -> float | None:
        """The one-sided p value recorded with it."""
        return (self.campaign or {}).get("p_better")

    @property
    def is_confirmation_ended(self) -> bool:
        """Whether every run of the confirmation had ended by then."""
        return self.confirmation is not None and self.confirmation.state != "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshSeedsDrawn(Event):
    """Fresh seeds are drawn for a WINNER of an earlier version, whose verdict has none."""

    kind = "fresh_seeds_drawn"
    READERS: ClassVar[Readers] = {"seeds": as_seeds}
    generation: int
    """Number of the experiment's generation."""
    experiment: str
    """Name of the experiment."""
    seeds: tuple[int, ...]
    """One for each pair of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """A report is written; its files can be rendered again from the records before this one."""

    kind = "report_written"
    READERS: ClassVar[Readers] = {"path": as_text, "figures": as_texts, "figure_sha256": as_texts}
    path: str
    """The report's file, relative to the project."""
    sha256: str = ""
    """Hash of that file."""
    generation: int
    """Number of the generation."""
    experiment: str | None
    """Name of the experiment; None for the baseline's report."""
    headline: str = ""
    """Its headline."""
    verdict: str | None = None
    """The verdict; None for the baseline's report."""
    runs: tuple[str, ...] | None = None
    """Ids of the ended runs that it shows; None in the oldest ledgers."""
    at_seq: int = 0
    """Number of records that it was rendered from."""
    figures: tuple[str, ...] = ()
    """The figures' files, relative to the project."""
    figure_sha256: tuple[str, ...] = ()
    """Hashes of the figures, in the same order."""
    report_format: int | None = None
    """Version of the report format; None in the oldest ledgers."""

    @property
    def files(self) -> dict[str, str]:
        """Hash of each of its files, by path."""
        return {self.path: self.sha256, **dict(zip(self.figures, self.figure_sha256, strict=False))}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRemoved(Event):
    """Output folders were removed."""

    kind = "files_removed"
    READERS: ClassVar[Readers] = {"paths": as_texts}
    paths: tuple[str, ...]
    """The folders, relative to the project."""
    freed_bytes: int = 0
    """Bytes that this freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A person has looked at the failures in a row; new experiments are allowed again."""

    kind = "resumed"
    reason: str = ""
    """What that person found."""
    failures: int = 0
    """Number of failures in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDisclosed(Event):
    """Records what the registry of projects knew and the ledger did not hold."""

    kind = "ledger_disclosed"
    READERS: ClassVar[Readers] = {"had": PastLedger.from_document}
    OMITTED = frozenset({"folders", "had"})

    def __post_init__(self) -> None:
        if self.had is None and self.what != "shared":
            raise ValueError(f"{self.what!r:.40} names no ledger that was lost")

    what: Literal["shared", "rewound", "replaced", "copy"]
    """`shared`: other folders hold this ledger. `rewound`: a later head was seen here. `replaced`: this folder had
    another ledger. `copy`: a copy that is gone had a later head."""
    present: str | None
    """The ledger's head at that time; None where it does not matter."""
    folders: int = 0
    """Number of other folders with the same ledger; only for `shared`."""
    had: PastLedger | None = None
    """The ledger that was lost; None for `shared`."""


RUN_ENDS = (RunFinished, RunInterrupted, RunCancelled, RunNotNeeded)
EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        *(GenerationStarted, ExperimentDeclared, RunRequested, RunStarted, *RUN_ENDS, MetricsReadAgain),
        *(VerdictIssued, FreshSeedsDrawn, ReportWritten, FilesRemoved, Resumed, LedgerDisclosed),
    )
}
"""The class of each kind of record."""


def read_event(record: Record) -> Event:
    """The event of a record.

    Raises:
        KeyError, TypeError, ValueError: A field is missing or has the wrong type.
    """
    return EVENTS[record["kind"]].read(record)


def read_events(records: Iterable[Record], *kinds: type[E]) -> Iterator[E]:
    """The events of these kinds among records that may be damaged; skips those that cannot be read."""
    wanted = {kind.kind: kind for kind in kinds}
    for record in records:
        kind = wanted.get(record.get("kind", ""))
        if kind is not None:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                yield kind.read(record)
